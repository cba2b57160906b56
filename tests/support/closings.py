"""What a fixture wants closed in the event loop of the test, after the test."""

from collections.abc import Awaitable, Callable

import pytest

CLOSINGS = pytest.StashKey[list[Callable[[], Awaitable[object]]]]()
