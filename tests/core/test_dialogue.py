"""What a member of a shared limit says and when, without a store and without an event loop."""

from __future__ import annotations

import math

import pytest

from customersms_async._limit.redis_messages import Rules, Told, Turn
from customersms_async._limit.redis_protocol import Dialogue, Grant, SharedTicket
from customersms_async._ports.limiter import Lane, Ticket

SEND, BULK = Lane.SEND, Lane.BULK
AT_ONCE, NEVER = -math.inf, math.inf


def dialogue():
    rules = Rules(
        limit=100,
        per=60.0,
        margin=0.1,
        grace=5.0,
        burst=9,
        interval=0.6,
        slow_interval=0.63,
        reserve=0,
        poll=3.0,
        trusts_empty=False,
    )
    return Dialogue("one", rules, 2.0)


def join(talk, lane, count=1, *, longest=30.0, place=None):
    for _ in range(count):
        ticket = Ticket(lane, 0) if place is None else SharedTicket(lane, 0, place)
        talk.joined(ticket, longest, has_patience=False)


def told(*, generation="life", sequence=1, **turns):
    return Told(now="1000.5", generation=generation, sequence=sequence, **turns)


def say(talk, now, **turns):
    """Make the call that is due, and have it answered."""
    ask = talk.ask("call", now)
    return ask, talk.answered(ask, told(**turns), now)


def grant(lease="one:1", lane=SEND):
    return Grant(lane, lease, 1.0, 30.0, "1000.5", 10.0)


def test_there_is_nothing_to_say():
    """Who wants nothing calls nobody."""
    assert NEVER == dialogue().next_call_at()


def test_a_message_is_news():
    """Whoever wants to send one message asks at once, and again only when told to."""
    talk = dialogue()
    join(talk, SEND)
    assert AT_ONCE == talk.next_call_at()

    ask, grants = say(talk, 10.0, send=Turn(wait=2.0, place=7.0))

    assert (1, 0, 32.0, None) == (
        ask.send.waiting,
        ask.send.more,
        ask.send.longest,
        ask.send.place,
    )
    assert [] == grants
    assert 12.0 == talk.next_call_at()


def test_a_bulk_run_that_is_served_keeps_a_place():
    """The next request of a run waits for the call that was told already."""
    talk = dialogue()
    join(talk, BULK)
    ask, grants = say(talk, 10.0, bulk=Turn(granted=[(1, 3.0)], wait=4.0, place=8.0))
    talk.left(BULK)
    assert NEVER == talk.next_call_at()

    join(talk, BULK)

    assert (1, 1) == (ask.bulk.waiting, ask.bulk.more)
    assert [("one:1", 3.0, "1000.5")] == [(g.lease, g.place, g.granted_at) for g in grants]
    assert 14.0 == talk.next_call_at()
    assert 8.0 == talk.ask("call", 14.0).bulk.place


def test_a_place_that_nobody_came_for_is_given_up():
    """Once its time is over, a run that has ended stands in no line."""
    talk = dialogue()
    join(talk, BULK)
    say(talk, 10.0, bulk=Turn(granted=[(1, 3.0)], wait=4.0, place=8.0))
    talk.left(BULK)

    assert 1 == talk.ask("call", 13.9).bulk.more
    assert talk.ask("call", 14.1).bulk is None


def test_who_was_refused_says_where_it_stood():
    """The place of a ticket counts where it is better than the place that is known."""
    talk = dialogue()
    join(talk, BULK)
    say(talk, 10.0, bulk=Turn(wait=4.0, place=8.0))
    join(talk, BULK, place=5.0)
    join(talk, BULK, place=9.0)
    join(talk, SEND, place=6.0)

    ask = talk.ask("call", 10.0)

    assert (5.0, 6.0) == (ask.bulk.place, ask.send.place)


def test_leases_are_numbered_on():
    """No lease is named twice, whatever lane it was granted in."""
    talk = dialogue()
    join(talk, SEND, 2)
    join(talk, BULK)
    say(talk, 10.0, send=Turn(granted=[(1, 1.0), (2, 1.0)]), bulk=Turn(granted=[(3, 1.0)]))

    assert 4 == talk.ask("call", 10.0).first_lease


@pytest.mark.parametrize(("waits", "at"), [(False, 10.0 + 3.0), (True, 10.0 + 30.0)])
def test_how_a_request_ended_is_told_along(waits, at):
    """It waits for the next call, and for longer where somebody waits and will call anyway."""
    talk = dialogue()
    if waits:
        join(talk, BULK)
        say(talk, 10.0, bulk=Turn(wait=1000.0, place=1.0))

    talk.ended(grant(), "answered", 10.0)

    assert at == talk.next_call_at()
    (ended,) = talk.ask("call", 12.5).ended
    assert ("one:1", "answered", 2.5, None) == (
        ended.lease,
        ended.how,
        ended.age,
        ended.granted_at,
    )


