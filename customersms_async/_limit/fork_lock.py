"""
The lock that all accounts of a process share, and how they survive a fork.

Rules of this module:

1. There is one lock, which a fork acquires first: a child forked while another thread held it would
   find it locked for ever.
2. It is re-entrant: a signal handler or the garbage collector may end a request at any point of a
   thread that holds it.
3. A child keeps the instants that its parent knew, and none of its event loops: its copy of a loop
   would write to the parent's wake-up socket.
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
    """An object that refers to event loops."""

    def forget_loops(self) -> None:
        """Drop them, in a forked child."""
        ...


_all: Final = WeakSet[HasLoops]()


def forget_in_children(one: HasLoops) -> None:
    """Call `forget_loops` of *one* in each child forked from now on."""
    with lock:
        _all.add(one)


def _begin_child() -> None:
    for one in _all:
        one.forget_loops()
    with contextlib.suppress(RuntimeError):  # uWSGI may call this hook alone
        lock.release()


with contextlib.suppress(AttributeError):  # Windows has no fork
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=_begin_child
    )
