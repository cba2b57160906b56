"""The plan of a campaign's queued messages, read a page of batches at a time."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from .._plan.bad_row import Refusal
from ..codes import DUPLICATE
from ..outcomes import Message
from ..plan import Plan, Planner
from ._core.engine import Runner
from ._core.job import Job, Query, Record
from ._core.message_states import State

__all__ = ["plan_queued"]

#: Batches in one page: up to 10,000 numbers.
_PAGE: Final = 100

_WAITING: Final = (
    "SELECT b.id, m.id, m.phone, b.text FROM sms_batch b JOIN sms_message m ON m.batch = b.id"
    " WHERE b.campaign = ? AND b.state = ? AND b.state <> 'done' AND b.id IN"
    " (SELECT id FROM sms_batch WHERE campaign = ? AND state = ? AND state <> 'done' AND id > ?"
    " ORDER BY id LIMIT ?) ORDER BY b.id, m.id"
)

_REFUSED: Final = (
    "SELECT code, detail, count(*) FROM sms_message WHERE campaign = ? AND status = ?"
    " GROUP BY code, detail"
)


async def plan_queued(engine: Runner, campaign: int) -> Plan:
    """Read what is queued, and count it."""
    planner, batches, after = Planner(dedupe=False), 0, 0
    while rows := await engine.run(_page(campaign, after)):
        for _, row_id, phone, text in rows:
            planner.add(Message(phone, text, row_id))
        batches += len({row[0] for row in rows})
        after = rows[-1][0]
    doubles = 0
    for code, detail, count in await engine.run(_refused(campaign)):
        if code == DUPLICATE:
            doubles += count
            continue
        for _ in range(count):
            planner.add(Refusal(0, code, detail or ""))
    return evolve(planner.plan(), doubles=doubles, requests=batches)


def _page(campaign: int, after: int) -> Job[list[Record]]:
    state = State.QUEUED
    found = yield Query(_WAITING, (campaign, state, campaign, state, after, _PAGE))
    return list(found)


def _refused(campaign: int) -> Job[list[Record]]:
    return list((yield Query(_REFUSED, (campaign, State.NOT_SENT))))
