"""Uses of the public API that are only type-checked, by mypy and pyright, and never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import assert_type

import aiohttp

from customersms_async import (
    Batch,
    Bulk,
    BulkInterrupted,
    Credits,
    CustomerSMS,
    LocalLimiter,
    Message,
    Outcome,
    OutcomeUnknown,
    Progress,
    Rate,
    RateLimited,
    Receipt,
    Report,
    RequestRecord,
    SendError,
    Status,
    Usage,
    sync,
)
from customersms_async.sandbox import (
    Sandbox,
    SandboxMessage,
    SandboxRequest,
    SandboxUsage,
    SmsSandbox,
)


class MemoryJournal:
    """A `Journal` needs no base class."""

    async def claim(self, batch: Batch) -> None: ...

    async def release(self, batch: Batch) -> None: ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None: ...

    async def refuse(self, outcomes: Sequence[Outcome]) -> None: ...


def watch(record: RequestRecord) -> None:
    assert_type(record.took, float)


def numbers() -> Iterator[str]:
    yield "+12125551234"


async def numbers_later() -> AsyncIterator[str]:
    yield "+12125551234"


async def send_one() -> None:
    async with CustomerSMS("cspro_key", on_request=watch, limiter=LocalLimiter(Rate(50))) as sms:
        assert_type(sms, CustomerSMS)
        receipt = await sms.send("+12125551234", "Your code is 4711", timeout=5)
        assert_type(receipt, Receipt)
        assert_type(receipt.message_id, str | None)
        assert_type(sms.credits, Credits | None)
        assert_type(sms.for_key("cspro_other"), CustomerSMS)


async def send_many() -> None:
    limiter = LocalLimiter(Rate(100, per=60).split(4), burst=1, reserve=5)
    async with aiohttp.ClientSession() as session:
        sms = CustomerSMS(limiter=limiter, session=session, parse_phone=str.strip)
        assert_type(await limiter.usage(sms.account), Usage)
        report = await sms.send_many(numbers(), "We open at nine", batch_size=50, stop_after=60)
        assert_type(report, Report)
        assert_type(report[0], Outcome)
        assert_type(report[:2], list[Outcome])
        assert_type(report[0].status, Status)
        await sms.send_many(report.safe_to_resend(), "We open at nine")
        await sms.send_many(numbers_later(), "x", journal=MemoryJournal(), dedupe=False)
        await sms.send_many("+12125551234,+13235554567", "x")
        await sms.send_messages([Message("+12125551234", "x", ref=1)], look_ahead=10)


async def stream() -> None:
    sms = CustomerSMS()
    async with sms.stream_many(numbers_later(), "x") as bulk:
        assert_type(bulk, Bulk)
        async for outcome in bulk:
            assert_type(outcome, Outcome)
        assert_type(bulk.progress, Progress)
        assert_type(await bulk.finish(), Progress)
        bulk.stop()


async def tasks() -> None:
    """The calls are coroutine functions, so they can be passed where a coroutine is expected."""
    sms = CustomerSMS()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(sms.send("+12125551234", "x"))
        many = group.create_task(sms.send_many(numbers(), "x"))
    assert_type(task.result(), Receipt)
    assert_type(many.result(), Report)


async def errors() -> None:
    sms = CustomerSMS()
    try:
        await sms.send("+12125551234", "x")
    except RateLimited as exc:
        assert_type(exc.retry_after, float)
    except OutcomeUnknown as exc:
        assert_type(exc.phones, tuple[str, ...])
    except SendError as exc:
        assert_type(exc.status, Status)
    try:
        await sms.send_many(numbers(), "x")
    except BulkInterrupted as exc:
        assert_type(exc.report, Report)


def without_an_event_loop() -> None:
    with sync.CustomerSMS(send_timeout=5) as sms:
        assert_type(sms, sync.CustomerSMS)
        assert_type(sms.send("+12125551234", "x", timeout=5), Receipt)
        assert_type(sms.send_many(numbers(), "x", batch_size=50), Report)
        assert_type(sms.send_messages([Message("+12125551234", "x")], look_ahead=1), Report)
        assert_type(sms.for_key("cspro_other"), sync.CustomerSMS)
        assert_type(sms.credits, Credits | None)
        with sms.stream_many(numbers(), "x") as bulk:
            assert_type(bulk, sync.Bulk)
            assert_type(next(bulk), Outcome)
            assert_type([outcome.status for outcome in bulk], list[Status])
            assert_type(bulk.progress, Progress)
            assert_type(bulk.finish(), Progress)


async def local_gateway() -> None:
    async with Sandbox(
        keys={"cspro_test": 98},
        allowed_hosts=["sms"],
        script="500, ok*2",
        standing="html",
        probabilities={"answer-lost": 0.05},
        seed=7,
        latency="uniform(0.1, 0.5)",
        limit=100,
        rule="gcra",
        retry_after="date",
        price=lambda text: len(text) // 160 + 1,
    ) as sandbox:
        assert_type(sandbox.endpoint, str)
        assert_type(await sandbox.wait_for(phone="+12125551234", timeout=1), SandboxMessage)
        assert_type(sandbox.requests, tuple[SandboxRequest, ...])
        assert_type(sandbox.last_code("+12125551234"), str | None)
        assert_type(sandbox.credits, int)
        sandbox.credits = 3
        assert_type(sandbox.credits_of("cspro_test"), int)
        assert_type(sandbox.usage("cspro_test"), SandboxUsage)
        sandbox.set_limit(50, key="cspro_test", per=30, rate_refusal="http-503")
        sandbox.set_faults(latency=lambda: 0.1, script=["html", "ok"], standing=None)
        sandbox.fail_next("rate-limited", 2, retry_after=7)


def use_of_the_fixture(sms_sandbox: SmsSandbox) -> None:
    sms_sandbox.limit(rule="nginx", burst=5)
    assert_type(sms_sandbox.credits, int)
    sms_sandbox.credits = 3
    assert_type(sms_sandbox.wait(contains="code", timeout=1).text, str)
    assert_type(sms_sandbox.messages, tuple[SandboxMessage, ...])
    assert_type(sms_sandbox.usage.free, int | None)


async def mistakes() -> None:
    """Each line is an error that the checkers must find; an unused ignore fails the check."""
    sms = CustomerSMS()
    sms.send("+12125551234", "x")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]  # await forgotten
    sms.send_many(numbers(), "x")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]  # await forgotten
    await sms.send(12125551234, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a number is a string
    await sms.send_many(numbers(), "x", batch_sise=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    Sandbox(rule="leaky")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no such rule
    Sandbox().set_faults(standng="html")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    sync.CustomerSMS().send_many(numbers_later(), "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # an async iterable
    CustomerSMS(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # None is no key
