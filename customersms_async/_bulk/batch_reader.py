"""Reads finished batches, which are already checked, sorted and grouped."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import cast

from attrs import evolve

from .._ports.journal import Batch
from ..phones import normalize_phone
from .reader import Chunk, Reader, Skip
from .source import open_source

__all__ = ["BatchReader"]


class BatchReader(Reader):
    """
    Reads batches; each is sent as one request.

    Args:
        batches: Batches whose numbers are in E.164 and whose texts were checked.
    """

    def __init__(self, batches: AsyncIterable[Batch]) -> None:
        source = open_source(batches, "batches")
        super().__init__(source, batch_size=1, dedupe=False, parse=normalize_phone, skip=Skip())

    @property
    def wanted(self) -> int:
        return 1

    @property
    def oldest_at(self) -> float | None:
        return None

    def take(self, now: float) -> Chunk:
        del now  # nothing is held
        batches = cast("list[Batch]", self.source.take())
        chunk = self._begin(sum(len(batch.phones) for batch in batches))
        at = chunk.first
        for batch in batches:
            indexes = range(at, at := at + len(batch.phones))
            chunk.batches.append(evolve(batch, indexes=indexes))
        return chunk

    def flush(self) -> Batch | None:
        return None
