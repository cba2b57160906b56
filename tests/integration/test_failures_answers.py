"""Unusual answers, against raw TCP servers: statuses, bodies, sizes and `Retry-After`."""

import asyncio
import gc
import gzip
import json
import time
import tracemalloc
from email.utils import formatdate

import aiohttp
import pytest

from customersms_async import (
    AuthenticationError,
    LocalLimiter,
    OutcomeUnknown,
    OutOfCredits,
    Rate,
    RateLimited,
    Rejected,
    SendError,
    Status,
    codes,
)
from tests.support.limiter_callers import usage_now
from tests.support.raw_server import (
    OTHER,
    PHONE,
    TEXT,
    RawServer,
    Talk,
    accepted,
    answering,
    client,
    http,
)

HTML = "<html><h1>Something</h1>went {wrong}</html>"
BODY = accepted([PHONE])


def refusal(code: str, error: str = "No."):
    return json.dumps({"success": False, "error": error, "code": code})


# --- Heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [["X-Policy: " + "x" * 100_000], [f"Set-Cookie: c{n}=1" for n in range(500)]],
    ids=["long", "many"],
)
async def test_an_answer_with_large_headers(headers):
    """An answer with headers of tens of kilobytes, as added by proxies, is read."""
    answer = http(200, BODY, *headers)
    async with RawServer(answering(answer)) as server, client(server.url) as sms:
        assert PHONE == (await sms.send(PHONE, TEXT)).phone


@pytest.mark.parametrize(
    ("headers", "cap"),
    [
        (["X-Policy: " + "x" * 200_000], "a header of the answer is longer than 131072 bytes"),
        ([f"Set-Cookie: c{n}=1" for n in range(1_100)], "the answer has too many headers"),
        (["Bad Header: 1"], "ClientResponseError: BadHttpMessage"),
    ],
    ids=["long", "many", "wrong"],
)
async def test_an_answer_above_a_limit_names_it(headers, cap):
    """An answer that is too large to read is unknown, and the error names the limit."""
    answer = http(200, BODY, *headers)
    async with RawServer(answering(answer)) as server, client(server.url) as sms:
        with pytest.raises(OutcomeUnknown) as caught:
            await sms.send(PHONE, TEXT)

    assert cap in caught.value.detail


# --- Statuses -------------------------------------------------------------------------------------

