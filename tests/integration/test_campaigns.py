"""Campaigns in separate processes: interrupted, killed, and disconnected from the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import anyio
import pytest
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

from customersms_async import CustomerSMS, LocalLimiter, Outcome, Rate, StopRules
from customersms_async.sandbox import Sandbox
from tests.support import campaign_program
from tests.support.campaign_program import BATCH_SIZE, COUNT, KEY, numbers, states
from tests.support.raw_server import RawServer, Talk, http
from tests.support.raw_server import accepted as accepted_answer
from tests.support.sizes import sized

PROGRAM = campaign_program.__file__
#: At how many random times each interruption is tried; how often a process is killed.
INSTANTS, KILLS = sized((5, 3), (50, 20))
#: How long, in seconds, the gateway or its name is unavailable.
AWAY = sized(1.5, 60.0)
DICE = random.Random(20261128)  # chooses times, no secrets


@pytest.fixture(autouse=True)
def _in_this_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@contextlib.asynccontextmanager
async def gateway(**options: object) -> AsyncIterator[Sandbox]:
    async with Sandbox(keys={KEY: 10**9}, keep=10**6, **options) as sandbox:  # type: ignore[arg-type]
        yield sandbox


async def begin(*words: object) -> asyncio.subprocess.Process:
    """Start the program, and wait until its run has begun."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"begun\n" == await process.stdout.readline(), (await process.communicate())[1].decode()
    return process


def accepted(sandbox: Sandbox) -> Counter[str]:
    return Counter(message.phone for message in sandbox.messages)


async def at_random_instants(trial: Callable[[int, float], Awaitable[None]]) -> None:
    """Run a trial for each random time, five at once, since they mostly wait for answers."""
    few = asyncio.Semaphore(5)

    async def one(number: int, seconds: float) -> None:
        async with few:
            await trial(number, seconds)

    async with asyncio.TaskGroup() as group:
        for number in range(INSTANTS):
            group.create_task(one(number, DICE.uniform(0.02, 2.5)))


def check_ledger(sandbox: Sandbox, written: Sequence[Sequence[str]]) -> None:
    """Check that numbers and fates that a program wrote equal what its gateway accepted."""
    assert accepted(sandbox) == Counter(phone for phone, status in written if status == "sent")
    assert {"sent"} >= {status for _, status in written if status != "not_sent"}
    assert len(written) == len({phone for phone, _ in written}) <= COUNT


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_an_interrupted_program_wrote_every_number_sent(
    number: signal.Signals, tmp_path: Path
) -> None:
    """After SIGINT, SIGTERM or SIGHUP at any time, the file has everyone who was sent to."""

    async def trial(instant: int, seconds: float) -> None:
        path = tmp_path / f"{instant}.txt"
        async with gateway(latency="uniform(0.05, 0.6)", seed=instant) as sandbox:
            process = await begin("stream", sandbox.endpoint, path)
            await asyncio.sleep(seconds)
            process.send_signal(number)
            await process.communicate()
            check_ledger(sandbox, [line.split() for line in path.read_text().splitlines()])

    await at_random_instants(trial)


