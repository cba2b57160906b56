"""Calls that read: each takes parameters and gives what JSON shows."""

import asyncio
import heapq
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from typing import TypeVar

from .._gateway.mailboxes import Query, SandboxMessage
from .._gateway.masking import masked
from .._gateway.rate_rules import RULE_NAMES
from . import views as _views
from .parameters import NotFound, Parameters
from .service import SandboxService
from .views import Shown

__all__ = [
    "FATES",
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
    "the_time",
    "usage",
    "wait",
]

_T = TypeVar("_T")

#: Entries of a list, where nobody says otherwise and at most.
USUAL, MOST = 100, 10_000

#: Seconds of a long poll, where nobody says otherwise and at most.
PATIENCE, LONGEST = 10.0, 60.0

#: Accounts that the overview lists.
ACCOUNTS = 200

#: What a sender knows of a request, and what is true.
FATES = ("answered", "refused", "failed", "lost")


def key_of(control: SandboxService, given: Parameters) -> str | None:
    """Find the key that is meant, among the accounts and those who only tried."""
    exchange = control.exchange
    return given.key([*exchange.gateway.credits, *exchange.ledger.mailboxes])


def status(control: SandboxService, _given: Parameters) -> Shown:
    """Give an overview."""
    exchange, now = control.exchange, control.clock.now()
    strangers = [key for key in exchange.ledger.mailboxes if key not in exchange.gateway.credits]
    keys = islice([*exchange.gateway.credits, *strangers], ACCOUNTS)
    return {
        "accounts": [_views.account(exchange, key, now) for key in keys],
        "messages": len(exchange.ledger.messages),
        "requests": len(exchange.ledger.requests),
        "keep": exchange.ledger.keep,
        "clock": _views.clock(control.clock),
        "faults": _views.faults(exchange.faults, None),
        "limit": _views.limit(exchange.limits.common, None),
        "rules": list(RULE_NAMES),
        "event": control.events.id_of(control.events.newest),
    }


def messages(control: SandboxService, given: Parameters) -> Shown:
    """List messages, oldest first: the first after one, else the newest."""
    query = given.query(key_of(control, given))
    ledger, before = control.exchange.ledger, given.number("before")
    found = (m for m in ledger.find_newest(query) if before is None or m.number < before)
    page, has_more = _page(found, given, from_oldest="after" in given.values)
    total = len(ledger.of(query.key).to(query.phone))
    return {
        "messages": _views.messages(ledger, page),
        "has_more": has_more,
        "total": total,
    }


def message(control: SandboxService, given: Parameters) -> Shown:
    """Give one message."""
    message_id = given.needed("id")
    found = control.exchange.ledger.message(message_id)
    if found is None:
        raise NotFound(f"there is no message {message_id!r}, or it has been forgotten")
    return _views.message(control.exchange.ledger, found)


async def wait(
    control: SandboxService, given: Parameters, closing: "asyncio.Future[None]"
) -> Shown:
    """Wait for a message."""
    query = given.query(key_of(control, given))
    seconds = given.seconds("timeout", PATIENCE, LONGEST)
    found = await control.wait(query, seconds, closing)
    if found is None:
        raise NotFound(
            control.missed(query, seconds).partition("\n")[0],
            _views.messages(control.exchange.ledger, control.newest(query.key)),
        )
    return _views.message(control.exchange.ledger, found)


def last_code(control: SandboxService, given: Parameters) -> Shown:
    """Give the newest code to a number."""
    key, phone = key_of(control, given), given.needed("phone")
    code = control.exchange.ledger.last_code(phone, key)
    if code is None:
        raise NotFound(
            f"no message to {Query(phone).phone} has a code of 4 to 8 digits",
            _views.messages(control.exchange.ledger, control.newest(key)),
        )
    return {"phone": Query(phone).phone, "code": code}


def duplicates(control: SandboxService, given: Parameters) -> Shown:
    """List messages whose number and text had been accepted before."""
    ledger = control.exchange.ledger
    found = ledger.duplicates(key_of(control, given))
    page, has_more = _page(reversed(found), given, from_oldest=False)
    return {"messages": _views.messages(ledger, page), "has_more": has_more, "total": len(found)}


