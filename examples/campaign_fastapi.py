"""
An order and its message in one transaction, sent by the application itself, with FastAPI.

    uvicorn examples.campaign_fastapi:app --workers 2

The message exists if and only if the order does. `outbox.worker` sends it as soon as it is
committed, in any of the processes; if a process dies, another one sends what it had queued. Key and
endpoint come from CUSTOMERSMS_API_KEY and CUSTOMERSMS_ENDPOINT.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from customersms_async import CustomerSMS, InvalidPhone, Message
from customersms_async.outbox import Outbox, enqueue

DATABASE = "shop.db"


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
    """Create the tables, and send enqueued messages while the application runs."""
    async with Outbox(DATABASE) as outbox, CustomerSMS(limiter=outbox.limiter) as sms:
        with contextlib.closing(sqlite3.connect(DATABASE)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)")
        async with outbox.worker(sms):
            yield


class Order(BaseModel):
    """An order, and the phone of its customer."""

    id: int
    phone: str


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
def place(order: Order) -> dict[str, bool]:
    """Write the order and its message, or neither."""
    with contextlib.closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("INSERT OR IGNORE INTO orders (id) VALUES (?)", (order.id,))
        message = Message(order.phone, "Your order is on its way", ref=f"order-{order.id}")
        try:
            return {"is_new": enqueue(connection, message)}
        except InvalidPhone as error:  # the order is rolled back with it
            raise HTTPException(422, error.reason) from None
