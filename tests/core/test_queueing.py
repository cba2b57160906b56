"""Who is next in a queue of single messages and bulk runs."""

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from customersms_async._limit.lanes import Line
from customersms_async._ports.limiter import Lane, Ticket

SENDS_AND_BULKS = st.lists(st.sampled_from(Lane), max_size=60)


@define(eq=False)
class Waiter:
    ticket: Ticket
    name: object = None
    has_left: bool = False


def firsts(line):
    """Give the first of each lane, in the order in which they should be served."""
    return (waiter for lane in line.turns.order if (waiter := line.first(lane)) is not None)


def served(line, lane):
    """Note who was served, for the bulk runs' share."""
    line.turns.served(lane, line.bulks)


def fill(lanes):
    line = Line()
    waiters = [Waiter(Ticket(lane, place), place) for place, lane in enumerate(lanes)]
    for waiter in waiters:
        line.add(waiter)
    return line, waiters


def serve(line):
    """Serve whoever is first, all gates open; None where nobody waits."""
    first = next(firsts(line), None)
    if first is not None:
        first.has_left = True
        served(line, first.ticket.lane)
        line.leave(first)
    return first


def serve_all(line):
    return [waiter.name for waiter in iter(lambda: serve(line), None)]


@given(st.sampled_from(Lane), st.integers(0, 40))
def test_one_lane_is_first_in_first_out(lane, count):
    """Within a lane, whoever came first is served first."""
    line, _ = fill([lane] * count)

    assert list(range(count)) == serve_all(line)


def test_one_grant_in_ten_goes_to_a_bulk_run():
    """Single messages go ahead, but after nine of them a waiting bulk run has its turn."""
    line, _ = fill([Lane.BULK] * 3 + [Lane.SEND] * 25)

    served = serve_all(line)

    assert [9, 19, 27] == [served.index(bulk) for bulk in range(3)]


def test_turns_are_counted_only_while_a_bulk_run_waits():
    """Messages that passed nobody give a bulk run that comes later no right to go first."""
    line, _ = fill([Lane.SEND] * 9)
    serve_all(line)

    for place, lane in enumerate([Lane.BULK, Lane.SEND], start=9):
        line.add(Waiter(Ticket(lane, place), lane.value))

    assert ["send", "bulk"] == serve_all(line)


@given(SENDS_AND_BULKS)
def test_neither_lane_starves(lanes):
    """While both wait, no ten grants in a row leave a bulk run out, and none leave messages out."""
    line, waiters = fill(lanes)
    served = [waiters[name].ticket.lane for name in serve_all(line)]
    last = {lane: max((i for i, s in enumerate(served) if s is lane), default=0) for lane in Lane}
    both_wait = served[: min(last.values()) + 1]

    for begin in range(len(both_wait) - 9):
        assert set(Lane) == set(both_wait[begin : begin + 10])


def test_a_ticket_keeps_its_place():
    """Whoever was turned away and comes back goes ahead of those that came after it."""
    line, _ = fill([Lane.SEND] * 3)
    refused = serve(line)

    line.add(Waiter(refused.ticket, "back"))

    assert ["back", 1, 2] == serve_all(line)


def test_equal_tickets_keep_their_order():
    """Two waiters with the same place are served in the order in which they came."""
    line = Line()
    for name in ("first", "second"):
        line.add(Waiter(Ticket(Lane.BULK, 7), name))

    assert ["first", "second"] == serve_all(line)


@given(SENDS_AND_BULKS, st.sets(st.integers(0, 59)))
def test_whoever_has_left_is_passed_over(lanes, leavers):
    """Waiters that gave up are neither served nor counted, and hold up nobody."""
    line, waiters = fill(lanes)
    for waiter in waiters:
        if waiter.name in leavers:
            waiter.has_left = True
            line.leave(waiter)
    staying = {waiter.name for waiter in waiters if not waiter.has_left}

    assert len(staying) == len(line)
    assert staying == set(serve_all(line))
    assert 0 == len(line)


def test_nobody_waits():
    """An empty queue has no first, and nobody is ahead."""
    line = Line()

    assert [] == list(firsts(line))
    assert 0 == line.ahead_of(Ticket(Lane.SEND, 0))
    assert not line


@given(
    SENDS_AND_BULKS,
    st.integers(0, 20),
    st.sets(st.integers(0, 59)),
    st.sampled_from(Lane),
    st.one_of(st.just(60), st.integers(0, 59)),
)
def test_ahead_of_is_what_comes_true(lanes, served, leavers, lane, place):
    """As many as are counted ahead of whoever comes, or comes back, are served before it."""
    line, waiters = fill(lanes)
    for _ in range(served):
        serve(line)
    for waiter in waiters:
        if waiter.name in leavers and not waiter.has_left:
            waiter.has_left = True
            line.leave(waiter)
    places = {
        waiter.name for waiter in waiters if waiter.ticket.lane is lane and not waiter.has_left
    }
    if place in places:
        return
    newcomer = Waiter(Ticket(lane, place), "newcomer")
    ahead = line.ahead_of(newcomer.ticket)

    line.add(newcomer)

    assert ahead == serve_all(line).index("newcomer")


@pytest.mark.parametrize("lane", Lane)
def test_who_comes_back_is_behind_fewer(lane):
    """Whoever comes back to its place has only those before it ahead, and none that have left."""
    line, waiters = fill([lane] * 6)
    waiters[1].has_left = True
    line.leave(waiters[1])

    assert [0, 1, 2, 5] == [line.ahead_of(Ticket(lane, place)) for place in (0, 1, 3, 6)]


@pytest.mark.parametrize("lane", Lane)
def test_the_second_who_comes_back_is_ahead_of_the_others_too(lane):
    """Somebody who came back to a place in front does not make the next who does so a newcomer."""
    line, waiters = fill([lane] * 6)
    for waiter in waiters[:2]:
        waiter.has_left = True
        line.leave(waiter)
    line.add(Waiter(waiters[0].ticket, "back"))

    assert 1 == line.ahead_of(waiters[1].ticket)


@pytest.mark.parametrize("lane", Lane)
def test_a_first_that_cannot_go_does_not_hide_the_other(lane):
    """Each lane's first is offered, so that one held back by a gate does not block the other."""
    line, _ = fill([Lane.BULK, Lane.SEND])

    assert lane in {waiter.ticket.lane for waiter in firsts(line)}


def test_a_bulk_run_that_may_not_go_is_still_behind_those_before_it():
    """However many messages go while a bulk run is held back, whoever comes is not ahead of it."""
    line, _ = fill([Lane.BULK] * 2 + [Lane.SEND] * 30)
    for _ in range(15):
        first = next(waiter for waiter in firsts(line) if waiter.ticket.lane is Lane.SEND)
        first.has_left = True
        served(line, Lane.SEND)
        line.leave(first)

    assert 2 + 15 == line.ahead_of(Ticket(Lane.BULK, 99))