def conversations(control: SandboxService, given: Parameters) -> Shown:
    """List numbers with their newest message, the number written to last first."""
    key, words = key_of(control, given), given.text("contains")
    ledger = control.exchange.ledger
    keys = ledger.mailboxes if key is None else [key]
    boxes = [ledger.mailboxes[one].by_phone for one in keys if one in ledger.mailboxes]
    rows = heapq.merge(*map(_newest_first, boxes), key=lambda row: -row[-1].number)
    fitting = (row for row in rows if not words or _speaks_of(row, words))
    count, skip = given.count("limit", USUAL, MOST), given.count("page", 1, MOST) - 1
    found = list(islice(fitting, skip * count, (skip + 1) * count + 1))
    return {
        "conversations": [_views.conversation(ledger, row) for row in found[:count]],
        "has_more": len(found) > count,
        "total": sum(map(len, boxes)),
    }


def _newest_first(by_phone: dict[str, list[SandboxMessage]]) -> Iterator[list[SandboxMessage]]:
    return reversed(by_phone.values())


def _speaks_of(row: list[SandboxMessage], words: str) -> bool:
    return words in row[0].phone or any(words in message.text for message in row)


def requests(control: SandboxService, given: Parameters) -> Shown:
    """List requests, oldest first: the first after one, else the newest."""
    mailbox = control.exchange.ledger.of(key_of(control, given))
    fate, fault = given.one_of("fate", FATES), given.text("fault")
    after, before = given.number("after") or 0, given.number("before")
    new = takewhile(lambda request: request.id > after, reversed(mailbox.requests))
    fitting = (
        request
        for request in new
        if (before is None or request.id < before)
        and (fault is None or request.fault == fault)
        and (fate is None or _views.fate(request) == fate)
    )
    page, has_more = _page(fitting, given, from_oldest="after" in given.values)
    return {
        "requests": [_views.request(one, control.transcripts.took(one.id)) for one in page],
        "has_more": has_more,
        "total": len(mailbox.requests),
    }


def request(control: SandboxService, given: Parameters) -> Shown:
    """Give one request with what went over the wire."""
    number = given.count("id", 0, 10**12)
    found = control.exchange.ledger.request(number)
    if found is None:
        raise NotFound(f"there is no request {number}, or it has been forgotten")
    return _views.transcript(
        found, control.transcripts.get(number), control.transcripts.took(number)
    )


def faults(control: SandboxService, given: Parameters) -> Shown:
    """Show what goes wrong, and what can."""
    shown = _views.faults(control.exchange.faults, key_of(control, given))
    return shown | {"catalogue": _views.catalogue()}


def the_time(control: SandboxService, _given: Parameters) -> Shown:
    """Show the clock."""
    return _views.clock(control.clock)


def credits_left(control: SandboxService, given: Parameters) -> Shown:
    """Show the credits of an account."""
    given.needed("key")
    key = key_of(control, given) or ""
    return {"account": masked(key), "credits": control.exchange.gateway.credits.get(key)}


def usage(control: SandboxService, given: Parameters) -> Shown:
    """Show how an account stands with its limit."""
    given.needed("key")
    return _views.account(control.exchange, key_of(control, given) or "", control.clock.now())


def limit(control: SandboxService, given: Parameters) -> Shown:
    """Show a limit."""
    key = key_of(control, given)
    return _views.limit(control.exchange.limits.limit_of(key), key)


def _page(
    newest_first: Iterable[_T], given: Parameters, *, from_oldest: bool
) -> tuple[list[_T], bool]:
    """Take a page and put its oldest entry first; also say whether there is more."""
    count = given.count("limit", USUAL, MOST)
    if from_oldest:
        entries = list(newest_first)[::-1]
        return entries[:count], len(entries) > count
    entries = list(islice(newest_first, count + 1))
    return entries[:count][::-1], len(entries) > count
