"""What a fixture wants to be closed in the test's event loop after the test."""

from collections.abc import Awaitable, Callable

import pytest

CLOSINGS = pytest.StashKey[list[Callable[[], Awaitable[object]]]]()
