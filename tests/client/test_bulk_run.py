"""Bulk runs: concurrency, rules that stop a run, options."""

from __future__ import annotations

import asyncio
import inspect
import logging

import pytest

from customersms_async import (
    BulkFailed,
    BulkInterrupted,
    ConfigurationError,
    LocalLimiter,
    Message,
    Rate,
    Status,
    StopRules,
)
from customersms_async._ports.transport import Reply
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    answers,
    as_async,
    breaks,
    cannot_connect,
    hangs,
    loses_answer,
    now,
    phones,
    refuses,
)

pytestmark = pytest.mark.virtual_time


def unpaced(limit=100, per=60.0):
    clock = asyncio.get_running_loop().time
    return LocalLimiter(Rate(limit, per=per), burst=limit, clock=clock)


def codes_of(report):
    return [outcome.code for outcome in report]


async def test_a_run_begins_with_one_request_and_doubles(make_client):
    """A run starts with one request in flight and doubles it per answer, up to the maximum."""
    gateway = MemoryTransport(then=accepts(takes=1))
    client = make_client(gateway, limiter=unpaced())

    await client.send_many(phones(40), "hi", batch_size=1, max_in_flight=5)

    began = [post.began_at - gateway.began[0].began_at for post in gateway.began]
    assert [0.0, 1.0, 1.0] == [round(at, 3) for at in began[:3]]
    assert [2.0] * 5 == [round(at, 3) for at in began[3:8]]
    assert 5 == gateway.most_at_once


async def test_an_unknown_takes_a_run_back_to_one(make_client):
    """After an unknown request, one request is in flight until an answer arrives."""
    gateway = MemoryTransport(*[accepts(1)] * 9, *[loses_answer(1)] * 2, then=accepts(1))
    client = make_client(gateway, limiter=unpaced())

    report = await client.send_many(phones(60), "hi", batch_size=1, max_in_flight=4)

    assert (58, 2) == (report.sent, report.unknown)
    at = [round(post.began_at - gateway.began[0].began_at, 3) for post in gateway.began]
    in_each_second = [at.count(second) for second in range(8)]
    assert [1, 2, 4, 4, 1, 2, 4, 4] == in_each_second


async def test_unknowns_in_a_row_end_a_run(make_client):
    """`max_unknown` unknown requests in a row stop a run; the rest is not sent."""
    gateway = MemoryTransport(accepts(), then=loses_answer())

    report = await make_client(gateway).send_many(
        phones(10), "hi", batch_size=1, stop=StopRules(max_unknown=2)
    )

    assert (1, 2, 7, "TOO_MANY_UNKNOWN") == (
        report.sent,
        report.unknown,
        report.not_sent,
        report.stopped,
    )
    assert ["TOO_MANY_UNKNOWN"] * 7 == codes_of(report)[3:]
    assert 3 == gateway.ledger.total()


async def test_an_answer_resets_the_count_of_unknowns(make_client):
    """Unknown requests count only if no answer is in between."""
    gateway = MemoryTransport(*[loses_answer(), accepts()] * 5)

    report = await make_client(gateway).send_many(
        phones(10), "hi", batch_size=1, stop=StopRules(max_unknown=2)
    )

    assert (5, 5, None) == (report.sent, report.unknown, report.stopped)


async def test_a_refused_key_ends_a_run_at_the_first_answer(make_client):
    """A refused key stops a run at the first answer."""
    gateway = MemoryTransport(then=refuses("INVALID_API_KEY"))

    report = await make_client(gateway).send_many(phones(1000), "hi", batch_size=10)

    assert 1 == len(gateway.began)
    assert (10, 990, "INVALID_API_KEY") == (report.rejected, report.not_sent, report.stopped)
    assert {"INVALID_API_KEY"} == set(codes_of(report))
    assert 1_000 == len(report.safe_to_resend())


