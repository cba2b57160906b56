"""A plan, compared with the run that it predicts."""

from __future__ import annotations

import random

import pytest

from customersms_async import Message, Status
from customersms_async.plan import Refusal, plan_messages
from tests.support.client_in_memory import MemoryTransport

pytestmark = pytest.mark.virtual_time


def messy(how_many: int, dice: random.Random) -> list[Message]:
    """Make messages with a few texts, duplicates, and invalid numbers and texts."""
    texts = ["one", "two", "three", "é" * 80, " "]
    numbers = [f"+1212{n:07}" for n in range(how_many // 3)] + ["555", "+1 (212) 000-0001"]
    return [Message(dice.choice(numbers), dice.choice(texts)) for _ in range(how_many)]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("look_ahead", [1, 7, 50, 50_000])
@pytest.mark.parametrize("dedupe", [True, False])
async def test_the_run_is_as_planned(make_client, batch_size, look_ahead, dedupe):
    """Recipients, duplicates, bad rows and requests of a plan equal those of the run."""
    messages = messy(60, random.Random(batch_size + look_ahead))
    options = {"batch_size": batch_size, "look_ahead": look_ahead, "dedupe": dedupe}
    gateway = MemoryTransport()

    plan = plan_messages(messages, **options)
    report = await make_client(gateway).send_messages(messages, **options)

    bad = report.not_sent - report.duplicates
    assert (report.sent, report.duplicates, bad) == (plan.recipients, plan.doubles, plan.bad)
    assert len(gateway.batches) == plan.requests


async def test_refusals_of_a_list(make_client):
    """A row that `read` refused is an outcome with its reason, and not safe to resend."""
    rows = [
        Message("+12125551234", "Hi", "row-2"),
        Refusal(3, "EMPTY_CELL", "has nothing under 'name'", "+13235554567"),
        Refusal(4, "SKIPPED", "is on the opt-out list", "+442071838750"),
    ]
    report = await make_client(MemoryTransport()).send_messages(rows)

    assert [
        ("row-2", Status.SENT, None, None),
        ("row-3", Status.NOT_SENT, "EMPTY_CELL", "has nothing under 'name'"),
        ("row-4", Status.NOT_SENT, "SKIPPED", "is on the opt-out list"),
    ] == [(o.ref, o.status, o.code, o.detail) for o in report]
    assert ["+13235554567", "+442071838750"] == [o.phone for o in report][1:]
    assert [] == report.safe_to_resend()
