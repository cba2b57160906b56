"""What is asked of a store that is attacked."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async._ports.store import BACK_OFF, StoreAway


async def write(store, value, account="a"):
    """Replace the value, and return what the store then holds."""
    swap = await store.swap(account, await store.read(account), value)
    assert swap.done
    return swap.seen


async def away(call):
    """Give what the error of a store that is away says, without back-off left behind."""
    with pytest.raises(StoreAway) as caught:
        await call
    await asyncio.sleep(BACK_OFF + 0.05)
    return str(caught.value)