@pytest.mark.parametrize("how", ["unused", "refused"])
def test_what_others_wait_for_is_told_in_a_moment(how):
    """A slot that is free again, and a refusal, wait for no other call, nor leave at once."""
    talk = dialogue()
    talk.ended(grant(), how, 10.0, 7.0)

    at = talk.next_call_at()
    (ended,) = talk.ask("call", at).ended

    assert 10.0 < at <= 10.01
    assert (7.0, "1000.5" if how == "refused" else None) == (ended.retry_after, ended.granted_at)


def test_what_came_up_during_a_call_is_told_in_the_next():
    """An answer settles what its call has told, and nothing else."""
    talk = dialogue()
    talk.ended(grant("one:1"), "answered", 10.0)
    ask = talk.ask("call", 11.0)
    talk.ended(grant("one:2"), "lost", 11.5)
    talk.answered(ask, told(), 12.0)

    assert ["one:2"] == [ended.lease for ended in talk.ask("call", 13.0).ended]


def test_it_can_be_told_to_say_everything_now():
    """Where something is untold; else there is nothing to call for."""
    talk = dialogue()
    talk.flush()
    assert NEVER == talk.next_call_at()

    talk.ended(grant(), "answered", 10.0)
    talk.flush()

    assert AT_ONCE == talk.next_call_at()


def test_a_store_that_is_away_is_asked_again_later_and_later():
    """0.1, 0.2, 0.4 … 5 seconds, and at once again after an answer."""
    talk, delays, now = dialogue(), [], 10.0
    join(talk, BULK)

    for _ in range(8):
        talk.failed(talk.ask("call", now), now)
        delays.append(round(talk.next_call_at() - now, 1))
        now = talk.next_call_at()
    assert talk.is_store_away
    say(talk, now, bulk=Turn(wait=0.5, place=1.0))

    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0] == delays
    assert not talk.is_store_away
    assert now + 0.5 == talk.next_call_at()


@pytest.mark.parametrize("ends", ["failed", "interrupted"])
def test_a_call_without_an_answer_is_made_again_with_the_same_names(ends):
    """What was granted unheard is asked for anew, and told to be free where nobody wants it."""
    talk = dialogue()
    join(talk, SEND, 2)
    join(talk, BULK)

    getattr(talk, ends)(talk.ask("call", 10.0), 10.0)
    for lane in (SEND, SEND, BULK):
        talk.left(lane)
    again_at = talk.next_call_at()
    ask, _ = say(talk, again_at)

    assert 10.0 < again_at <= 10.1
    assert (1, 3, []) == (ask.first_lease, ask.unheard, ask.ended)
    assert (4, 0) == (talk.ask("call", 11.0).first_lease, talk.ask("call", 11.0).unheard)
    assert NEVER == talk.next_call_at()


def test_what_is_unheard_does_not_pile_up():
    """However often thousands ask in vain, no more than the limit can have been granted."""
    talk = dialogue()

    for _ in range(50):
        join(talk, SEND, 5_000)
        talk.failed(talk.ask("call", 10.0), 10.0)

    assert (1, 100) == (talk.ask("call", 11.0).first_lease, talk.ask("call", 11.0).unheard)


def test_it_says_what_it_knows_of_the_account_while_that_matters():
    """For one look-back: the longest request, the call, the grace, the period and the margin."""
    talk = dialogue()
    join(talk, SEND, longest=20.0)
    assert talk.ask("call", 10.0).generation is None
    say(talk, 10.0, generation="life", sequence=7)

    known, forgotten = talk.ask("call", 10.0 + 87.0), talk.ask("call", 10.0 + 87.1)

    assert ("life", 7) == (known.generation, known.sequence)
    assert forgotten.generation is None


def test_a_forecast_is_asked_for_once():
    """Whoever has not all the time in the world wants to know when its turn comes."""
    talk = dialogue()
    talk.joined(Ticket(SEND, 0), 30.0, has_patience=True)

    assert talk.ask("call", 10.0).wants_forecast
    assert not talk.ask("call", 10.0).wants_forecast


def test_the_longest_request_is_that_of_who_waits():
    """A lease lasts no longer than the longest of those who can be granted it."""
    talk = dialogue()
    join(talk, SEND, longest=80.0)
    talk.left(SEND)
    join(talk, SEND, longest=5.0)

    ask = talk.ask("call", 10.0)

    assert (7.0, 82.0) == (ask.send.longest, ask.longest)


def test_a_question_tells_nothing_and_wants_nothing():
    """To ask how an account stands changes nothing."""
    talk = dialogue()
    join(talk, SEND)
    talk.ended(grant(), "answered", 10.0)

    question = talk.question("call")

    assert question.is_question
    assert (None, None, []) == (question.send, question.bulk, question.ended)
    assert AT_ONCE == talk.next_call_at()
