"""Draw the states of a message into `outbox-states.md`, from the table that the outbox runs on."""

from __future__ import annotations

import re
from pathlib import Path

from customersms_async.outbox._core.message_states import draw

PAGE = Path(__file__).parent / "outbox-states.md"

_DRAWING = re.compile(r"(?<=```mermaid\n).*?(?=\n```)", re.DOTALL)


def drawn(page: str) -> str:
    """Give the page with the drawing as it is today."""
    return _DRAWING.sub(lambda _: draw(), page, count=1)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
