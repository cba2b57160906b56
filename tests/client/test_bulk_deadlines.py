"""Deadlines: when a run stops waiting."""

from __future__ import annotations

import asyncio

import pytest

from customersms_async._bulk.deadlines import Deadlines

pytestmark = pytest.mark.virtual_time


async def test_a_deadline_after_the_last_wait():
    """A deadline that is set after the last wait still calls its callback."""
    deadlines = Deadlines()
    called: list[str] = []
    await deadlines.within(lambda: asyncio.sleep(0.1))
    deadlines.end_by(0.5, lambda: called.append("end"))
    await asyncio.sleep(1)

    assert ["end"] == called


async def test_a_deadline_during_a_wait():
    """A deadline that is set during a wait cuts it short."""
    deadlines = Deadlines()
    began_at = asyncio.get_running_loop().time()
    asyncio.get_running_loop().call_later(0.1, deadlines.end_by, 0.2, lambda: None)
    await deadlines.within(lambda: asyncio.sleep(60))

    assert pytest.approx(0.3, abs=0.01) == asyncio.get_running_loop().time() - began_at
