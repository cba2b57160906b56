"""A shared limiter's view of its store: clocks, losses, late answers, and merging."""

from __future__ import annotations

import copy

import pytest

from customersms_async._limit.account_state import AccountState, Lease, Rules
from customersms_async._limit.serialization import UnreadableState, decode, encode
from customersms_async._limit.store_view import Sight, merge, newest
from customersms_async._ports.store import Seen

RULES = Rules(10, 60.0, 9, 1, 5.0)


def state(**fields):
    found = AccountState.new(RULES)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def seen(value=None, now=5000.0, run="one"):
    return Seen(None if value is None else encode(value), b"1", now, run, 0.0)


def lease(name, at=10.0, opens=None, *, is_bulk=True):
    return Lease(name, is_bulk, at if opens is None else opens, at, at + 96, 30.0)


# --- Bytes ----------------------------------------------------------------------------------------


def test_a_state_survives_as_bytes():
    """Decoding an encoded state gives the same state, infinities included."""
    one = state(leases={"a": lease("a")}, ended=[(1.5, "b")], serials={"m": (3, 2.0)}, version=7)

    assert one == decode(encode(one))


@pytest.mark.parametrize(
    ("value", "said"), [(b"\x09abc", "another version"), (b"\x01\xff", "damaged"), (b"", "another")]
)
def test_foreign_bytes_are_refused(value, said):
    """A value of another version or another program is refused."""
    with pytest.raises(UnreadableState, match=said):
        decode(value)


# --- Time -----------------------------------------------------------------------------------------


def test_the_first_answer_sets_the_clock():
    """A member's first answer sets its clock to the store's."""
    sight = Sight(96.0)

    sight.take_in(seen(), 1.0, 1.5)

    assert 5000.0 == sight.view.now
    assert (5000.5, 5001.0) == (sight.view.least(2.0), sight.view.most(2.0))
    assert 2.5 == sight.view.passed_at(5001.0)


@pytest.mark.parametrize(
    ("now", "clock"),
    [(5010.0, 5010.0), (4000.0, 5009.9), (9000.0, 5010.6)],
    ids=["as it should", "set back", "set forward"],
)
def test_a_clock_that_was_changed(now, clock):
    """A step back is compensated, and a step forward is limited by the member's own clock."""
    sight = Sight(96.0)
    sight.take_in(seen(state()), 1.0, 1.5)

    sight.take_in(seen(state(version=1), now=now), 11.4, 11.5)

    assert clock == pytest.approx(sight.view.now, abs=0.2)


def test_the_offset_in_the_value_counts():
    """An offset that one member recorded applies to every member."""
    sight = Sight(96.0)

    sight.take_in(seen(state(offset=100.0, clock=5050.0)), 1.0, 1.5)

    assert 5100.0 == sight.view.now


def test_the_clock_continues_across_runs():
    """The clock of a new run continues where the old one was, plus the time passed since."""
    sight = Sight(96.0)
    sight.take_in(seen(state()), 1.0, 1.5)

    sight.take_in(seen(now=3.0, run="two"), 11.5, 12.0)

    assert 5010.0 == sight.view.now


# --- Losses ---------------------------------------------------------------------------------------


def test_another_run_is_a_loss():
    """If the store was restarted, what was known before must be written again."""
    sight, known = Sight(96.0), state(version=3)
    sight.take_in(seen(known), 1.0, 1.5)

    sight.take_in(seen(run="two"), 2.0, 2.5)

    assert (known, False) == (sight.known, sight.is_old)
    sight.brought()
    assert sight.known is None


@pytest.mark.parametrize(
    "held",
    [
        None,
        state(version=8),
        state(version=12, serials={"me": (3, 4990.0), "other": (9, 4999.0)}),
        state(version=12, serials={"me": (4, 4990.0), "other": (7, 4999.0)}),
        state(version=12, serials={"me": (4, 4990.0)}),
    ],
    ids=["gone", "old", "without ours", "without another's", "without another"],
)
def test_a_value_that_lacks_known_changes_is_a_loss(held):
    """A value is an old copy if it lacks a known change, even if its version is higher."""
    sight = Sight(96.0)
    known = state(version=9, serials={"me": (4, 4990.0), "other": (8, 4980.0)})
    sight.take_in(seen(known), 1.0, 1.5)

    sight.take_in(seen(held), 2.0, 2.5)

    assert (known, True) == (sight.known, sight.is_old)


