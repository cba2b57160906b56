"""A gateway, a clock and a journal in memory, behind the client's ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any

from attrs import define, field

from customersms_async import CustomerSMS, LocalLimiter
from customersms_async._ports.journal import Batch
from customersms_async._ports.transport import Attempt, Body, NotAllowed, Reply, TransportFailure
from customersms_async.client import make_client
from customersms_async.outcomes import Outcome

KEY = "cspro_test"


@define(eq=False)
class Post:
    """One attempt, as the gateway sees it."""

    gateway: MemoryTransport
    phones: list[str]
    text: str
    key: str
    attempt: Attempt = field(repr=False)
    timeout: float = 0.0
    began_at: float = 0.0
    started_at: float | None = None

    def start(self) -> None:
        """Mark the first byte of the body as sent."""
        self.attempt.start()
        self.started_at = now()
        self.gateway.started.append(self)

    def carry_out(self, *, refuse: Sequence[str] = (), **fields: Any) -> Reply:
        """Accept the messages, and return the documented answer."""
        accepted = [phone for phone in self.phones if phone not in refuse]
        self.gateway.ledger.update(accepted)
        results = [
            {"phone": phone, "success": True, "message_id": f"msg_{phone[1:]}"}
            if phone in accepted
            else {"phone": phone, "success": False, "error": "No route", "code": "NO_ROUTE"}
            for phone in self.phones
        ]
        answer = {"success": True, "results": results}
        if self.gateway.credits is not None:
            self.gateway.credits -= len(accepted)
            answer["remaining_credits"] = self.gateway.credits
        return reply(answer | fields)


#: How the gateway treats one attempt.
Behaviour = Callable[[Post], Awaitable[Reply]]


def now() -> float:
    """Return the time of the running loop."""
    return asyncio.get_running_loop().time()


def reply(answer: object, status: int = 200, retry_after: str | None = None) -> Reply:
    """Make a reply with JSON."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply(status, json.dumps(answer).encode(), headers)


def accepts(takes: float = 0.05, **fields: Any) -> Behaviour:
    """Accept the request, and answer after *takes* seconds."""

    async def behave(post: Post) -> Reply:
        post.start()
        await asyncio.sleep(takes)
        return post.carry_out(**fields)

    return behave


def answers(
    answer: object, status: int = 200, retry_after: str | None = None, takes: float = 0.05
) -> Behaviour:
    """Accept nothing, and send the given answer."""

    async def behave(post: Post) -> Reply:
        post.start()
        await asyncio.sleep(takes)
        return reply(answer, status, retry_after)

    return behave


def refuses(code: str, error: str = "No", takes: float = 0.05, **fields: Any) -> Behaviour:
    """Refuse the whole request."""
    return answers({"success": False, "error": error, "code": code} | fields, takes=takes)


def turns_away(retry_after: str | None = None) -> Behaviour:
    """Refuse with a rate limit."""
    return answers({"success": False, "error": "slow down"}, 429, retry_after)


def loses_answer(takes: float = 0.05) -> Behaviour:
    """Accept the request, and lose the connection before the answer."""

    async def behave(post: Post) -> Reply:
        post.start()
        await asyncio.sleep(takes)
        post.carry_out()
        raise TransportFailure("the connection was lost")

    return behave


def hangs() -> Behaviour:
    """Accept the request, and never answer."""

    async def behave(post: Post) -> Reply:
        post.start()
        post.carry_out()
        await asyncio.Event().wait()
        raise AssertionError

    return behave


def cannot_connect(takes: float = 0.01) -> Behaviour:
    """Refuse the connection."""

    async def behave(post: Post) -> Reply:
        await asyncio.sleep(takes)
        raise TransportFailure("ClientConnectorError: Connection refused")

    return behave


def connects_slowly(takes: float) -> Behaviour:
    """Connect late, then accept the request."""

    async def behave(post: Post) -> Reply:
        await asyncio.sleep(takes)
        return await accepts()(post)

    return behave


def strays() -> Behaviour:
    """Deliver the answer to another request before this one has started."""

    async def behave(post: Post) -> Reply:
        await asyncio.sleep(0.01)
        return reply({"success": True, "results": []})

    return behave


def breaks(exc: Exception) -> Behaviour:
    """Raise an unexpected error."""

    async def behave(post: Post) -> Reply:
        await asyncio.sleep(0.01)
        raise exc

    return behave