@contextlib.asynccontextmanager
async def asyncio_scope(seconds: float) -> AsyncIterator[None]:
    """Cancel the block once."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield


@contextlib.asynccontextmanager
async def anyio_scope(seconds: float) -> AsyncIterator[None]:
    """Cancel the block at every await, as anyio does."""
    with anyio.move_on_after(seconds):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("scope", [asyncio_scope, anyio_scope])
async def test_a_cancelled_scope_has_every_number_sent(
    scope: Callable[[float], contextlib.AbstractAsyncContextManager[None]],
) -> None:
    """Outcomes taken plus leftovers equal what the gateway accepted."""

    async def trial(instant: int, seconds: float) -> None:
        written: list[Outcome] = []
        async with gateway(latency="uniform(0.05, 0.6)", seed=instant) as sandbox:
            async with CustomerSMS(KEY, endpoint=sandbox.endpoint, limiter=unpaced()) as sms:
                bulk = sms.stream_many(numbers(), "hi", batch_size=BATCH_SIZE, max_in_flight=8)
                async with scope(seconds), bulk:
                    async for outcome in bulk:
                        written.append(outcome)  # noqa: PERF401  # keeps what came before
            sent.append(bulk.progress.sent)
            check_ledger(sandbox, [(o.phone, o.status) for o in written + bulk.leftovers])

    sent: list[int] = []
    await at_random_instants(trial)

    assert 0 < max(sent) < COUNT


async def run_and_kill(sandbox: Sandbox, path: Path, limit: int, within: float) -> None:
    """Kill the program at a random time, and check its journal against the gateway."""
    before = sum(state == "claimed" for state in states(path).values())
    process = await begin("journal", sandbox.endpoint, path, limit)
    await asyncio.sleep(DICE.uniform(0.0, within))
    process.kill()
    await process.communicate()
    await asyncio.sleep(0.5)  # the gateway processes what has arrived
    found = states(path)
    taken = accepted(sandbox)
    claimed = {phone for phone, state in found.items() if state == "claimed"}

    assert {1} >= set(taken.values()), "doubled"
    assert set(taken) <= {phone for phone, state in found.items() if state in ("sent", "claimed")}
    assert {phone for phone, state in found.items() if state == "sent"} <= set(taken), "lost"
    # Claims without a fate were being handed over: at most a batch for each request in flight.
    assert len(claimed) - before <= BATCH_SIZE * 16


@pytest.mark.slow
async def test_a_killed_program_leaves_claims_of_requests_in_flight(tmp_path: Path) -> None:
    """Killed repeatedly, it sends to nobody twice, loses nobody, and does not claim ahead."""
    path = tmp_path / "campaign.db"
    async with gateway(latency="uniform(0.05, 0.3)", seed=1) as sandbox:
        for _ in range(KILLS):
            await run_and_kill(sandbox, path, 0, 0.6)
        process = await begin("journal", sandbox.endpoint, path, 0)
        await process.communicate()
        left = Counter(states(path).values())

    assert {"sent", "claimed"} >= set(left)
    assert COUNT == left.total()


@pytest.mark.slow
async def test_killed_at_the_real_pace(tmp_path: Path) -> None:
    """At a hundred requests per minute, a kill leaves open only what was handed over."""
    path = tmp_path / "campaign.db"
    async with gateway(latency=0.4) as sandbox:
        for _ in range(sized(1, KILLS)):
            before = states(path)
            arrived = len(sandbox.requests)
            await run_and_kill(sandbox, path, 100, 9)
            after = states(path)
            claimed, settled = (
                sum(state == wanted != before.get(phone) for phone, state in after.items())
                for wanted in ("claimed", "sent")
            )

            # One more batch may have been claimed without being handed over.
            unanswered = len(sandbox.requests) - arrived - settled // BATCH_SIZE
            assert claimed <= (unanswered + 1) * BATCH_SIZE


# --- Disconnected --------------------------------------------------------------------------------


def unpaced() -> LocalLimiter:
    return LocalLimiter(Rate(10_000, per=1), burst=10_000)


class Stoppable:
    """A gateway that stops listening with *in_flight* requests in progress, and answers those."""

    def __init__(self, in_flight: int, stops_after: int) -> None:
        self.server = RawServer(self._play)
        self.accepted: Counter[str] = Counter()
        self.is_away = asyncio.Event()
        self._in_flight = in_flight
        self._stops_after = stops_after
        self._under_way = 0
        self._stopping: asyncio.Task[None] | None = None

    async def _play(self, talk: Talk) -> None:
        request = await talk.request()
        self._under_way += 1
        self.accepted.update(request.phones)
        is_time = self.accepted.total() >= self._stops_after and self._stopping is None
        if is_time and self._under_way == self._in_flight:
            self._stopping = asyncio.create_task(self.server.stop_listening())
            self.is_away.set()
        await asyncio.sleep(0.02)
        self._under_way -= 1
        talk.say(http(200, accepted_answer(request.phones), "Connection: close"))
        talk.close()


async def test_a_gateway_that_is_stopped_for_a_while() -> None:
    """A run continues after its gateway refused connections, and everybody is sent to once."""
    gone = Stoppable(in_flight=4, stops_after=COUNT // 2)
    async with gone.server, CustomerSMS(KEY, endpoint=gone.server.url, limiter=unpaced()) as sms:
        run = asyncio.create_task(sms.send_many(numbers(), "hi", batch_size=20, max_in_flight=4))
        await gone.is_away.wait()
        await asyncio.sleep(AWAY)
        sent_before = gone.accepted.total()
        assert not run.done()
        await gone.server.listen(gone.server.port)
        report = await run

    assert sent_before < COUNT
    assert (COUNT, True) == (report.sent, report.ok)
    assert (COUNT, {1}) == (len(gone.accepted), set(gone.accepted.values()))


async def test_a_gateway_that_stays_unavailable() -> None:
    """After `outage` seconds the run stops, and the rest is not read."""
    outage = min(AWAY, 5)
    read = 0

    async def source() -> AsyncIterator[str]:
        nonlocal read
        for phone in numbers():
            read += 1
            yield phone

    async with gateway(latency=0.5) as sandbox:
        sms = CustomerSMS(KEY, endpoint=sandbox.endpoint, limiter=unpaced())
        run = asyncio.create_task(
            sms.send_many(source(), "hi", batch_size=20, stop=StopRules(outage=outage))
        )
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()  # closing the gateway takes a while
    report = await run
    await sms.aclose()

    assert outage - 0.5 < asyncio.get_running_loop().time() - began < outage + 10
    assert ("CONNECT_FAILED", False) == (report.stopped, report.complete)
    assert report.total == read < COUNT


class ForgetfulResolver(AbstractResolver):
    """A resolver that fails for a while."""

    def __init__(self) -> None:
        self.is_away = False
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        if self.is_away:
            raise OSError(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return await self._names.resolve("127.0.0.1", port, family)

    async def close(self) -> None:
        await self._names.close()


async def test_a_name_that_cannot_be_resolved_for_a_while() -> None:
    """A DNS failure pauses a run like a refused connection."""
    resolver = ForgetfulResolver()
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
    hosts = ["gateway.localhost"]
    async with (
        gateway(latency=0.02, allowed_hosts=hosts) as sandbox,
        aiohttp.ClientSession(connector=connector) as http,
    ):
        endpoint = sandbox.endpoint.replace("127.0.0.1", "gateway.localhost")
        sms = CustomerSMS(KEY, endpoint=endpoint, limiter=unpaced(), session=http)
        run = asyncio.create_task(sms.send_many(numbers()[:2_000], "hi", batch_size=20))
        async with asyncio.timeout(30):
            while len(sandbox.messages) < 200:  # noqa: ASYNC110  # there is no event
                await asyncio.sleep(0.005)
        resolver.is_away = True
        await asyncio.sleep(AWAY)
        assert not run.done()
        resolver.is_away = False
        report = await run

        assert (2_000, True) == (report.sent, report.ok)
        assert {1} == set(accepted(sandbox).values())
