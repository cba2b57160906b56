"""
The states of a run, of each of its requests, and of its caller's block.

Rules of this module:

1. Each of the three is in exactly one state, and `move` is the only way to another.
2. `MOVES` is the whole protocol: a move that is not in it is a bug and raises.
3. A state says how far something is. Why a run was stopped is stored separately.

::

    run       NEW -> READING -> ENDING -> DONE
    request   NEW -> WAITING <-> CLAIMING <-> UNDER_WAY -> SETTLING -> ENDED
    block     NEW -> OPEN -> NOTIFIED -> LEFT
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, TypeVar

__all__ = ["MOVES", "Block", "Phase", "Stage", "move"]


class Phase(enum.Enum):
    """
    How far a run is.

    Attributes:
        NEW: It was not started.
        READING: It reads its input and starts requests.
        ENDING: Nothing new is sent; requests in flight end, and the rest is accounted for.
        DONE: Every number that was read has its fate.
    """

    __hash__ = object.__hash__  # in C; that of an enum is a function

    NEW = "new"
    READING = "reading"
    ENDING = "ending"
    DONE = "done"


class Stage(enum.Enum):
    """
    How far a request is.

    Attributes:
        NEW: Its task has not taken a step.
        WAITING: It waits for a slot, or for the end of an outage; nothing of it has left.
        CLAIMING: The journal records that it is about to be sent, or that it was refused.
        UNDER_WAY: It may have left.
        SETTLING: Its fate is known, and the journal records it.
        ENDED: Its fate was recorded.
    """

    __hash__ = object.__hash__  # in C; that of an enum is a function

    NEW = "new"
    WAITING = "waiting"
    CLAIMING = "claiming"
    UNDER_WAY = "under way"
    SETTLING = "settling"
    ENDED = "ended"


class Block(enum.Enum):
    """
    How far the caller of a streamed run is.

    Attributes:
        NEW: Its block was not entered.
        OPEN: It is inside its block.
        NOTIFIED: It is inside its block, and knows of the end.
        LEFT: It has left its block.
    """

    __hash__ = object.__hash__  # in C; that of an enum is a function

    NEW = "new"
    OPEN = "open"
    NOTIFIED = "notified"
    LEFT = "left"


State = TypeVar("State", Phase, Stage, Block)

MOVES: Final[Mapping[enum.Enum, frozenset[enum.Enum]]] = {
    Phase.NEW: frozenset({Phase.READING}),
    Phase.READING: frozenset({Phase.ENDING}),
    Phase.ENDING: frozenset({Phase.DONE}),
    Phase.DONE: frozenset(),
    Stage.NEW: frozenset({Stage.WAITING, Stage.ENDED}),
    # Without a journal nothing is claimed. A stop, a failure or an outage may end it anywhere.
    Stage.WAITING: frozenset({Stage.CLAIMING, Stage.UNDER_WAY, Stage.SETTLING}),
    Stage.CLAIMING: frozenset({Stage.WAITING, Stage.UNDER_WAY, Stage.SETTLING}),
    Stage.UNDER_WAY: frozenset({Stage.WAITING, Stage.CLAIMING, Stage.SETTLING}),
    Stage.SETTLING: frozenset({Stage.ENDED}),
    Stage.ENDED: frozenset(),
    Block.NEW: frozenset({Block.OPEN}),
    Block.OPEN: frozenset({Block.NOTIFIED, Block.LEFT}),
    Block.NOTIFIED: frozenset({Block.NOTIFIED, Block.LEFT}),
    Block.LEFT: frozenset(),
}


def move(state: State, to: State) -> State:
    """
    Return the state *to*, if *state* may change to it.

    Raises:
        RuntimeError: The move is not in `MOVES`.
    """
    if to not in MOVES[state]:
        msg = f"{type(state).__name__} cannot move from {state.name} to {to.name}"
        raise RuntimeError(msg)
    return to