class MemoryTransport:
    """
    A `Transport` whose gateway follows a script, with one behaviour per attempt.

    Args:
        script: A behaviour for each attempt, in order.

        then: The behaviour after the end of the script.

        credits: The balance, or None for answers without one.

    Attributes:
        began: Every attempt.
        started: Every attempt whose first byte was written.
        ledger: The number of messages to each number.
        is_closed: Whether the client has closed it since its last use.
    """

    def __init__(
        self,
        *script: Behaviour,
        then: Behaviour | None = None,
        credits: int | None = None,  # noqa: A002  # the gateway's word
    ) -> None:
        self._script = list(script)
        self._then = then or accepts()
        self.credits = credits
        self.began: list[Post] = []
        self.started: list[Post] = []
        self.ledger: Counter[str] = Counter()
        self.most_at_once = 0
        self.is_closed = False
        self._at_once = 0

    async def post(self, body: Body, attempt: Attempt, *, timeout: float, most: int) -> Reply:
        """Follow the script, within the timeout."""
        if timeout <= 0:
            raise AssertionError("no time at all means no limit to aiohttp")
        said = json.loads(body.content)
        phones = [said["phone"]] if isinstance(said["phone"], str) else said["phone"]
        post = Post(self, phones, said["message"], said["api_key"], attempt, timeout, now())
        self.began.append(post)
        behave = self._script.pop(0) if self._script else self._then
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            async with asyncio.timeout(timeout):
                return await behave(post)
        except TimeoutError as exc:
            raise TransportFailure("the time for this attempt was over") from exc
        except NotAllowed as exc:
            raise TransportFailure("NotAllowed") from exc
        finally:
            self._at_once -= 1

    @property
    def batches(self) -> list[list[str]]:
        """The numbers of each request that was handed over."""
        return [post.phones for post in self.started]


class MemoryNetwork:
    """Returns the same transport in every event loop, as `Sessions` does over HTTP."""

    endpoint = "memory"

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    def transport(self) -> MemoryTransport:
        self._transport.is_closed = False
        return self._transport

    def take(self) -> None:
        self._transport.is_closed = True


class LoopClock:
    """A `Clock` of the running loop, with a constant jitter."""

    def __init__(self, jitter: float = 0.5) -> None:
        self._jitter = jitter
        self.slept: list[float] = []

    def now(self) -> float:
        return now()

    def jitter(self) -> float:
        return self._jitter

    async def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        await asyncio.sleep(seconds)


def make_client_in_memory(
    transport: MemoryTransport,
    *,
    clock: LoopClock | None = None,
    api_key: str = KEY,
    **options: Any,
) -> CustomerSMS:
    """Make a client that uses a gateway in memory and the time of the loop."""
    if "limiter" not in options:
        options["limiter"] = LocalLimiter(clock=asyncio.get_running_loop().time)
    return make_client(MemoryNetwork(transport), clock or LoopClock(), api_key, **options)


class MemoryJournal:
    """
    A `Journal` that fails or is slow on request.

    Args:
        fail_claim: The claim that raises, from 1.

        fail_settle: The settlement that raises, from 1.

        takes: Seconds that each call takes.
    """

    def __init__(self, *, fail_claim: int = 0, fail_settle: int = 0, takes: float = 0.0) -> None:
        self._fail_claim = fail_claim
        self._fail_settle = fail_settle
        self._takes = takes
        self.calls: list[str] = []
        self.claimed: list[int] = []
        self.released: list[int] = []
        self.settled: list[Outcome] = []
        self.refused: list[Outcome] = []
        self.taken: set[int] = set()
        self.requests: list[str | None] = []
        self._is_asked = False

    async def claim(self, batch: Batch) -> Collection[int] | None:
        async with self._call("claim"):
            if self.calls.count("claim") == self._fail_claim:
                raise OSError("the disk is full")
            let_go = [index for index in batch.indexes if index not in self.taken]
            self.claimed.extend(let_go)
            self.requests.append(batch.request)
        return let_go if self.taken else None

    async def release(self, batch: Batch) -> None:
        async with self._call("release"):
            self.released.extend(batch.indexes)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        async with self._call("settle"):
            if self.calls.count("settle") == self._fail_settle:
                raise OSError("the disk is full")
            self.settled.extend(outcomes)

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        async with self._call("refuse"):
            self.refused.extend(outcomes)

    @contextlib.asynccontextmanager
    async def _call(self, name: str) -> AsyncIterator[None]:
        """Record a call, which must not overlap another one."""
        if self._is_asked:
            raise AssertionError("two calls at once")
        self.calls.append(name)
        self._is_asked = True
        try:
            await asyncio.sleep(self._takes)
            yield
        finally:
            self._is_asked = False

    @property
    def is_balanced(self) -> bool:
        """Whether each claim was either released or settled once."""
        ended = [*self.released, *(outcome.index for outcome in self.settled)]
        return sorted(self.claimed) == sorted(ended)


def phones(count: int, first: int = 0) -> list[str]:
    """Return *count* different numbers."""
    return [f"+1212{first + number:07}" for number in range(count)]


async def as_async(items: Iterable[Any], pause: float | None = None) -> Any:
    """Yield the items one by one, with a pause before each."""
    for item in items:
        if pause is not None:
            await asyncio.sleep(pause)
        yield item
