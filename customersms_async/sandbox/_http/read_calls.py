"""The HTTP calls that only read: each takes parameters and returns what JSON shows."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from typing import Final, TypeVar

from .._gateway.masking import mask_key
from .._gateway.message_query import MessageQuery
from .._gateway.rate_rules import RULE_NAMES
from .._gateway.records import SandboxMessage
from .._gateway.request_fate import RequestFate, fate_of
from . import views
from .parameters import NotFound, Parameters
from .service import SandboxService
from .views import Shown

__all__ = [
    "LONGEST",
    "MOST",
    "PATIENCE",
    "USUAL",
    "clock",
    "conversations",
    "credits_left",
    "duplicates",
    "faults",
    "key_of",
    "last_code",
    "limit",
    "message",
    "messages",
    "request",
    "requests",
    "status",
    "usage",
    "wait",
]

_T = TypeVar("_T")

#: Entries of a list: by default, and at most.
USUAL, MOST = 100, 10_000

#: Seconds of a long poll: by default, and at most.
PATIENCE, LONGEST = 10.0, 60.0

#: Accounts that the overview lists.
_ACCOUNTS: Final = 200


def key_of(service: SandboxService, given: Parameters) -> str | None:
    """Find the key of a call, among accounts and rejected keys."""
    handler = service.handler
    return given.key([*handler.accounts.credits, *handler.mailboxes.by_key])


def status(service: SandboxService, _given: Parameters) -> Shown:
    """Return an overview."""
    handler, now = service.handler, service.clock.now()
    strangers = [key for key in handler.mailboxes.by_key if key not in handler.accounts.credits]
    keys = islice([*handler.accounts.credits, *strangers], _ACCOUNTS)
    return {
        "accounts": [views.account(handler, key, now) for key in keys],
        "messages": len(handler.mailboxes.messages),
        "requests": len(handler.mailboxes.requests),
        "keep": handler.mailboxes.keep,
        "clock": views.clock(service.clock),
        "faults": views.faults(handler.faults, None),
        "limit": views.limit(handler.limits.common, None),
        "rules": list(RULE_NAMES),
        "event": service.events.id_of(service.events.newest),
    }


def messages(service: SandboxService, given: Parameters) -> Shown:
    """List messages, oldest first: the first after one, else the newest."""
    query = given.query(key_of(service, given))
    mailboxes, before = service.handler.mailboxes, given.number("before")
    found = (m for m in mailboxes.find_newest(query) if before is None or m.number < before)
    page, has_more = _page(found, given, from_oldest="after" in given.values)
    total = len(mailboxes.of(query.key).to(query.phone))
    return {
        "messages": views.messages(mailboxes, page),
        "has_more": has_more,
        "total": total,
    }


def message(service: SandboxService, given: Parameters) -> Shown:
    """Return one message."""
    message_id = given.required("id")
    found = service.handler.mailboxes.message(message_id)
    if found is None:
        msg = f"there is no message {message_id!r}, or it has been forgotten"
        raise NotFound(msg)
    return views.message(service.handler.mailboxes, found)


async def wait(service: SandboxService, given: Parameters, closing: asyncio.Future[None]) -> Shown:
    """Wait for a message."""
    query = given.query(key_of(service, given))
    seconds = given.seconds("timeout", PATIENCE, LONGEST)
    found = await service.wait(query, seconds, closing)
    if found is None:
        raise NotFound(
            service.describe_miss(query, seconds).partition("\n")[0],
            views.messages(service.handler.mailboxes, service.newest(query.key)),
        )
    return views.message(service.handler.mailboxes, found)


def last_code(service: SandboxService, given: Parameters) -> Shown:
    """Return the newest code sent to a number."""
    key, phone = key_of(service, given), given.required("phone")
    code = service.handler.mailboxes.last_code(phone, key)
    if code is None:
        msg = f"no message to {MessageQuery(phone).phone} has a code of 4 to 8 digits"
        raise NotFound(msg, views.messages(service.handler.mailboxes, service.newest(key)))
    return {"phone": MessageQuery(phone).phone, "code": code}


def duplicates(service: SandboxService, given: Parameters) -> Shown:
    """List messages whose number and text were accepted before."""
    mailboxes = service.handler.mailboxes
    found = mailboxes.duplicates(key_of(service, given))
    page, has_more = _page(reversed(found), given, from_oldest=False)
    return {"messages": views.messages(mailboxes, page), "has_more": has_more, "total": len(found)}


def conversations(service: SandboxService, given: Parameters) -> Shown:
    """List numbers with their newest message, most recent first."""
    key, words = key_of(service, given), given.text("contains")
    mailboxes = service.handler.mailboxes
    keys = mailboxes.by_key if key is None else [key]
    boxes = [mailboxes.by_key[one].by_phone for one in keys if one in mailboxes.by_key]
    rows = heapq.merge(*map(_newest_first, boxes), key=lambda row: -row[-1].number)
    fitting = (row for row in rows if not words or _contains(row, words))
    count, skip = given.count("limit", USUAL, MOST), given.count("page", 1, MOST) - 1
    found = list(islice(fitting, skip * count, (skip + 1) * count + 1))
    return {
        "conversations": [views.conversation(mailboxes, row) for row in found[:count]],
        "has_more": len(found) > count,
        "total": sum(map(len, boxes)),
    }


def _newest_first(by_phone: dict[str, list[SandboxMessage]]) -> Iterator[list[SandboxMessage]]:
    return reversed(by_phone.values())


def _contains(row: list[SandboxMessage], words: str) -> bool:
    return words in row[0].phone or any(words in message.text for message in row)


def requests(service: SandboxService, given: Parameters) -> Shown:
    """List requests, oldest first: the first after one, else the newest."""
    mailbox = service.handler.mailboxes.of(key_of(service, given))
    fate, fault = given.one_of("fate", RequestFate), given.text("fault")
    after, before = given.number("after") or 0, given.number("before")
    new = takewhile(lambda request: request.id > after, reversed(mailbox.requests))
    fitting = (
        request
        for request in new
        if (before is None or request.id < before)
        and (fault is None or request.fault == fault)
        and (fate is None or fate_of(request) == fate)
    )
    page, has_more = _page(fitting, given, from_oldest="after" in given.values)
    return {
        "requests": [views.request(one, service.transcripts.took(one.id)) for one in page],
        "has_more": has_more,
        "total": len(mailbox.requests),
    }


def request(service: SandboxService, given: Parameters) -> Shown:
    """Return one request with its raw request and answer."""
    number = given.count("id", 0, 10**12)
    found = service.handler.mailboxes.request(number)
    if found is None:
        msg = f"there is no request {number}, or it has been forgotten"
        raise NotFound(msg)
    return views.transcript(
        found, service.transcripts.get(number), service.transcripts.took(number)
    )


def faults(service: SandboxService, given: Parameters) -> Shown:
    """Show the faults that are set and the catalogue of all."""
    shown = views.faults(service.handler.faults, key_of(service, given))
    return shown | {"catalogue": views.catalogue()}


def clock(service: SandboxService, _given: Parameters) -> Shown:
    """Show the clock."""
    return views.clock(service.clock)


def credits_left(service: SandboxService, given: Parameters) -> Shown:
    """Show the credits of an account."""
    given.required("key")
    key = key_of(service, given) or ""
    return {"account": mask_key(key), "credits": service.handler.accounts.credits.get(key)}


def usage(service: SandboxService, given: Parameters) -> Shown:
    """Show an account's use of its limit."""
    given.required("key")
    return views.account(service.handler, key_of(service, given) or "", service.clock.now())


def limit(service: SandboxService, given: Parameters) -> Shown:
    """Show a limit."""
    key = key_of(service, given)
    return views.limit(service.handler.limits.limit_of(key), key)


def _page(
    newest_first: Iterable[_T], given: Parameters, *, from_oldest: bool
) -> tuple[list[_T], bool]:
    """Return a page, oldest entry first, and whether there is more."""
    count = given.count("limit", USUAL, MOST)
    if from_oldest:
        entries = list(newest_first)[::-1]
        return entries[:count], len(entries) > count
    entries = list(islice(newest_first, count + 1))
    return entries[:count][::-1], len(entries) > count
