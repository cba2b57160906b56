"""The same work with SQLAlchemy's async core: a batch row, message rows, one engine."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

META = sa.MetaData()
BATCH = sa.Table(
    "peer_batch",
    META,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("state", sa.Text),
    sa.Column("token", sa.Text),
    sa.Column("text", sa.Text),
)
MESSAGE = sa.Table(
    "peer_message",
    META,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("batch", sa.BigInteger, index=True),
    sa.Column("phone", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("message_id", sa.Text),
)
SIZE = 100


@frozen
class Peer:
    """
    The results.

    Attributes:
        rows: Rows inserted per second.
        cpu: Microseconds of the server's CPU per settled number; None without a server.
        cpu_all: The same of this process and of the server.
    """

    rows: float
    cpu: float | None
    cpu_all: float


async def measure_alchemy(url: str, numbers: int, server: Callable[[], float]) -> Peer:
    """Insert numbers, and settle all of them."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(META.create_all)
    began_at = time.perf_counter()
    await _add(engine, numbers)
    rows, used, here = numbers / (time.perf_counter() - began_at), server(), time.process_time()
    for batch in range(numbers // SIZE):
        await _settle(engine, batch + 1)
    used, here = server() - used, time.process_time() - here
    await engine.dispose()
    return Peer(rows, used / numbers * 1e6 or None, (here + used) / numbers * 1e6)


async def _add(engine: AsyncEngine, numbers: int) -> None:
    for at in range(0, numbers, 5000):
        lines = range(at, min(at + 5000, numbers))
        async with engine.begin() as connection:
            batches = sorted({n // SIZE + 1 for n in lines})
            await connection.execute(
                BATCH.insert(), [{"id": b, "state": "queued", "text": "hi"} for b in batches]
            )
            await connection.execute(
                MESSAGE.insert(),
                [{"batch": n // SIZE + 1, "phone": f"+1{2_000_000_000 + n}"} for n in lines],
            )


async def _settle(engine: AsyncEngine, batch: int) -> None:
    async with engine.begin() as connection:
        claimed = BATCH.update().where(BATCH.c.id == batch, BATCH.c.state == "queued")
        await connection.execute(claimed.values(state="claimed", token="t"))
        found = await connection.execute(
            sa.select(MESSAGE.c.id, MESSAGE.c.phone).where(MESSAGE.c.batch == batch)
        )
        ids = [row.id for row in found]
    async with engine.begin() as connection:
        fence = BATCH.update().where(BATCH.c.id == batch, BATCH.c.state == "claimed")
        await connection.execute(fence.values(state="sending"))
    async with engine.begin() as connection:
        settled = MESSAGE.update().where(MESSAGE.c.id == sa.bindparam("row"))
        values = {"status": "sent", "message_id": sa.bindparam("mid")}
        await connection.execute(
            settled.values(values), [{"row": row, "mid": f"msg_{row:06}"} for row in ids]
        )
        done = BATCH.update().where(BATCH.c.id == batch)
        await connection.execute(done.values(state="done"))
