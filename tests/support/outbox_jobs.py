"""Shortcuts for the jobs of the outbox in tests."""

from __future__ import annotations

from customersms_async import Status
from customersms_async.outbox._core import add as _add
from customersms_async.outbox._core import campaigns as _campaigns
from customersms_async.outbox._core import claim as _claim
from customersms_async.outbox._core import fence as _fence
from customersms_async.outbox._core import lines as _lines
from customersms_async.outbox._core import settle as _settle
from customersms_async.outbox._core.rows import Row, content_of

NOW = 1_800_000_000.0


def make_rows(count, *, first=0, text="hi", personal=False):
    """Make rows with refs ``row-0`` and so on."""
    rows = []
    for number in range(first, first + count):
        phone, said = f"+1212{number:07}", f"{text} {number}" if personal else text
        rows.append(Row(f"row-{number}", phone, said, content=content_of(phone, said)))
    return rows


class Steps:
    """One worker of one campaign, one job at a time."""

    def __init__(self, engine, name="parents", token="w1"):
        self.engine = engine
        self.name = name
        self.token = token
        self.id = 0
        self._is_registered = False

    async def open(self):
        await self.engine.open()
        self.id = await self.engine.run(_campaigns.find(self.name, NOW))
        return self

    async def add(self, rows, open_batches=None):
        open_batches = open_batches or _add.OpenBatches()
        return await self.engine.run(_add.add(self.id, rows, open_batches))

    async def register(self, lease=30.0, process=""):
        self._is_registered = True
        await self.engine.run(_claim.register(self.id, self.token, lease, process))

    async def claim(self, after=0, wall=NOW, **options):
        return next(iter(await self.claim_several(1, after, wall, **options)), None)

    async def claim_several(self, requests, after=0, wall=NOW, **options):
        if not self._is_registered:
            await self.register()
        options |= {"after": after, "wall": wall, "requests": requests}
        return await self.engine.run(_claim.claim(self.id, self.token, **options))

    async def fence(self, claim, budget=None):
        wish = _fence.Fence(
            campaign=self.id,
            token=claim.token,
            batches=claim.batches,
            size=len(claim.phones),
            request="abc-1",
            wall=NOW,
            over_at=NOW + 60,
            credits=1000,
            budget=budget,
        )
        return await self.engine.run(_fence.fence(wish))

    async def settle(
        self, claim, status=Status.SENT, code=None, back=(), *, credits_left=None, is_recent=True
    ):
        fates = [
            _settle.Fate(row_id, status, code, None, f"m{row_id}", row_id in back)
            for row_id in claim.messages
        ]
        told = _settle.Settlement(
            campaign=self.id,
            token=claim.token,
            batches=claim.batches,
            fates=fates,
            wall=NOW + 1,
            credits=credits_left,
            is_recent=is_recent,
            others=0,
            is_alone=True,
        )
        return await self.engine.run(_settle.settle(told))

    async def turn_away(self, claim):
        await self.engine.run(_settle.turn_away(self.id, claim.token, claim.batches, NOW))

    async def drop(self, claim):
        await self.engine.run(_settle.drop(self.id, claim.token, claim.batches, NOW))

    async def reap(self):
        return await self.engine.run(_claim.reap(self.id, NOW))

    async def counts(self):
        return await self.engine.run(_campaigns.read_status(self.id))

    async def lines(self, statuses=None):
        return await self.engine.run(_lines.page(self.id, 0, statuses))

    async def states(self):
        return [line.status for line in await self.lines()]