STATUSES = [
    (200, HTML, OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (204, "", OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (400, HTML, Rejected, "HTTP_400"),
    (401, HTML, AuthenticationError, "HTTP_401"),
    (402, HTML, OutOfCredits, "HTTP_402"),
    (404, "", Rejected, "HTTP_404"),
    (408, "", OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (408, HTML, OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (422, "{}", Rejected, "HTTP_422"),
    (429, HTML, RateLimited, codes.RATE_LIMITED),
    (500, HTML, OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (502, HTML, OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (503, HTML, OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (504, "", OutcomeUnknown, codes.ANSWER_UNREADABLE),
    (599, "null", OutcomeUnknown, codes.ANSWER_UNREADABLE),
    *[
        (status, refusal("INVALID_MESSAGE"), Rejected, "INVALID_MESSAGE")
        for status in (200, 301, 400, 408, 500, 503)
    ],
    *[
        (status, refusal("INVALID_API_KEY"), AuthenticationError, "INVALID_API_KEY")
        for status in (200, 500)
    ],
    *[
        (status, refusal("INSUFFICIENT_CREDITS"), OutOfCredits, "INSUFFICIENT_CREDITS")
        for status in (200, 503)
    ],
    *[
        (status, refusal("RATE_LIMIT_EXCEEDED"), RateLimited, codes.RATE_LIMITED)
        for status in (200, 400, 403, 429, 503)
    ],
]


@pytest.mark.parametrize(("status", "body", "kind", "code"), STATUSES)
async def test_a_status(status, body, kind, code):
    """A refusal object counts with any status; else 4xx except 408 refuses, others are unknown."""
    async with RawServer(answering(http(status, body, "Content-Type: text/html"))) as server:
        async with client(server.url) as sms:
            with pytest.raises(SendError) as caught:
                await sms.send(PHONE, TEXT, timeout=0.5)

        assert (kind, code) == (type(caught.value), caught.value.code)
        assert 1 == len(server.requests)


async def test_a_bulk_run_with_different_statuses():
    """Each number of a run has the fate of its own request."""
    answers = [http(200, BODY), http(502, HTML), http(400, HTML)]
    phones = [PHONE, OTHER, "+14155550123"]
    async with RawServer(answering(*answers)) as server:
        async with client(server.url) as sms:
            report = await sms.send_many(phones, TEXT, batch_size=1, max_in_flight=1)

        expected = [Status.SENT, Status.UNKNOWN, Status.REJECTED]
        assert expected == [outcome.status for outcome in report]
        assert [[phone] for phone in phones] == [request.phones for request in server.requests]


async def test_an_answer_that_changes_the_protocol(recwarn):
    """The connection of a 101 answer, which never ends, is closed."""
    asyncio.get_running_loop().set_debug(True)  # aiohttp warns about connections that are left open
    switch = b"HTTP/1.1 101 No\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with RawServer(answering(switch)) as server, client(server.url) as sms:
        with pytest.raises(OutcomeUnknown):
            await sms.send(PHONE, TEXT)
        gc.collect()

    assert [] == [str(warning.message) for warning in recwarn]


# --- Rate limits ----------------------------------------------------------------------------------

NOW = "Date: Wed, 21 Oct 2015 07:28:00 GMT"
OWN = 1.0

RETRY_AFTER = {
    "seconds": (["Retry-After: 30"], 30),
    "padded": (["Retry-After:  7 "], 7),
    "too many": (["Retry-After: 999999"], 600),
    "infinite": (["Retry-After: inf"], OWN),
    "no number": (["Retry-After: nan"], OWN),
    "negative": (["Retry-After: -1"], OWN),
    "with an exponent": (["Retry-After: 1e3"], OWN),
    "with a fraction": (["Retry-After: 2.5"], OWN),
    "Arabic digits": (["Retry-After: ٣٠"], OWN),
    "empty": (["Retry-After:"], OWN),
    "a word": (["Retry-After: soon"], OWN),
    "none": ([], OWN),
    "a date": ([NOW, "Retry-After: Wed, 21 Oct 2015 07:28:30 GMT"], 30),
    "a date without a zone": ([NOW, "Retry-After: Wed, 21 Oct 2015 07:28:30"], 30),
    "a far date": ([NOW, "Retry-After: Fri, 21 Oct 2016 07:28:00 GMT"], 600),
    "a date that is none": ([NOW, "Retry-After: Wed, 99 Oct 2015 07:28:30 GMT"], OWN),
    "a far date and no clock": (["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"], 600),
}


@pytest.mark.parametrize(("headers", "seconds"), RETRY_AFTER.values(), ids=RETRY_AFTER)
async def test_retry_after(headers, seconds):
    """The pause is in ASCII digits or a date relative to the server's clock, at most 600 s."""
    limiter = LocalLimiter(Rate(1000, per=1))
    async with RawServer(answering(http(429, "", *headers))) as server:
        async with client(server.url, limiter=limiter) as sms:
            with pytest.raises(RateLimited) as caught:
                await sms.send(PHONE, TEXT, timeout=0.5)
            paused_until = usage_now(limiter, sms.account).paused_until

        assert Status.NOT_SENT is caught.value.status
        assert seconds == pytest.approx(caught.value.retry_after, abs=0.2)
        assert seconds == pytest.approx(paused_until - time.monotonic(), abs=0.2)
        assert 1 == len(server.requests)


async def test_a_date_without_the_servers_clock():
    """Without the server's clock, a date is relative to the arrival of the answer."""
    asked = f"Retry-After: {formatdate(time.time() + 30, usegmt=True)}"
    async with RawServer(answering(http(429, "", asked))) as server:
        async with client(server.url) as sms:
            with pytest.raises(RateLimited) as caught:
                await sms.send(PHONE, TEXT, timeout=0.5)

        assert 30 == pytest.approx(caught.value.retry_after, abs=2)  # dates are whole seconds


@pytest.mark.parametrize(
    "headers",
    [["Retry-After: 0"], [NOW, "Retry-After: Wed, 21 Oct 2015 07:00:00 GMT"]],
    ids=["none", "past"],
)
async def test_a_pause_that_is_over(headers):
    """A pause of zero or until a time in the past is over, and the message is sent once."""
    async with RawServer(answering(http(429, "", *headers))) as server:
        async with client(server.url, retries=0) as sms:
            receipt = await sms.send(PHONE, TEXT)

        assert "m-1234" == receipt.message_id
        assert 2 == len(server.requests)


async def test_a_status_given_by_the_caller():
    """A 503 is a rate limit only if the caller lists it in `rate_limit_statuses`."""
    answer = http(503, HTML, "Retry-After: 30")
    async with RawServer(answering(answer)) as server:
        async with client(server.url, rate_limit_statuses=(429, 503)) as sms:
            with pytest.raises(RateLimited) as caught:
                await sms.send(PHONE, TEXT, timeout=0.5)

        assert 30 == pytest.approx(caught.value.retry_after, abs=0.2)
        assert 1 == len(server.requests)


# --- Bodies ---------------------------------------------------------------------------------------

NOTICE = b"<br />\n<b>Notice</b>: Undefined index: {x} in <b>/srv/api.php</b> on line <b>7</b>\n"

READABLE = {
    "as HTML": http(200, BODY, "Content-Type: text/html"),
    "of no type": http(200, BODY),
    "in a wrong charset": http(200, BODY, "Content-Type: application/json; charset=klingon"),
    "behind a BOM": http(200, b"\xef\xbb\xbf" + BODY),
    "behind a notice": http(200, NOTICE + BODY),
    "before a notice": http(200, BODY + NOTICE),
    "between notices": http(200, NOTICE + BODY + NOTICE),
    "with white space around": http(200, b"\r\n\r\n " + BODY + b"\n"),
    "at an odd status": http(500, BODY),
    "not all UTF-8": http(200, BODY.replace(b"{", b'{"note": "\xff\xfe", ', 1)),
    "without a length": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("answer", READABLE.values(), ids=READABLE)
async def test_an_unusual_answer_that_can_be_read(answer):
    """An answer with the number and `success` counts, in any form."""

    async def play(talk: Talk):
        await talk.request()
        talk.say(answer)
        await talk.writer.drain()
        talk.close()

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            receipt = await sms.send(PHONE, TEXT)

        assert ("m-1234", 7) == (receipt.message_id, receipt.remaining_credits)
        assert 1 == len(server.requests)


UNREADABLE = {
    "empty": b"",
    "white space": b" \r\n",
    "null": b"null",
    "a list": b"[" + BODY + b"]",
    "success alone": b'{"success": true}',
    "not a number": BODY.replace(b": 7", b": NaN"),
    "nothing but not a number": b"NaN",
    "cut": BODY[:-9],
    "nested deeply": b"[" * 50_000 + b"]" * 10_000,
    "nested deeply inside": b'{"success": true, "results": ' + b"[" * 60_000,
    "in UTF-16": BODY.decode().encode("utf-16"),
    "packed, not asked for": gzip.compress(BODY),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("status", [200, 500])
async def test_an_unusual_answer_that_cannot_be_read(status, body):
    """Anything but a documented answer is unknown, and not quoted."""
    is_packed = body[:2] == b"\x1f\x8b"
    headers = ["Content-Encoding: gzip"] if is_packed else []
    async with RawServer(answering(http(status, body, *headers))) as server:
        async with client(server.url) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)

        assert codes.ANSWER_UNREADABLE == caught.value.code
        assert 1 == len(server.requests)


async def test_another_requests_answer_before_a_truncated_one():
    """A foreign answer followed by a truncated one leaves the outcome unknown."""
    body = BODY.replace(PHONE.encode(), OTHER.encode()) + BODY[:-1]
    async with RawServer(answering(http(200, body))) as server:
        async with client(server.url) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)

        assert codes.MISSING_IN_ANSWER == caught.value.code
        assert 1 == len(server.requests)


async def test_100_000_levels():
    """An answer nested 100,000 levels deep does no harm, in a run where its size is allowed."""
    body = b'{"success": true, "results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    phones = [f"+1212555{number:04}" for number in range(300)]
    async with RawServer(answering(http(200, body))) as server:
        async with client(server.url) as sms:
            report = await sms.send_many(phones, TEXT, batch_size=300)

        assert (300, 1) == (report.unknown, len(server.requests))
        assert {codes.ANSWER_UNREADABLE} == {outcome.code for outcome in report}


# --- Sizes ----------------------------------------------------------------------------------------


def peak_of_memory():
    return tracemalloc.get_traced_memory()[1]


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


ZEROS = gzip.compress(bytes(2**20))


async def test_no_compression_is_requested():
    """No compressed answer is requested, whatever the headers of the session."""
    async with (
        RawServer(answering()) as server,
        aiohttp.ClientSession(headers={"Accept-Encoding": "gzip, br"}) as session,
        client(server.url, session=session) as sms,
    ):
        await sms.send(PHONE, TEXT)

        assert b"\r\nAccept-Encoding: identity\r\n" in server.requests[0].head
        assert b"gzip" not in server.requests[0].head


@pytest.mark.parametrize("is_given", [False, True], ids=["own session", "given session"])
async def test_a_gzip_bomb(is_given, traced):
    """A 1 MB answer that would decompress to 1 GB takes no more memory than any other."""
    bomb = http(200, ZEROS * 1000, "Content-Encoding: gzip")
    async with RawServer(answering(bomb)) as server, aiohttp.ClientSession() as session:
        async with client(server.url, session=session if is_given else None) as sms:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(OutcomeUnknown):
                await sms.send(PHONE, TEXT)
            cost = peak_of_memory() - before

        assert 1 == len(server.requests)
    assert cost < 5_000_000


@pytest.mark.parametrize("is_chunked", [False, True], ids=["long", "endless"])
async def test_an_endless_answer(is_chunked, traced):
    """An answer is read up to the maximum size; a longer one is unknown."""
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"

    async def play(talk: Talk):
        await talk.request()
        how = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 99999999999"
        talk.say(b"HTTP/1.1 200 OK\r\n" + how + b"\r\n\r\n")
        while True:
            talk.say(piece)
            await talk.writer.drain()

    async with RawServer(play) as server:
        async with client(server.url) as sms:
            with pytest.raises(OutcomeUnknown) as caught:
                await sms.send(PHONE, TEXT)

        assert codes.ANSWER_LOST == caught.value.code
        assert 1 == len(server.talks)
    assert peak_of_memory() < 5_000_000


async def test_a_long_answer_to_a_long_request():
    """The maximum size of an answer grows with the number of recipients."""
    phones = [f"+1212555{number:04}" for number in range(10_000)]
    async with RawServer(answering()) as server:
        async with client(server.url) as sms:
            report = await sms.send_many(phones, TEXT, batch_size=10_000)

        assert (10_000, 1) == (report.sent, len(server.requests))