async def test_equal_refusals_in_a_row_end_a_run(make_client):
    """Three equal refusals in a row, as for a wrong path, stop a run."""
    gateway = MemoryTransport(accepts(), then=answers("<html>", 404))

    report = await make_client(gateway).send_many(
        phones(2000), "hi", batch_size=10, max_in_flight=1
    )

    assert (10, 30, 4) == (report.sent, report.rejected, report.requests)
    assert ("HTTP_404", "HTTP_404") == (report.stopped, report[1999].code)


async def test_other_refusals_do_not_end_a_run(make_client):
    """Refusals with different codes, or separated by a success, do not stop a run."""
    script = [refuses("BLOCKED_TEXT"), refuses("OTHER"), refuses("BLOCKED_TEXT")] * 3
    between = [refuses("BLOCKED_TEXT"), refuses("BLOCKED_TEXT"), accepts()] * 3

    report = await make_client(MemoryTransport(*script)).send_many(
        phones(18), "hi", batch_size=1, stop=StopRules(max_refused=3)
    )
    other = await make_client(MemoryTransport(*between), api_key="cspro_b").send_many(
        phones(9), "hi", batch_size=1, max_in_flight=1
    )

    assert (9, 9, None) == (report.rejected, report.sent, report.stopped)
    assert (6, 3, None) == (other.rejected, other.sent, other.stopped)


async def test_a_refusal_does_not_speed_up_a_run(make_client):
    """A refused request does not increase the number of requests in flight."""
    gateway = MemoryTransport(refuses("BLOCKED_TEXT", takes=1), then=accepts(takes=1))
    client = make_client(gateway, limiter=unpaced())

    await client.send_many(phones(20), "hi", batch_size=1)

    at = [round(post.began_at - gateway.began[0].began_at, 3) for post in gateway.began]
    assert [1, 1, 2, 8] == [at.count(second) for second in range(4)]


async def test_entries_refused_for_credits_end_a_run(make_client):
    """A single entry that is refused for lack of credits stops a run."""
    given = phones(300)

    async def half(post):
        reply = await accepts(refuse=post.phones[3:])(post)
        return Reply(200, reply.body.replace(b"NO_ROUTE", b"INSUFFICIENT_CREDITS"))

    gateway = MemoryTransport(then=half)
    report = await make_client(gateway).send_many(given, "hi", batch_size=10)

    assert (3, 7, 290, "NO_CREDITS") == (
        report.sent,
        report.rejected,
        report.not_sent,
        report.stopped,
    )
    assert given[3:] == [outcome.phone for outcome in report.safe_to_resend()]


async def test_a_floor_counts_requests_in_flight(make_client):
    """With sixteen requests in flight, the balance does not fall below the floor."""
    gateway = MemoryTransport(then=accepts(takes=3), credits=10_000)
    client = make_client(gateway, limiter=unpaced())

    report = await client.send_many(phones(9_000), "hi", stop=StopRules(min_credits=9_500))

    assert (500, 9_500, "NO_CREDITS") == (report.sent, gateway.credits, report.stopped)


async def test_a_budget_is_spent_to_its_last_credit(make_client):
    """A run spends exactly `max_credits`; its last batch is cut to fit."""
    gateway = MemoryTransport(then=accepts(takes=3), credits=10_000)
    client = make_client(gateway, limiter=unpaced())

    report = await client.send_many(phones(9_000), "hi", stop=StopRules(max_credits=1_250))

    assert (1_250, 8_750, "BUDGET_SPENT") == (report.sent, gateway.credits, report.stopped)
    assert 9_000 == report.total


async def test_a_budget_without_a_balance(make_client):
    """If no balance is reported, a number counts as one credit."""
    report = await make_client(MemoryTransport()).send_many(
        phones(900), "hi", stop=StopRules(max_credits=250)
    )

    assert (250, "BUDGET_SPENT") == (report.sent, report.stopped)


