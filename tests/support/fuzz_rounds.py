"""One round of the fuzz: a call, its interruption, and what must hold afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from attrs import define, field

from customersms_async import (
    Batch,
    Bulk,
    BulkInterrupted,
    CustomerSMS,
    LocalLimiter,
    Message,
    Outcome,
    Rate,
    SendError,
    Status,
    StopRules,
)
from customersms_async._bulk.run import Run
from tests.support.fuzz_cuts import CUTS, SEND_CUTS, STREAM_CUTS, Use
from tests.support.fuzz_gateway import FuzzGateway
from tests.support.fuzz_inputs import InputBroke, Job, make_job
from tests.support.limiter_callers import usage_now

__all__ = ["Round"]

#: A round that takes longer hangs.
_LONGEST_ROUND: Final = 45.0
_MOST_RESENDS: Final = 200


class JournalBroke(Exception):
    """What a fuzzed journal raises."""


class _Left(Exception):
    """Raised by the caller's own code during a run."""


@define(eq=False)
class _Notes:
    """A journal that records its calls, is sometimes slow, and raises in one of them."""

    dice: random.Random
    breaks_at: int | None
    claimed: set[int] = field(factory=set)
    settled: dict[int, Outcome] = field(factory=dict)
    refused: set[int] = field(factory=set)
    calls: int = 0
    is_asked: bool = False
    has_broken: bool = False

    async def claim(self, batch: Batch) -> None:
        await self._live()
        assert self.claimed.isdisjoint(batch.indexes), "claimed twice"
        self.claimed.update(batch.indexes)

    async def release(self, batch: Batch) -> None:
        await self._live()
        assert self.claimed.issuperset(batch.indexes), "released without a claim"
        self.claimed.difference_update(batch.indexes)

    async def refuse(self, outcomes: Sequence[Outcome]) -> None:
        await self._live()
        indexes = [outcome.index for outcome in outcomes]
        assert self.refused.isdisjoint(indexes), "refused twice"
        self.refused.update(indexes)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        await self._live()
        indexes = [outcome.index for outcome in outcomes]
        assert self.claimed.issuperset(indexes), "settled without a claim"
        assert self.settled.keys().isdisjoint(indexes), "settled twice"
        self.settled.update(zip(indexes, outcomes, strict=True))

    async def _live(self) -> None:
        assert not self.is_asked, "two calls at once"
        self.calls += 1
        self.is_asked = True
        try:
            if self.dice.random() < 0.2:
                await asyncio.sleep(self.dice.random() * 0.01)
        finally:
            self.is_asked = False
        if self.calls == self.breaks_at:
            self.has_broken = True
            raise JournalBroke


class _Client(CustomerSMS):
    """Remembers its bulk runs, so that the state of a cancelled one can be checked."""

    last: Run | None = None

    def _run(self, *given: Any) -> Run:
        self.last = super()._run(*given)
        return self.last


