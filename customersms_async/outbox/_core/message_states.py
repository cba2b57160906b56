"""
The states of a message, and every move between them.

Rules of this module:

1. Each change of state, in either database, is a `Move` looked up here. A move that is not in the
   table is a `KeyError`, and nothing is written.
2. `Move.SEND` is the only way to ``sending``, and only from ``claimed``: what a worker has not
   claimed under its own token is never handed to the gateway.
3. Only a person's decision (`Move.SEND_AGAIN`) leads from ``unknown`` back to ``queued``.

The diagram in the documentation is drawn from the same table.
"""

from __future__ import annotations

import enum
from typing import Final

from ..._values.status import Status

__all__ = ["DONE", "MOVES", "Move", "State", "only", "settled", "step"]


class State(enum.StrEnum):
    """
    The state of a message.

    Attributes:
        QUEUED: Waits for a worker.
        CLAIMED: A worker has read it, under its token and for the time of its lease.
        SENDING: Its request may have left.
        SENT: The gateway accepted it.
        REJECTED: The gateway refused it.
        NOT_SENT: It was never sent, and will not be: bad, duplicate, skipped or cancelled.
        UNKNOWN: Handed over without a readable answer; only a person decides what happens next.
    """

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


#: The state of a batch whose messages all have a fate.
DONE: Final = "done"


class Move(enum.Enum):
    """What happens to a message; the value is the label of the arrow in the diagram."""

    ADD = "added"
    REFUSE = "bad, duplicate or skipped"
    CLAIM = "a worker reads it"
    GIVE_BACK = "not begun"
    EXPIRE = "its worker died"
    SEND = "the fence, right before the first byte"
    ACCEPT = "accepted"
    REJECT = "refused"
    LOSE = "no readable answer"
    TURN_AWAY = "never left, or refused for the rate"
    KEEP_FOR_LATER = "no credit, the key refused, or no API at the address"
    LEARN_ACCEPTED = "a late answer: accepted"
    LEARN_REJECTED = "a late answer: refused"
    LEARN_TURNED_AWAY = "a late answer: refused for the rate"
    MARK_SENT = "mark_sent"
    SEND_AGAIN = "send_again"
    WITHDRAW = "withdrawn"
    CANCEL = "cancelled"
    DOUBT = "withdrawn or cancelled, and unknown before send_again"


#: None is where a message comes from.
MOVES: Final[dict[Move, dict[State | None, State]]] = {
    Move.ADD: {None: State.QUEUED},
    Move.REFUSE: {None: State.NOT_SENT},
    Move.CLAIM: {State.QUEUED: State.CLAIMED},
    Move.GIVE_BACK: {State.CLAIMED: State.QUEUED},
    Move.EXPIRE: {State.CLAIMED: State.QUEUED, State.SENDING: State.UNKNOWN},
    Move.SEND: {State.CLAIMED: State.SENDING},
    Move.ACCEPT: {State.SENDING: State.SENT},
    Move.REJECT: {State.SENDING: State.REJECTED},
    Move.LOSE: {State.SENDING: State.UNKNOWN},
    Move.TURN_AWAY: {State.SENDING: State.CLAIMED},
    Move.KEEP_FOR_LATER: {State.SENDING: State.QUEUED},
    Move.LEARN_ACCEPTED: {State.UNKNOWN: State.SENT},
    Move.LEARN_REJECTED: {State.UNKNOWN: State.REJECTED},
    Move.LEARN_TURNED_AWAY: {State.UNKNOWN: State.QUEUED},
    Move.MARK_SENT: {State.UNKNOWN: State.SENT},
    Move.SEND_AGAIN: {State.UNKNOWN: State.QUEUED, State.REJECTED: State.QUEUED},
    Move.WITHDRAW: {State.QUEUED: State.NOT_SENT},
    Move.CANCEL: {State.QUEUED: State.NOT_SENT, State.CLAIMED: State.NOT_SENT},
    Move.DOUBT: {State.QUEUED: State.UNKNOWN, State.CLAIMED: State.UNKNOWN},
}

_SETTLED: Final = {
    Status.SENT: (Move.ACCEPT, Move.LEARN_ACCEPTED),
    Status.REJECTED: (Move.REJECT, Move.LEARN_REJECTED),
    Status.NOT_SENT: (Move.KEEP_FOR_LATER, Move.LEARN_TURNED_AWAY),
}


def step(move: Move, state: State | None) -> State:
    """
    Return the state that *move* leads to.

    Raises:
        KeyError: There is no such move from *state*.
    """
    return MOVES[move][state]


def only(move: Move) -> tuple[State, State]:
    """Return the start and end of a move that can start from one state only."""
    ((before, after),) = MOVES[move].items()
    if before is None:
        msg = f"{move.value!r} begins with no state"
        raise ValueError(msg)
    return before, after


def settled(status: Status, *, goes_back: bool, is_late: bool = False) -> State:
    """
    Return the state of a message whose request has ended.

    Args:
        status: Its fate, as the run knows it.

        goes_back: Whether it is safe to send again and not bound to end the same way.

        is_late: Whether it had already been given up as unknown.

    Raises:
        KeyError: It is unknown again, which changes nothing.
    """
    status = Status.NOT_SENT if goes_back else status
    if status is Status.UNKNOWN and not is_late:
        return step(Move.LOSE, State.SENDING)
    move = _SETTLED[status][is_late]
    return step(move, State.UNKNOWN if is_late else State.SENDING)
