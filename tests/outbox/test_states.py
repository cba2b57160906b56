"""The table of states: what it allows, what it forbids, and the picture of it."""

import runpy
from pathlib import Path

import pytest

from customersms_async import Status
from customersms_async.outbox._core.states import MOVES, Move, State, draw, only, settled, step

DOCS = Path(__file__).parents[2] / "docs"


def test_only_a_claimed_message_can_be_sent():
    """One move leads to sending, and it begins in one state."""
    to_sending = {
        (move, before)
        for move, arrows in MOVES.items()
        for before, after in arrows.items()
        if after is State.SENDING
    }

    assert {(Move.SEND, State.CLAIMED)} == to_sending


def test_unknown_is_queued_again_by_a_decision_or_a_late_answer_alone():
    """Nothing that happens by itself sends an unknown message again."""
    back = {move for move, arrows in MOVES.items() if arrows.get(State.UNKNOWN) is State.QUEUED}

    assert {Move.SEND_AGAIN, Move.LEARN_TURNED_AWAY} == back


def test_what_was_sent_stays_so():
    """No move begins in sent."""
    assert [] == [move for move, arrows in MOVES.items() if State.SENT in arrows]


def test_a_move_that_the_table_lacks_is_an_error():
    """What was sent cannot be claimed."""
    with pytest.raises(KeyError):
        step(Move.CLAIM, State.SENT)


def test_a_move_from_nowhere_has_no_state_before():
    """An `UPDATE` cannot be made of a move that creates a message."""
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
def test_what_becomes_of_a_request(status, goes_back, is_late, expected):
    """Each fate leads to one state, told in time or late."""
    assert expected is settled(status, goes_back=goes_back, is_late=is_late)


def test_unknown_again_changes_nothing():
    """A late answer that tells nothing is no move."""
    with pytest.raises(KeyError):
        settled(Status.UNKNOWN, goes_back=False, is_late=True)


def test_every_state_is_drawn():
    """The picture names every state and every move."""
    picture = draw()

    assert [] == [word for word in (*State, *(move.value for move in Move)) if word not in picture]


def test_the_picture_in_the_docs_is_the_table():
    """The page in docs/ holds what is drawn today."""
    page = (DOCS / "outbox-states.md").read_text()

    assert page == runpy.run_path(str(DOCS / "draw_states.py"))["drawn"](page)
    assert draw() in page
