"""
Campaigns in processes of their own: interrupted, killed, and cut off from the gateway.

CUSTOMERSMS_INSTANTS says at how many random instants each interruption is tried, CUSTOMERSMS_KILLS
how often a process is killed; both are few without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

from customersms_async import CustomerSMS, LocalLimiter, Rate, StopRules
from customersms_async.sandbox import Sandbox
from tests.support import campaign_program
from tests.support.campaign_program import BATCH_SIZE, COUNT, KEY, numbers, states

PROGRAM = campaign_program.__file__
INSTANTS = int(os.environ.get("CUSTOMERSMS_INSTANTS", "5"))
KILLS = int(os.environ.get("CUSTOMERSMS_KILLS", "3"))
DICE = random.Random(20261128)  # chooses instants, keeps no secret


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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_what_an_interrupted_program_wrote_is_the_ledger(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C, SIGTERM and SIGHUP at any instant: nobody was sent to who is not in the file."""
    for instant in range(INSTANTS):
        path = tmp_path / f"{instant}.txt"
        async with gateway(latency="uniform(0.05, 0.6)", seed=instant) as sandbox:
            process = await begin("stream", sandbox.endpoint, path)
            await asyncio.sleep(DICE.uniform(0.02, 2.5))
            process.send_signal(number)
            await process.communicate()
            written = [line.split() for line in path.read_text().splitlines()]

            assert accepted(sandbox) == Counter(p for p, status in written if status == "sent")
            assert {"sent"} >= {status for _, status in written if status != "not_sent"}
            assert len(written) == len({phone for phone, _ in written}) <= COUNT


async def run_and_kill(sandbox: Sandbox, path: Path, limit: int, within: float) -> None:
    """Kill the program at some instant, and check what its journal says by then."""
    before = sum(state == "claimed" for state in states(path).values())
    process = await begin("journal", sandbox.endpoint, path, limit)
    await asyncio.sleep(DICE.uniform(0.0, within))
    process.kill()
    await process.communicate()
    await asyncio.sleep(0.5)  # what had arrived is carried out
    found = states(path)
    taken = accepted(sandbox)
    claimed = {phone for phone, state in found.items() if state == "claimed"}

    assert {1} >= set(taken.values()), "doubled"
    assert set(taken) <= {phone for phone, state in found.items() if state in ("sent", "claimed")}
    assert {phone for phone, state in found.items() if state == "sent"} <= set(taken), "lost"
    # What is claimed and unsettled was being handed over: at most a batch each, of those in flight.
    assert len(claimed) - before <= BATCH_SIZE * 16


@pytest.mark.slow
async def test_a_killed_program_leaves_open_what_was_in_flight(tmp_path: Path) -> None:
    """Killed again and again, it doubles nobody, loses nobody, and does not claim ahead."""
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
    """At a hundred requests a minute a kill leaves open no more than what was handed over."""
    path = tmp_path / "campaign.db"
    async with gateway(latency=0.4) as sandbox:
        for _ in range(KILLS if KILLS >= 20 else 1):
            before = states(path)
            arrived = len(sandbox.requests)
            await run_and_kill(sandbox, path, 100, 9)
            after = states(path)
            claimed, settled = (
                sum(state == wanted != before.get(phone) for phone, state in after.items())
                for wanted in ("claimed", "sent")
            )

            # One more may have been claimed, and was not handed over yet.
            unanswered = len(sandbox.requests) - arrived - settled // BATCH_SIZE
            assert claimed <= (unanswered + 1) * BATCH_SIZE


# --- Cut off --------------------------------------------------------------------------------------


def unpaced() -> LocalLimiter:
    return LocalLimiter(Rate(10_000, per=1), burst=10_000)


async def test_a_gateway_that_is_stopped_for_a_while() -> None:
    """Its port refuses connections in the middle of a run: everybody is sent to once at the end."""
    async with gateway(latency=0.05) as first:
        port = int(first.url.rsplit(":", 1)[1].strip("/"))
        endpoint = first.endpoint
        sms = CustomerSMS(KEY, endpoint=endpoint, limiter=unpaced())
        run = asyncio.create_task(sms.send_many(numbers(), "hi", batch_size=20, max_in_flight=4))
        await asyncio.sleep(0.8)
    sent_before = accepted(first)  # those that it answered while it was closed included
    await asyncio.sleep(3)
    assert not run.done()
    async with gateway(latency=0.01, port=port) as second:
        report = await run
        await sms.aclose()

        both = sent_before + accepted(second)
        assert COUNT == report.sent + report.unknown
        assert {1} == set(both.values())
        assert {o.phone for o in report if o.status == "sent"} <= set(both)
        assert report.unknown <= 4 * 20  # in flight as the first one ended


async def test_a_gateway_that_stays_away() -> None:
    """After `outage` seconds the run stops, and what was not read is left where it is."""
    read = 0

    async def source() -> AsyncIterator[str]:
        nonlocal read
        for phone in numbers():
            read += 1
            yield phone

    async with gateway(latency=0.05) as sandbox:
        sms = CustomerSMS(KEY, endpoint=sandbox.endpoint, limiter=unpaced())
        run = asyncio.create_task(
            sms.send_many(source(), "hi", batch_size=20, stop=StopRules(outage=2))
        )
        await asyncio.sleep(0.5)
    began = asyncio.get_running_loop().time()
    report = await run
    await sms.aclose()

    assert 1.5 < asyncio.get_running_loop().time() - began < 6
    assert ("CONNECT_FAILED", False) == (report.stopped, report.complete)
    assert report.total == read < COUNT


class ForgetfulResolver(AbstractResolver):
    """Names that cannot be resolved for a while."""

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


async def test_a_name_that_is_not_resolved_for_a_while() -> None:
    """A DNS that fails holds a run as a refused connection does."""
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
        await asyncio.sleep(0.3)
        resolver.is_away = True
        await asyncio.sleep(2)
        assert not run.done()
        resolver.is_away = False
        report = await run

        assert (2_000, True) == (report.sent, report.ok)
        assert {1} == set(accepted(sandbox).values())
