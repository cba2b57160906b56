"""
The merged fates of a run: always counts, and either columns for a report or outcomes to yield.

Rules of this module:

1. Every number that is taken from the input is recorded once (`read`) and decided once
   (`read` for what was refused, `decide` for the rest).
2. What may have been sent is yielded, kept in the columns, or kept as left over; it is never
   dropped, unless the caller asked for counts only.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from .. import codes
from .._delivery.result import DeliveryResult
from .._ports.journal import Batch
from .._values.attempt_ids import request_name
from .._values.columns import Columns
from .._values.resending import is_safe_to_resend
from .._values.status import Status, Verdict
from ..outcomes import Outcome
from .reader import Chunk, RefusedInput

__all__ = ["OutcomeMode", "ResultCollector"]


class OutcomeMode(enum.Enum):
    """
    Where the outcomes go.

    Attributes:
        REPORT: To the columns of a report.
        CALLER: To the caller, as soon as each is known.
        NOBODY: Only counts are kept.
        LEFTOVERS: The caller has left: what may have been sent is kept for it.
    """

    REPORT = "report"
    CALLER = "caller"
    NOBODY = "nobody"
    LEFTOVERS = "leftovers"


class ResultCollector:
    """
    The results of a run.

    Args:
        name: The prefix of the ids of all attempts.

        columns: Where the outcomes of a report go; None yields them as they arrive.

    Attributes:
        mode: Where the outcomes go.
        ready: Outcomes that wait for the caller.
        leftovers: Outcomes of what may have been sent that the caller has not taken.
        fates: The count of each fate.
        duplicates: Numbers that appeared earlier in the run.
        skipped: Numbers left out by the caller's ``skip``.
        read_count: Numbers that were read.
    """

    def __init__(self, name: str, columns: Columns | None) -> None:
        self._name = name
        self._columns = columns
        self.mode: OutcomeMode = OutcomeMode.CALLER if columns is None else OutcomeMode.REPORT
        self.ready: deque[Outcome] = deque()
        self.leftovers: list[Outcome] = []
        self.fates: Counter[Status] = Counter()
        self.duplicates: int = 0
        self.skipped: int = 0
        self.read_count: int = 0

    @property
    def is_handing_over(self) -> bool:
        """Whether outcomes are yielded to the caller."""
        return self.mode is OutcomeMode.CALLER

    @property
    def decided(self) -> int:
        """How many numbers have a fate."""
        return sum(self.fates.values())

    def read(self, chunk: Chunk) -> list[Outcome]:
        """Record what was read, and decide what was refused; return the outcomes of the latter."""
        self.read_count += len(chunk.numbers)
        if self._columns is not None:
            self._columns.extend(chunk.numbers)
            for index, ref in chunk.refs:
                self._columns.keep_ref(index, ref)
        if not chunk.refused:
            return []
        refs = dict(chunk.refs)
        refused = [_refused(refusal, refs.get(refusal.index)) for refusal in chunk.refused]
        for outcome, refusal in zip(refused, chunk.refused, strict=True):
            self._refuse(outcome, refusal.verdict)
        return refused

    def decide(self, batch: Batch, result: DeliveryResult) -> None:
        """Record the fates of a batch."""
        if result.whole is not None:  # a `Counter` costs more than all the rest of it
            self.fates[result.whole.status] += len(batch.phones)
        else:
            self.fates.update(result.fates(len(batch.phones)))
        if self._columns is not None:
            self._columns.decide(batch.indexes, result.verdicts, result.message_ids, result.request)
            if batch.is_personal:
                self._columns.keep_text(_to_resend(batch, result), batch.text)
        elif self.mode is not OutcomeMode.NOBODY:
            self._hand_over(self.outcomes(batch, result))

    def outcomes(self, batch: Batch, result: DeliveryResult) -> Iterator[Outcome]:
        """Build the outcomes of a batch."""
        request = request_name(self._name, result.request)
        for index, phone, verdict, message_id, ref in zip(
            batch.indexes,
            batch.phones,
            _each(result.verdicts),
            result.message_ids or repeat(None),
            batch.refs or repeat(None),
            strict=False,
        ):
            yield Outcome(
                index=index,
                phone=phone,
                status=verdict.status,
                message_id=message_id,
                code=verdict.code,
                detail=verdict.detail,
                ref=ref,
                request=request,
                text=batch.text if batch.is_personal and is_safe_to_resend(verdict) else None,
            )

    def discard(self) -> None:
        """Yield nothing more: from now on only counts are kept."""
        if self.is_handing_over:
            self.mode = OutcomeMode.NOBODY
        self.ready.clear()

    def leave(self) -> None:
        """The caller has left: keep what may have been sent and was not yielded."""
        if self.mode is not OutcomeMode.REPORT:
            self.mode = OutcomeMode.LEFTOVERS
        self._hand_over([self.ready.popleft() for _ in range(len(self.ready))])

    def _hand_over(self, outcomes: Iterable[Outcome]) -> None:
        if self.is_handing_over:
            self.ready.extend(outcomes)
        elif self.mode is OutcomeMode.LEFTOVERS:
            self.leftovers += [o for o in outcomes if o.status is not Status.NOT_SENT]

    def _refuse(self, outcome: Outcome, verdict: Verdict) -> None:
        self.fates[outcome.status] += 1
        self.duplicates += outcome.code == codes.DUPLICATE
        self.skipped += outcome.code == codes.SKIPPED
        if self._columns is None:
            self._hand_over((outcome,))
            return
        index, first = outcome.index, outcome.duplicate_of
        self._columns.decide((index,), verdict)
        if outcome.code in codes.REFUSED_AS_INPUT:  # it may not be a number: kept as given
            self._columns.keep_given(index, outcome.phone)
        if first is not None:
            self._columns.keep_double(index, first)


def _refused(refusal: RefusedInput, ref: object) -> Outcome:
    verdict = refusal.verdict
    return Outcome(
        index=refusal.index,
        phone=refusal.given,
        status=verdict.status,
        code=verdict.code,
        detail=verdict.detail,
        ref=ref,
        duplicate_of=refusal.duplicate_of,
    )


def _each(verdicts: Verdict | Sequence[Verdict]) -> Iterator[Verdict] | Sequence[Verdict]:
    return repeat(verdicts) if isinstance(verdicts, Verdict) else verdicts


def _to_resend(batch: Batch, result: DeliveryResult) -> Sequence[int]:
    """Return the indexes of what is safe to send again, for which the text is kept."""
    if result.whole is not None:
        return batch.indexes if is_safe_to_resend(result.whole) else ()
    fates = zip(batch.indexes, _each(result.verdicts), strict=False)
    return [index for index, verdict in fates if is_safe_to_resend(verdict)]
