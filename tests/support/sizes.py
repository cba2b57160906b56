"""Sizes of tests: small in the suite, full with CUSTOMERSMS_TEST_SIZES=full (`make test-full`)."""

from __future__ import annotations

import os
from typing import Final, TypeVar

T = TypeVar("T")

IS_FULL: Final = os.environ.get("CUSTOMERSMS_TEST_SIZES") == "full"


def sized(small: T, full: T) -> T:
    """Choose between the size for every change and the full size."""
    return full if IS_FULL else small