@define(eq=False)
class Round:
    """
    One round.

    Attributes:
        seed: Decides everything but time.
        gateway: The gateway.
        cuts: How often it was interrupted, in which way.
        numbers: How many numbers went through it.
    """

    seed: int
    trouble: float | None = None
    dice: random.Random = field(init=False)
    gateway: FuzzGateway = field(init=False)
    limiter: LocalLimiter = field(init=False)
    rate: Rate = field(init=False)
    cuts: Counter[str] = field(factory=Counter)
    numbers: int = 0

    def __attrs_post_init__(self) -> None:
        self.dice = dice = random.Random(self.seed)
        is_tight = dice.random() < 0.1
        mild = tuple(f"shape-{name}" for name in ("reordered", "respelled", "slow", "zero-one"))
        trouble = dice.choice([0.1, 0.3, 0.6, 0.9]) if self.trouble is None else self.trouble
        self.gateway = FuzzGateway(dice, trouble, mild if is_tight else None)
        self.rate = Rate(8, per=0.2) if is_tight else Rate(100_000, per=1)
        self.limiter = LocalLimiter(self.rate, burst=self.rate.limit)

    async def play(self) -> None:
        """Play it; raises if a number was lost or sent twice."""
        async with asyncio.timeout(_LONGEST_ROUND), self.gateway:
            await (self._sends() if self.dice.random() < 0.2 else self._bulk_run())
        self._check_rate()

    # --- bulk runs ---

    async def _bulk_run(self) -> None:
        dice = self.dice
        is_messages = dice.random() < 0.4
        texts = [f"Text {n}" for n in range(dice.randint(2, 5) if is_messages else 1)]
        count = dice.randint(1, 40) if self.rate.limit < 100 else dice.choice([3, 60, 300, 600])
        job = make_job(dice, count, texts=texts)
        self.numbers += count
        start = Counter(self.gateway.ledger)
        left = await self._one_run(job, dice.choice(list(CUTS)), self._options(job, count))
        now = job
        for turn in range(_MOST_RESENDS):
            if not left:
                break
            if turn == 4:
                self.gateway.trouble = 0.0
            now = self._again(left, now)
            left = await self._one_run(now, "none", self._resending(job))
        assert not left, "sending again what is safe never ends"
        self._check_nothing_twice(job, start)

    def _options(self, job: Job, count: int) -> dict[str, Any]:
        dice = self.dice
        options: dict[str, Any] = {
            "batch_size": dice.randint(1, 10) if count < 100 else dice.choice([5, 20, 60]),
            "max_in_flight": dice.choice([1, 3, 16]),
            "dedupe": job.dedupe,
            "drain": dice.choice([0, 0.02, 0.5, 5.0]),
            "stop": StopRules(
                max_unknown=dice.choice([1, 3, 1_000, 1_000]),
                outage=dice.choice([0, 0.1, 600]),
            ),
        }
        if dice.random() < 0.5:
            breaks_at = dice.randint(1, 12) if dice.random() < 0.25 else None
            options["journal"] = _Notes(dice, breaks_at)
        if isinstance(job.items[0], Message) and dice.random() < 0.5:
            options["look_ahead"] = dice.choice([1, 10, 100])
        return options

    def _resending(self, job: Job) -> dict[str, Any]:
        size = self.dice.choice([10, 30, 100])
        return {"batch_size": size, "stop": StopRules(max_unknown=1_000), "dedupe": job.dedupe}

    def _client(self) -> _Client:
        return _Client(
            "cspro_fuzz",
            endpoint=self.gateway.endpoint,
            limiter=self.limiter,
            request_timeout=self.dice.choice([0.25, 0.4]),
            retries=self.dice.choice([0, 1, 3]),
        )

    async def _one_run(self, job: Job, cut: str, options: dict[str, Any]) -> list[Outcome]:
        """Make one run and interrupt it; return what is safe to send again."""
        before = Counter(self.gateway.ledger)
        sms = self._client()
        taken: list[Outcome] = []
        is_stream = cut in STREAM_CUTS or self.dice.random() < 0.5
        delay = self.dice.random() ** 2 * 0.25
        if cut == "stop-after":
            options = options | {"stop_after": delay + 0.001}
        notes = options.get("journal", _NO_NOTES)

        async def use() -> None:
            try:
                if is_stream:
                    await self._stream(_stream_of(sms, job, options), cut, taken, len(job.items))
                else:
                    await _report_of(sms, job, options)
            except BulkInterrupted as exc:
                is_expected = isinstance(exc.__cause__, InputBroke | JournalBroke)
                if not (is_expected and (job.has_broken or notes.has_broken)):
                    raise
            except _Left:
                pass

        await CUTS[cut](sms, use, delay)
        await self._quiet(sms, delay)
        run = sms.last
        assert run is not None
        self.cuts[cut] += run.progress.stopped is not None
        outcomes = [*taken, *run.leftovers] if is_stream else list(run.report())
        return self._check_run(job, run, outcomes, notes, before)

    async def _stream(self, run: Bulk, cut: str, taken: list[Outcome], count: int) -> None:
        leaves_at = self.dice.randrange(1 + count // 2)
        is_slow = self.dice.random() < 0.3
        async with run as bulk:
            async for outcome in bulk:
                taken.append(outcome)
                if cut in STREAM_CUTS and len(taken) > leaves_at:
                    await _leave(bulk, cut)
                    break
                if is_slow and self.dice.random() < 0.05:
                    await asyncio.sleep(0.005)

    def _again(self, left: list[Outcome], job: Job) -> Job:
        """Make the job that resends what is safe to send again, as a caller would."""
        again = Job([], [], job.dedupe, "list", None, self.dice)
        is_messages = isinstance(job.items[0], Message)
        for outcome in left:
            pair = job.pairs[outcome.index]
            assert pair is not None, "what is no number is not safe to send again"
            again.items.append(Message(*pair) if is_messages else outcome)
            again.pairs.append(pair)
        return again

    # --- single messages ---

    async def _sends(self) -> None:
        self.numbers += 40
        sms = self._client()
        notes: dict[str, tuple[Status, ...]] = {}
        ways = list(SEND_CUTS)
        async with asyncio.TaskGroup() as group:
            for n in range(40):
                phone = f"+1{3_000_000_000 + self.seed % 10_000 * 100 + n}"
                cut, delay = self.dice.choice(ways), self.dice.random() ** 2 * 0.1
                use = self._sender(sms, phone, notes)
                group.create_task(self._one_send(sms, cut, use, delay))
        await self._quiet(sms, 1.0)
        assert len(notes) == 40
        for phone, possible in notes.items():
            accepted = self.gateway.ledger[phone, "Code"]
            assert accepted in {_ACCEPTED[status] for status in possible} | (
                {0, 1} if Status.UNKNOWN in possible else set()
            ), f"{phone}: {possible}, accepted {accepted} times"

    async def _one_send(self, sms: _Client, cut: str, use: Use, delay: float) -> None:
        await asyncio.sleep(self.dice.random() * 0.1)
        await CUTS[cut](sms, use, delay)
        self.cuts[f"send-{cut}"] += 1

    def _sender(self, sms: _Client, phone: str, notes: dict[str, tuple[Status, ...]]) -> Use:
        async def send() -> None:
            notes[phone] = (Status.NOT_SENT,)
            try:
                await sms.send(phone, "Code", timeout=self.dice.choice([0.05, 0.5, 5]))
                notes[phone] = (Status.SENT,)
            except SendError as exc:
                notes[phone] = (exc.status,)
            except asyncio.CancelledError as exc:
                notes[phone] = (_status_of(getattr(exc, "__notes__", [])),)
                raise

        return send

    # --- what must hold ---

    async def _quiet(self, sms: _Client, drain: float) -> None:
        """Close the client and check that nothing of it is left."""
        await sms.aclose(max(drain, 0.3))
        assert repr(sms).endswith(": 0 tasks, 0 runs>"), "something is left"
        assert await self.gateway.is_left_alone(), "sockets are left"
        usage = usage_now(self.limiter, sms.account)
        assert (0, 0) == (usage.in_flight, usage.waiting), "slots are left"

    def _check_run(
        self,
        job: Job,
        run: Run,
        outcomes: list[Outcome],
        notes: _Notes,
        before: Counter[tuple[str, str]],
    ) -> list[Outcome]:
        progress = run.progress
        assert job.read == progress.total, "a number that was read has no fate"
        assert (0, 0) == (progress.waiting, progress.in_flight)
        fates = {outcome.index: outcome for outcome in outcomes}
        assert len(fates) == len(outcomes), "an outcome came out twice"
        for index, outcome in notes.settled.items():
            assert fates.setdefault(index, outcome).status is outcome.status, "two fates"
        if outcomes and len(outcomes) == len(fates) == progress.total:
            counted = Counter(outcome.status for outcome in outcomes)
            said = (progress.sent, progress.rejected, progress.not_sent, progress.unknown)
            assert tuple(counted[status] for status in Status) == said, "the counts are wrong"
        self._check_ledger(job, progress, fates, self.gateway.ledger - before)
        return [outcome for outcome in fates.values() if outcome.is_safe_to_resend]

    def _check_ledger(
        self,
        job: Job,
        progress: Any,
        fates: dict[int, Outcome],
        accepted: Counter[tuple[str, str]],
    ) -> None:
        sure: Counter[Any] = Counter()
        maybe: Counter[Any] = Counter()
        for index, pair in enumerate(job.pairs[: job.read]):
            outcome = fates.get(index)
            if outcome is not None and pair is not None:
                assert pair[0] == outcome.phone, "a fate of another number"
            sure[pair] += outcome is not None and outcome.status is Status.SENT
            maybe[pair] += outcome is None or outcome.status is Status.UNKNOWN
        assert not sure[None], "what is no number was sent"
        for pair in sure.keys() - {None}:
            seen = accepted[pair]
            assert sure[pair] <= seen, f"{pair} counts as sent, and is not in the ledger"
            most = min(sure[pair] + maybe[pair], job.asked[pair] or len(job.pairs))
            assert seen <= most, f"{pair} was accepted {seen} times, and {most} is the most"
        assert accepted.keys() <= sure.keys(), "accepted without being asked for"
        assert progress.sent <= accepted.total() <= progress.sent + progress.unknown

    def _check_nothing_twice(self, job: Job, start: Counter[tuple[str, str]]) -> None:
        for pair, count in (self.gateway.ledger - start).items():
            assert count <= job.asked[pair], f"{pair} was sent {count} times"

    def _check_rate(self) -> None:
        arrivals = self.gateway.arrivals
        for first, late in zip(arrivals, arrivals[self.rate.limit :], strict=False):
            assert late - first >= self.rate.per, "over the limit"


_NO_NOTES: Final = _Notes(random.Random(0), None)
_ACCEPTED: Final = {Status.SENT: 1, Status.REJECTED: 0, Status.NOT_SENT: 0, Status.UNKNOWN: 0}


def _stream_of(sms: _Client, job: Job, options: dict[str, Any]) -> Bulk:
    source: Any = job.source()
    if isinstance(job.items[0], Message):
        return sms.stream_messages(source, **options)
    return sms.stream_many(source, "Text 0", **options)


async def _report_of(sms: _Client, job: Job, options: dict[str, Any]) -> None:
    source: Any = job.source()
    if isinstance(job.items[0], Message):
        await sms.send_messages(source, **options)
    else:
        await sms.send_many(source, "Text 0", **options)


async def _leave(bulk: Bulk, cut: str) -> None:
    if cut == "raise":
        raise _Left
    if cut == "hurry":
        await bulk.finish()


def _status_of(notes: list[str]) -> Status:
    """Read what a cancelled send says about its message."""
    said = " ".join(notes)
    if "in flight" in said:
        return Status.UNKNOWN
    return next(
        (s for s in Status if f"was {s.value.replace('_', ' ')} by" in said), Status.NOT_SENT
    )