async def test_a_share_of_rejections_ends_a_run(make_client):
    """From a hundred numbers on, a run stops once `max_rejected` is reached."""
    gateway = MemoryTransport()

    async def some(post):
        return await accepts(refuse=post.phones[:3])(post)

    gateway = MemoryTransport(then=some)
    report = await make_client(gateway).send_many(
        phones(500), "hi", batch_size=10, max_in_flight=1, stop=StopRules(max_rejected=0.3)
    )

    assert (70, 30, "TOO_MANY_REJECTED") == (report.sent, report.rejected, report.stopped)


async def test_numbers_to_skip(make_client):
    """Skipped numbers are not sent to, in any spelling, and leave the run ok."""
    gateway = MemoryTransport()
    given = phones(4)

    report = await make_client(gateway).send_many(given, "hi", skip=[f"00{given[1][1:]}", given[3]])

    assert [[given[0], given[2]]] == gateway.batches
    assert [None, "SKIPPED", None, "SKIPPED"] == codes_of(report)
    assert report.ok
    assert [] == report.safe_to_resend()


async def test_a_skip_function(make_client):
    """A number for which `skip` returns a reason is skipped, with the reason as detail."""
    given = phones(3)
    words = {given[1]: "asked us to stop on Monday"}

    report = await make_client(MemoryTransport()).send_messages(
        [Message(phone, "hi") for phone in given], skip=words.get
    )

    assert [None, "asked us to stop on Monday", None] == [outcome.detail for outcome in report]
    assert "SKIPPED" == report[1].code


async def test_a_skip_function_that_raises_ends_the_run(make_client):
    """If `skip` raises, nothing more is sent, and every number has a fate."""
    gateway = MemoryTransport()
    given = phones(50)

    def ask(phone):
        if phone == given[13]:
            raise LookupError("of the caller")

    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(given, "hi", batch_size=10, skip=ask)

    report = caught.value.report
    assert isinstance(caught.value.__cause__, LookupError)
    assert given[:10] == [outcome.phone for outcome in report if outcome.status is Status.SENT]
    assert {"INPUT_FAILED"} == {o.code for o in report if o.status is Status.NOT_SENT}


@pytest.mark.parametrize("skip", [["+1212", "junk"], "junk", b"+12125551234", 5])
async def test_a_bad_skip_is_refused_before_any_io(make_client, skip):
    """A bad number among the opt-outs is refused before anything is sent."""
    gateway = MemoryTransport()

    with pytest.raises(ValueError, match=r"skip|phone"):
        await make_client(gateway).send_many(phones(3), "hi", skip=skip)

    assert [] == gateway.began


async def test_an_async_skip_function_is_refused(make_client):
    """An async skip function is refused, since nobody would await it."""

    async def ask(phone):
        raise AssertionError(phone)

    with pytest.raises(ConfigurationError, match="plain function"):
        await make_client(MemoryTransport()).send_many(phones(3), "hi", skip=ask)


async def test_the_end_of_credits_ends_a_run(make_client):
    """A balance at or below `min_credits` stops a run; the rest is not sent."""
    gateway = MemoryTransport(credits=50)

    report = await make_client(gateway).send_many(
        phones(100), "hi", batch_size=10, max_in_flight=1, stop=StopRules(min_credits=20)
    )

    assert (30, 70, 20, "NO_CREDITS") == (
        report.sent,
        report.not_sent,
        report.remaining_credits,
        report.stopped,
    )


async def test_a_refusal_for_lack_of_credits_ends_a_run(make_client):
    """A refusal for lack of credits stops a run."""
    gateway = MemoryTransport(then=refuses("INSUFFICIENT_CREDITS"))

    report = await make_client(gateway).send_many(phones(30), "hi", batch_size=10)

    assert (10, 20, "NO_CREDITS") == (report.rejected, report.not_sent, report.stopped)


