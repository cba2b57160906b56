"""``customersms sandbox``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..sandbox.__main__ import main

__all__ = ["sandbox"]


def sandbox(
    *options: Annotated[str, Parameter(allow_leading_hyphen=True, help="See --help.")],
) -> int:
    """Run a gateway on this machine that sends nothing."""
    return main(options, program="customersms sandbox")
