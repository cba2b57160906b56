"""
The fates of a run, merged: counts always, and either columns for a report or outcomes to hand over.

Rule: every number that is taken from the input is entered once (`read`) and decided once
(`read` for what was refused, `decide` for the rest).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import repeat

from .. import codes
from .._columns import Columns
from .._delivery.result import DeliveryResult
from .._ports.journal import Batch
from .._status import Status, Verdict
from ..outcomes import Outcome, is_safe_to_resend, request_name
from .reader import Chunk

__all__ = ["ResultCollector"]


class ResultCollector:
    """
    What is known of a run.

    Args:
        name: The few letters that begin the name of every attempt.

        columns: Where the outcomes of a report go; None hands them over as they come.
    """

    def __init__(self, name: str, columns: Columns | None) -> None:
        self._name = name
        self._columns = columns
        self.is_handing_over = columns is None
        self.ready: deque[Outcome] = deque()
        self.fates: Counter[Status] = Counter()
        self.duplicates = 0
        self.read_count = 0

    def read(self, chunk: Chunk) -> None:
        """Enter what was read, and decide what was refused."""
        self.read_count += len(chunk.numbers)
        if self._columns is not None:
            self._columns.extend(chunk.numbers)
            for index, ref in chunk.refs:
                self._columns.keep_ref(index, ref)
        refs = dict(chunk.refs) if self.is_handing_over and chunk.refs else {}
        for index, given, verdict in chunk.refused:
            self._refuse(index, given, verdict, refs.get(index))

    def decide(self, batch: Batch, delivered: DeliveryResult) -> None:
        """Enter the fates of a batch."""
        if delivered.whole is not None:  # a `Counter` costs more than all the rest of it
            self.fates[delivered.whole.status] += len(batch.phones)
        else:
            self.fates.update(delivered.fates(len(batch.phones)))
        if self._columns is not None:
            self._columns.decide(
                batch.indexes, delivered.verdicts, delivered.message_ids, delivered.request
            )
            if batch.is_personal:
                self._columns.keep_text(_to_resend(batch, delivered), batch.text)
        elif self.is_handing_over:
            self.ready.extend(self.outcomes(batch, delivered))

    def outcomes(self, batch: Batch, delivered: DeliveryResult) -> Iterator[Outcome]:
        """Put the outcomes of a batch together."""
        request = request_name(self._name, delivered.request)
        for index, phone, verdict, message_id, ref in zip(
            batch.indexes,
            batch.phones,
            _each(delivered.verdicts),
            delivered.message_ids or repeat(None),
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
        """Hand over nothing more: from now on only counts are kept."""
        self.is_handing_over = False
        self.ready.clear()

    def _refuse(self, index: int, given: str, verdict: Verdict, ref: object) -> None:
        self.fates[verdict.status] += 1
        self.duplicates += verdict.code == codes.DUPLICATE
        if self._columns is not None:
            if verdict.code != codes.DUPLICATE:
                self._columns.keep_given(index, given)
            self._columns.decide((index,), verdict)
        elif self.is_handing_over:
            self.ready.append(
                Outcome(index, given, verdict.status, None, verdict.code, verdict.detail, ref)
            )


def _each(verdicts: Verdict | Sequence[Verdict]) -> Iterator[Verdict] | Sequence[Verdict]:
    return repeat(verdicts) if isinstance(verdicts, Verdict) else verdicts


def _to_resend(batch: Batch, delivered: DeliveryResult) -> Sequence[int]:
    """Give the indexes of what was not sent and may be sent again, for which the text is kept."""
    if delivered.whole is not None:
        return batch.indexes if is_safe_to_resend(delivered.whole) else ()
    fates = zip(batch.indexes, _each(delivered.verdicts), strict=False)
    return [index for index, verdict in fates if is_safe_to_resend(verdict)]
