"""Calls of the tests that attack a store."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async._ports.store import BACK_OFF, StoreAway


async def write(store, value, account="a"):
    """Replace the value, and return what the store then contains."""
    swap = await store.swap(account, await store.read(account), value)
    assert swap.done
    return swap.seen


async def away(call):
    """Return the error of an unavailable store, without leaving a back-off."""
    with pytest.raises(StoreAway) as caught:
        await call
    await asyncio.sleep(BACK_OFF + 0.05)
    return str(caught.value)