@pytest.mark.parametrize("batch_size", [1, 5, 10])
@pytest.mark.parametrize("is_sized", [True, False])
async def test_a_run_that_uses_the_last_credit_is_complete(make_client, is_sized, batch_size):
    """If the last number takes the last credit, the run is not stopped."""
    given = phones(10) if is_sized else iter(phones(10))

    report = await make_client(MemoryTransport(credits=10)).send_many(
        given, "hi", batch_size=batch_size
    )

    assert (10, 0, None, True) == (
        report.sent,
        report.remaining_credits,
        report.stopped,
        report.complete,
    )
    assert report.ok


async def test_stop_after_ends_a_run(make_client):
    """After `stop_after` seconds nothing new is sent, and requests in flight are answered."""
    gateway = MemoryTransport(then=accepts(takes=2))

    report = await make_client(gateway).send_many(phones(9), "hi", batch_size=1, stop_after=1)

    assert (1, 8, "TIME_IS_UP") == (report.sent, report.not_sent, report.stopped)
    assert ["TIME_IS_UP"] * 8 == codes_of(report)[1:]


async def test_stop_after_interrupts_a_pending_read(make_client):
    """A source that yields nothing does not hold a run beyond `stop_after`."""
    began_at = now()

    report = await make_client(MemoryTransport()).send_many(
        as_async(phones(5), pause=100), "hi", batch_size=1, stop_after=250
    )

    assert 250 == pytest.approx(now() - began_at)
    assert (2, 2, False, "TIME_IS_UP") == (
        report.sent,
        report.total,
        report.complete,
        report.stopped,
    )


async def test_a_stopped_list_is_reported_in_full(make_client):
    """A stopped run reports every item of a sized input, bad ones and duplicates too."""
    given = [*phones(50), "bad", phones(1)[0], *phones(5000, first=50)]

    report = await make_client(MemoryTransport()).send_many(
        given, "hi", batch_size=10, stop_after=0.01
    )

    assert len(given) == report.total
    assert (True, "TIME_IS_UP") == (report.complete, report.stopped)
    assert ("INVALID_PHONE", "DUPLICATE", "TIME_IS_UP") == tuple(codes_of(report)[50:53])
    assert len(report.safe_to_resend()) == report.not_sent - 2


async def test_a_stopped_generator_is_not_read_further(make_client):
    """A stopped run reads no further from a generator; what was read has fates."""
    read = []

    def numbers():
        for phone in phones(5000):
            read.append(phone)
            yield phone

    report = await make_client(MemoryTransport()).send_many(
        numbers(), "hi", batch_size=10, stop_after=0.01
    )

    assert len(read) == report.total == 20
    assert (False, False, "TIME_IS_UP") == (report.complete, report.ok, report.stopped)


async def test_resending_what_is_safe(make_client):
    """`safe_to_resend` can be sent repeatedly until it is empty, and nobody gets two messages."""
    gateway = MemoryTransport(accepts(), refuses("INSUFFICIENT_CREDITS"), refuses("BAD_KEY"))
    client = make_client(gateway)
    given, rounds = phones(50), 0

    while given:
        report = await client.send_many(given, "hi", batch_size=10, max_in_flight=1)
        given, rounds = report.safe_to_resend(), rounds + 1

    assert 3 == rounds
    assert dict.fromkeys(phones(50), 1) == gateway.ledger


async def test_raise_for_failures_has_the_report(make_client):
    """`raise_for_failures` raises an error that has the report."""
    report = await make_client(MemoryTransport(then=hangs())).send_many(phones(3), "hi")

    with pytest.raises(BulkFailed) as caught:
        report.raise_for_failures()

    assert report is caught.value.report
    assert [Status.UNKNOWN] * 3 == [outcome.status for outcome in report.problems()]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 10_001),
        ("batch_size", "10"),
        ("max_in_flight", 0),
        ("max_in_flight", 1.5),
        ("stop_after", 0),
        ("stop_after", float("nan")),
        ("dedupe", 1),
        ("drain", -1),
        ("skip", 5),
        ("stop", 3),
        ("journal", object()),
    ],
)
async def test_an_invalid_option_is_refused_by_name(make_client, name, value):
    """Options are checked before anything is read or sent."""
    gateway = MemoryTransport()
    client = make_client(gateway)
    read = []
    source = (read.append(phone) or phone for phone in phones(3))

    with pytest.raises(ConfigurationError, match=name):
        await client.send_many(source, "hi", **{name: value})
    with pytest.raises(ConfigurationError, match=name):
        client.stream_many(source, "hi", **{name: value})
    assert ([], []) == (gateway.began, read)


