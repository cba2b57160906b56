"""
What the accounts of one process share: a lock, and what becomes of them in a forked child.

Rules of this module:

1. There is one lock for all, so that a fork can wait until nobody holds it. A child that was forked
   while another thread held a lock would find it held for ever.
2. It is re-entrant: a signal or the garbage collector may end a request in the midst of whatever
   its thread does.
3. A child keeps what its parent knew as instants, and none of its event loops. Its copy of a loop
   writes into the same socket as the parent's to wake it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Final, Protocol
from weakref import WeakSet

__all__ = ["HasLoops", "forget_in_children", "lock"]

#: Guards every account of the process.
lock: Final = threading.RLock()


class HasLoops(Protocol):
    """Something that knows event loops."""

    def forget_loops(self) -> None:
        """Go on without them: this is a forked child."""
        ...


_all: Final = WeakSet[HasLoops]()


def forget_in_children(one: HasLoops) -> None:
    """Let *one* forget its event loops in each child that is forked from now on."""
    with lock:
        _all.add(one)


def _begin_child() -> None:
    for one in _all:
        one.forget_loops()
    lock.release()


with contextlib.suppress(AttributeError):  # Windows knows no fork
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=_begin_child
    )
