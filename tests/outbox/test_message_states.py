"""The table of states: what it allows, what it forbids, and what leads where."""

import pytest

from customersms_async import Status
from customersms_async.outbox._core.message_states import (
    MOVES,
    Move,
    State,
    only,
    settled,
    step,
)


def test_only_a_claimed_message_can_be_sent():
    """One transition leads to sending, and it starts from claimed."""
    to_sending = {
        (move, before)
        for move, arrows in MOVES.items()
        for before, after in arrows.items()
        if after is State.SENDING
    }

    assert {(Move.SEND, State.CLAIMED)} == to_sending


def test_unknown_is_queued_again_by_a_decision_or_a_late_answer():
    """No other transition leads from unknown to queued."""
    back = {move for move, arrows in MOVES.items() if arrows.get(State.UNKNOWN) is State.QUEUED}

    assert {Move.SEND_AGAIN, Move.LEARN_TURNED_AWAY} == back


def test_sent_is_final():
    """No transition starts from sent."""
    assert [] == [move for move, arrows in MOVES.items() if State.SENT in arrows]


def test_a_transition_that_the_table_lacks_is_an_error():
    """A sent message cannot be claimed."""
    with pytest.raises(KeyError):
        step(Move.CLAIM, State.SENT)


def test_a_transition_without_a_start():
    """An `UPDATE` cannot be made of a transition that creates a message."""
    with pytest.raises(ValueError, match="begins with no state"):
        only(Move.ADD)


@pytest.mark.parametrize(
    ("status", "goes_back", "is_late", "expected"),
    [
        (Status.SENT, False, False, State.SENT),
        (Status.REJECTED, False, False, State.REJECTED),
        (Status.REJECTED, True, False, State.QUEUED),
        (Status.NOT_SENT, True, False, State.QUEUED),
        (Status.UNKNOWN, False, False, State.UNKNOWN),
        (Status.SENT, False, True, State.SENT),
        (Status.REJECTED, False, True, State.REJECTED),
        (Status.NOT_SENT, True, True, State.QUEUED),
    ],
)
def test_the_state_of_each_fate(status, goes_back, is_late, expected):
    """Each fate leads to one state, in time or late."""
    assert expected is settled(status, goes_back=goes_back, is_late=is_late)


def test_a_late_unknown_is_no_transition():
    """A late unknown is not in the table."""
    with pytest.raises(KeyError):
        settled(Status.UNKNOWN, goes_back=False, is_late=True)