async def test_an_unknown_option_is_a_type_error(make_client):
    """A misspelt option raises TypeError, like any misspelt argument."""
    with pytest.raises(TypeError, match="batchsize"):
        await make_client(MemoryTransport()).send_many(phones(3), "hi", batchsize=5)


@pytest.mark.parametrize("text", ["", "  ", None, "\ud800"])
async def test_a_bad_text_is_refused_before_any_io(make_client, text):
    """A run whose text cannot be sent does not start."""
    client = make_client(MemoryTransport())

    with pytest.raises(ValueError, match="text"):
        await client.send_many(phones(3), text)
    with pytest.raises(ValueError, match="text"):
        client.stream_many(phones(3), text)


async def test_a_forgotten_await_warns(make_client):
    """Forgetting to await `send_many` or `send_messages` gives Python's warning."""
    client = make_client(MemoryTransport())

    with pytest.warns(RuntimeWarning, match=r"send_many.*never awaited"):
        client.send_many(phones(3), "hi")
    assert all(map(inspect.iscoroutinefunction, (client.send_many, client.send_messages)))


async def test_a_failure_of_the_network_is_no_exception(make_client):
    """A failure of the gateway or the network is in the report, and not raised."""
    gateway = MemoryTransport(then=cannot_connect())

    report = await make_client(gateway, retries=1).send_many(phones(20), "hi", batch_size=10)

    assert (20, 0, True, False) == (report.not_sent, report.requests, report.complete, report.ok)
    assert {"CONNECT_FAILED"} == set(codes_of(report))


async def test_an_unreadable_answer_makes_its_batch_unknown(make_client):
    """All numbers of a batch are unknown if its answer is an HTML page."""
    gateway = MemoryTransport(answers("<html>"), then=accepts())

    report = await make_client(gateway).send_many(phones(4), "hi", batch_size=2)

    assert [Status.UNKNOWN] * 2 + [Status.SENT] * 2 == [outcome.status for outcome in report]
    assert report[0].request == report[1].request != report[2].request


async def test_an_error_of_the_transport_loses_no_number(make_client):
    """An unexpected error of the transport interrupts the run; every number has a fate."""
    gateway = MemoryTransport(accepts(), breaks(RuntimeError("a bug")))

    with pytest.raises(BulkInterrupted) as caught:
        await make_client(gateway).send_many(phones(30), "hi", batch_size=10, max_in_flight=1)

    report = caught.value.report
    assert (10, 20, 30) == (report.sent, report.not_sent, report.total)
    assert "a bug" == str(caught.value.__cause__)


async def test_a_log_handler_that_raises_changes_no_fate(make_client):
    """An unknown fate stays unknown if a log handler fails while it is reported."""

    class Full(logging.Handler):
        def emit(self, record):
            raise OSError("the disk is full")

    logger, handler = logging.getLogger("customersms_async"), Full(logging.WARNING)
    logger.addHandler(handler)
    try:
        async with make_client(MemoryTransport(then=loses_answer())).stream_many(
            phones(1), "hi"
        ) as bulk:
            with pytest.raises(BulkInterrupted) as caught:
                await bulk.finish()
    finally:
        logger.removeHandler(handler)

    assert (1, 1) == (caught.value.report.unknown, caught.value.report.total)
