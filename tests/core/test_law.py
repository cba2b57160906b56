"""The rules of the rate limit, one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async._limit.account_state import MARGIN, SLACK, AccountState, Lease, Rules
from customersms_async._limit.law import End, Law

PERIOD = 60.0 + MARGIN
NOW = 1000.0


def law(limit=10, *, burst=None, reserve=0):
    return Law(Rules(limit, 60.0, burst or limit, reserve, 5.0))


def ask(name, *, is_bulk=False, passed=0):
    return Lease(name, is_bulk, 0.0, 0.0, 0.0, 30.0, 0.0, passed)


def full(of, *, until=PERIOD):
    """Make a state in which every slot was used; they open again one second apart."""
    state = AccountState.new(of.rules)
    state.ended = [(NOW + until + number, f"old-{number}") for number in range(of.rules.limit)]
    return state


def reserve(of, state, name, now=NOW, *, is_bulk=False, passed=0, **options):
    lease = ask(name, is_bulk=is_bulk, passed=passed)
    at = of.reserve(state, now, lease, **options)
    return lease if at is None else at


# --- Slots ----------------------------------------------------------------------------------------


def test_a_free_slot_is_granted_at_once():
    """On an idle key a request may leave now, and its slot is busy for the whole look-back."""
    one = law()
    state = AccountState.new(one.rules)

    lease = reserve(one, state, "a")

    assert (NOW, NOW) == (lease.opens, lease.at)
    assert NOW + 30 + SLACK + 5 + PERIOD == lease.dies == NOW + one.look_back(30)
    assert 9 == state.free


@given(
    burst=st.integers(1, 10),
    keep=st.integers(0, 3),
    used=st.lists(st.floats(-5.0, 70.0), max_size=10),
    due=st.floats(-15.0, 5.0),
    ahead=st.sampled_from([0.0, 5.0]),
)
def test_a_shortcut_grants_as_the_rules_do(burst, keep, used, due, ahead):
    """A bulk request on a rested key is granted by a short way, to the same effect."""
    states = []
    for one in (law(burst=burst, reserve=keep), law(burst=burst, reserve=keep)):
        state = AccountState.new(one.rules)
        state.ended = sorted((NOW + at, f"old-{number}") for number, at in enumerate(used))
        state.due = NOW + due
        states.append((one, state))
    (short, here), (long, there) = states
    long._rest = math.inf

    found = reserve(short, here, "a", is_bulk=True, ahead=ahead)

    assert found == reserve(long, there, "a", is_bulk=True, ahead=ahead)
    assert here.leases == there.leases
    assert here.ended == there.ended
    assert here.due == pytest.approx(there.due, abs=1e-9)


def test_it_says_when_to_ask_again():
    """Without a free slot, the time at which the next one opens is returned."""
    one = law()
    state = full(one)

    assert NOW + PERIOD == reserve(one, state, "a")
    assert 10 == len(state.ended)


def test_with_all_slots_in_flight_no_opening_is_known():
    """With every slot in flight no opening is known, however far ahead one may be reserved."""
    one = law(1)
    state = AccountState.new(one.rules)
    reserve(one, state, "a")

    assert math.inf == reserve(one, state, "b", ahead=math.inf)


def test_an_opening_is_reserved_ahead():
    """A reservation takes the first opening, and its request may leave when that opens."""
    one = law()
    state = full(one)

    lease = reserve(one, state, "a", ahead=100.0)

    assert NOW + PERIOD == lease.opens == lease.at
    assert (9, 1, 0) == (len(state.ended), len(state.leases), state.free)


def test_a_bulk_run_leaves_the_reserve():
    """With a reserve of two, a bulk request gets the third free slot or the third opening."""
    one = law(reserve=2)
    state = full(one)

    assert NOW + PERIOD + 2 == reserve(one, state, "a", is_bulk=True)
    assert NOW + PERIOD == reserve(one, state, "a", is_bulk=True, is_overdue=True)


@pytest.mark.parametrize(("reserve_", "place"), [(0, 3), (2, 5)])
def test_entries_beyond_the_limit(reserve_, place):
    """With three entries above the limit, a request waits for three more openings."""
    one = law(reserve=reserve_)
    state = full(one)
    state.ended += [(NOW + 500 + number, f"more-{number}") for number in range(3)]

    assert NOW + PERIOD + place == reserve(one, state, "a", is_bulk=True)


def test_a_lease_that_is_never_ended_expires():
    """A slot whose end is never reported is free again after the look-back, and no sooner."""
    one = law(1)
    state = AccountState.new(one.rules)
    lease = reserve(one, state, "a")

    assert math.inf == reserve(one, state, "b", math.nextafter(lease.dies, 0))
    assert isinstance(reserve(one, state, "b", lease.dies), Lease)


def test_a_late_holder_renews_its_lease():
    """A holder that leaves later than its lease allows keeps its slot longer."""
    one = law(1)
    state = AccountState.new(one.rules)
    lease = reserve(one, state, "a")

    one.renew(state, NOW + 20, lease)

    assert NOW + 20 + one.look_back(30) == state.leases["a"].dies


# --- Ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "after"), [(End.ANSWERED, PERIOD), (End.LOST, PERIOD + 5)])
def test_an_end_opens_the_slot_a_period_later(how, after):
    """A slot opens a period after its answer was received, plus the grace if there was none."""
    one = law(1)
    state = AccountState.new(one.rules)
    reserve(one, state, "a")

    one.end(state, "a", how, NOW + 1)

    assert ([(NOW + 1 + after, "a")], {}) == (state.ended, state.leases)


def test_an_end_that_is_reported_twice():
    """The second report of an end changes nothing."""
    one = law(1)
    state = AccountState.new(one.rules)
    reserve(one, state, "a")

    one.end(state, "a", End.ANSWERED, NOW + 1)
    one.end(state, "a", End.ANSWERED, NOW + 1)

    assert 1 == len(state.ended)


def test_the_end_of_an_expired_lease_counts():
    """An end is recorded even after its lease expired, since the server counted the request."""
    one = law(1)
    state = AccountState.new(one.rules)

    one.end(state, "dead", End.ANSWERED, NOW)

    assert [(NOW + PERIOD, "dead")] == state.ended


def test_openings_stay_in_order():
    """The opening of an answered request is sorted before those of lost requests."""
    one = law(2)
    state = AccountState.new(one.rules)
    reserve(one, state, "a")
    reserve(one, state, "b")

    one.end(state, "a", End.LOST, NOW + 1)
    one.end(state, "b", End.ANSWERED, NOW + 2)

    assert ["b", "a"] == [lease_id for _, lease_id in state.ended]


def test_an_unused_reservation_gives_its_opening_and_its_charge_back():
    """An unused reservation returns its opening and its charge to the pace."""
    one = law(burst=3)
    state = full(one)
    before = list(state.ended)
    reserve(one, state, "a", is_bulk=True, ahead=100.0)
    due = reserve(one, state, "b", is_bulk=True, ahead=200.0).at
    one.end(state, "b", End.UNUSED, NOW)
    one.end(state, "a", End.UNUSED, NOW)
    one.end(state, "a", End.UNUSED, NOW)

    assert [opens for opens, _ in before] == [opens for opens, _ in state.ended]
    again = reserve(one, state, "c", is_bulk=True, ahead=100.0)
    assert again.at <= due


# --- The pace -------------------------------------------------------------------------------------


def test_a_small_burst_and_then_an_even_pace():
    """After the burst, free slots are spread until the first slot opens."""
    one = law(100, burst=9, reserve=1)
    state = AccountState.new(one.rules)

    at = [reserve(one, state, str(n), is_bulk=True, ahead=math.inf).at - NOW for n in range(12)]

    assert [0.0] * 9 == at[:9]
    assert 60.1 / 91 == pytest.approx(at[9])
    assert 60.1 / 91 == pytest.approx(at[10] - at[9], rel=0.02)


def test_messages_ignore_the_pace_but_count_towards_it():
    """Messages leave at once, and the next bulk request waits an interval for each."""
    one = law(100, burst=1)
    state = AccountState.new(one.rules)

    assert NOW == reserve(one, state, "a").at
    assert NOW == reserve(one, state, "b").at
    assert NOW + 2 * 60 / 98 == pytest.approx(reserve(one, state, "c", is_bulk=True))


def test_the_pace_is_never_further_ahead_than_a_period():
    """However many messages leave at once, bulk runs wait for no longer than a period."""
    one = law(1000, burst=1)
    state = AccountState.new(one.rules)
    for number in range(999):
        reserve(one, state, str(number))

    assert NOW + 60.1 >= reserve(one, state, "bulk", is_bulk=True)


# --- Overtaking -----------------------------------------------------------------------------------


def test_a_message_takes_the_slot_of_a_bulk_reservation():
    """A message takes the opening of a bulk reservation, which moves to the next one."""
    one = law(2, burst=1)
    state = AccountState.new(one.rules)
    state.ended = [(NOW + 1, "x"), (NOW + 20, "y")]
    bulk = reserve(one, state, "bulk", is_bulk=True, ahead=math.inf)

    message = reserve(one, state, "message", ahead=2.0, frozen=0.5)

    assert (NOW + 1, 1) == (message.at, message.passed)
    assert (NOW + 20, 1) == (bulk.opens, bulk.passed)
    assert bulk.dies == bulk.at + one.look_back(30)


def test_a_bulk_reservation_without_a_next_opening_ends():
    """A bulk reservation without a next opening loses its lease, and its holder must ask again."""
    one = law(1)
    state = AccountState.new(one.rules)
    state.ended = [(NOW + 1, "x")]
    reserve(one, state, "bulk", is_bulk=True, ahead=math.inf)

    message = reserve(one, state, "message", ahead=2.0)

    assert NOW + 1 == message.at
    assert ["message"] == list(state.leases)


@pytest.mark.parametrize(
    ("passed", "frozen", "opens"),
    [(9, 0.0, 1.0), (0, 1.5, 1.0), (0, 0.0, 30.0)],
    ids=["nine times already", "shortly before its instant", "opens later"],
)
def test_a_reservation_that_is_not_overtaken(passed, frozen, opens):
    """A reservation passed nine times, about to leave, or with a later opening is not overtaken."""
    one = law(2)
    state = AccountState.new(one.rules)
    state.ended = [(NOW + opens, "x"), (NOW + opens + 1, "y")]
    bulk = reserve(one, state, "bulk", is_bulk=True, passed=passed, ahead=math.inf)
    state.ended = [(NOW + 20, "y")]

    assert NOW + 20 == reserve(one, state, "message", ahead=2.0, frozen=frozen)
    assert NOW + opens == bulk.at


def test_with_entries_beyond_the_limit_nobody_is_overtaken():
    """If leases and openings exceed the limit, a message waits for an opening."""
    one = law(1)
    state = AccountState.new(one.rules)
    state.ended = [(NOW + 1, "x"), (NOW + 2, "y")]
    bulk = reserve(one, state, "bulk", is_bulk=True, ahead=math.inf)

    assert NOW + 2 == bulk.at
    assert math.inf == reserve(one, state, "message", ahead=math.inf)


# --- Refusals -------------------------------------------------------------------------------------


def test_a_pause_moves_every_reservation():
    """A pause delays reservations, and extends their leases by as much."""
    one = law()
    state = full(one, until=5.0)
    refused = reserve(one, state, "refused", ahead=math.inf)
    later = reserve(one, state, "later", ahead=math.inf)

    assert not one.refused(state, "refused", refused.at, 30.0)

    assert refused.at + 30 == state.paused_until == later.at
    assert later.at + one.look_back(30) == later.dies


def test_a_refusal_of_an_expired_lease_does_not_lengthen_the_pause():
    """A refusal of an unknown request counts only with the seconds that it names."""
    one = law()
    state = AccountState.new(one.rules)
    reserve(one, state, "a")
    one.refused(state, "a", NOW + 1, None)

    one.refused(state, "dead", NOW + 1.5, None)

    assert 1.0 == state.pause_step
    assert NOW + 2.5 == state.paused_until


def test_the_share_is_90_percent_of_what_was_used():
    """The share falls to 90 % of what was used, at most once per period."""
    one = law(100)
    state = AccountState.new(one.rules)
    for number in range(50):
        reserve(one, state, str(number), NOW)
    at = NOW + 59

    assert one.refused(state, "0", at, 0.0)
    share = state.share
    one.refused(state, "1", at, 0.0)

    assert 0.9 * 50 == pytest.approx(share)
    assert share == state.share
    assert 2 == state.refused_by_others


def test_one_refusal_leaves_three_tenths_of_the_share():
    """One refusal of a new process, which has used little, leaves 30 % as its share."""
    one = law(100)
    state = AccountState.new(one.rules)
    reserve(one, state, "a", NOW)

    one.refused(state, "a", NOW, 0.0)

    assert 30.0 == state.share


def test_the_share_has_a_floor():
    """However often it is refused, the share of bulk runs stays at 5 % of the limit or more."""
    one = law(100)
    state = AccountState.new(one.rules)
    for minute in range(1, 4):
        reserve(one, state, str(minute), NOW + 61 * minute)
        one.refused(state, str(minute), NOW + 61 * minute, 0.0)

    assert 5.0 == state.share


# --- What is to come ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "after"),
    [(0, 50), (9, 59), (10, 50 + PERIOD + 1.5), (25, 55 + 2 * PERIOD + 3)],
)
def test_each_slot_is_granted_once_per_period(ahead, after):
    """The place in the queue tells the earliest time at which a newcomer can leave."""
    one = law()

    assert NOW + after == pytest.approx(
        one.earliest(full(one, until=50), NOW, ahead, is_bulk=False, held=1.5)
    )


def test_requests_in_flight_may_be_answered_now():
    """With everything in flight, nobody can leave in less than a period from now."""
    one = law(1)
    state = AccountState.new(one.rules)
    reserve(one, state, "a")

    assert NOW + PERIOD == one.earliest(state, NOW, 0, is_bulk=False, held=0.0)


def test_bulk_requests_wait_for_the_pace_as_well():
    """A bulk request behind five others can leave five intervals after the next."""
    one = law(100, burst=1)
    state = AccountState.new(one.rules)
    reserve(one, state, "a", is_bulk=True)

    assert state.due + 5 * 60 / 98 == pytest.approx(
        one.earliest(state, NOW, 5, is_bulk=True, held=0.0)
    )


def test_the_next_free_slot():
    """The next free slot is available now, at the first opening, or at an unknown time."""
    one = law(1)
    state = AccountState.new(one.rules)

    seen = [one.next_free_at(state, NOW)]
    reserve(one, state, "a")
    seen.append(one.next_free_at(state, NOW))
    one.end(state, "a", End.ANSWERED, NOW)
    seen.append(one.next_free_at(state, NOW))

    assert [NOW, None, NOW + PERIOD] == seen


def test_an_idle_account_has_nothing_to_remember():
    """An account is idle once no slot, no pause and no effect of a refusal is left."""
    one = law()
    state = AccountState.new(one.rules)
    assert one.is_idle(state, NOW)

    reserve(one, state, "a")
    assert not one.is_idle(state, NOW)

    one.refused(state, "a", NOW, 100.0)
    assert not one.is_idle(state, NOW + 99)
    assert not one.is_idle(state, NOW + 1000)
    assert one.is_idle(state, NOW + 60 * 51)