def test_a_member_that_was_forgotten_is_no_loss():
    """A member that was silent for a look-back is dropped from the list, which is no loss."""
    sight = Sight(96.0)
    sight.take_in(seen(state(version=9, serials={"old": (8, 4900.0)})), 1.0, 1.5)

    sight.take_in(seen(state(version=10)), 2.0, 2.5)

    assert sight.known is None


def test_an_answer_that_was_overtaken_is_dropped():
    """An answer that arrives after a newer one is ignored."""
    sight, newer = Sight(96.0), state(version=9)
    sight.take_in(seen(newer), 1.0, 2.0)

    sight.take_in(seen(state(version=8)), 1.5, 2.5)
    sight.take_in(seen(), 1.5, 2.5)

    assert newer == sight.view.state
    assert sight.known is None


def test_a_late_answer_of_another_run_counts():
    """A late answer of another run is accepted, since versions of two runs are not comparable."""
    sight = Sight(96.0)
    sight.take_in(seen(state(version=9)), 1.0, 2.0)

    sight.take_in(seen(state(version=1), run="two"), 1.5, 2.5)

    assert 1 == sight.view.state.version


def test_a_swap_whose_answer_was_lost_is_found():
    """A swap whose answer was lost is recognised by the member's serial in the value."""
    sight = Sight(96.0)

    assert 0 == sight.take_in(seen(), 1.0, 1.5).serial_of("me")
    assert 0 == sight.take_in(seen(state()), 1.0, 1.5).serial_of("me")

    assert 5 == sight.take_in(seen(state(serials={"me": (5, 1.0)})), 2.0, 2.5).serial_of("me")


@pytest.mark.parametrize(
    ("held", "final_until"),
    [(None, 5000.25), (state(clock=4990.0), 5000.25), (state(clock=4999.9), 5000.4)],
    ids=["empty", "written long ago", "just written"],
)
def test_a_slot_due_soon_after_the_last_swap_is_final(held, final_until):
    """A slot that is due soon after the last swap is final, as no newcomer can take it."""
    view = Sight(96.0).take_in(seen(held), 1.0, 1.5)

    assert final_until == pytest.approx(view.final_until)


# --- Merging --------------------------------------------------------------------------------------


def test_the_higher_epoch_and_version_win():
    """The value with the higher epoch, then version, is taken whole."""
    old = state(version=9, ended=[(1.0, "a")])
    new = state(version=3, epoch=1)

    assert new is newest(new, old, 0.0) is newest(old, new, 0.0)
    assert new is newest(new, None, 0.0)


def test_merging_keeps_every_busy_slot():
    """Merging keeps the later opening of each id; an ended request has no lease any more."""
    one = state(leases={"a": lease("a"), "b": lease("b")}, ended=[(50.0, "c")], due=5.0)
    other = state(leases={"d": lease("d")}, ended=[(40.0, "a"), (60.0, "c")], paused_until=7.0)

    merged = merge(one, other, 20.0)

    assert {"b", "d"} == merged.leases.keys()
    assert [(40.0, "a"), (60.0, "c")] == merged.ended
    assert (5.0, 7.0) == (merged.due, merged.paused_until)


def test_a_lease_that_was_moved_is_where_it_went():
    """A lease that was moved keeps its later time, since its old opening was reassigned."""
    one, other = state(leases={"a": lease("a", 10.0)}), state(leases={"a": lease("a", 30.0)})

    assert 30.0 == merge(one, other, 0.0).leases["a"].at == merge(other, one, 0.0).leases["a"].at


def test_a_reservation_in_one_copy_only_is_void():
    """A reservation in one copy only is void, but its slot stays busy until it opens."""
    one, other = state(leases={"a": lease("a", 30.0, 25.0)}), state()

    merged = merge(copy.deepcopy(one), other, 20.0)

    assert ({}, [(25.0, "a")]) == (merged.leases, merged.ended)
    assert {"a"} == merge(one, other, 29.5).leases.keys()  # it may have left
