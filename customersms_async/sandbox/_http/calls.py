"""
The HTTP calls: each takes parameters and returns what JSON shows.

Rule of this module: calls that only read come first, then those that change something.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from typing import Final, TypeVar

from .._gateway.mailboxes import MessageQuery, SandboxMessage
from .._gateway.masking import masked
from .._gateway.rate_rules import RULE_NAMES
from . import views
from .parameters import NotFound, Parameters
from .service import SandboxService
from .views import Shown

__all__ = [
    "FATES",
    "LONGEST",
    "MOST",
    "PATIENCE",
    "USUAL",
    "advance",
    "clear",
    "clear_faults",
    "close_account",
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
    "set_credits",
    "set_faults",
    "set_limit",
    "status",
    "the_time",
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

#: The fates of a request, as named by `views.fate`.
FATES: Final = ("answered", "refused", "failed", "lost")


def key_of(service: SandboxService, given: Parameters) -> str | None:
    """Find the key of a call, among accounts and rejected keys."""
    handler = service.handler
    return given.key([*handler.gateway.credits, *handler.mailboxes.by_key])


def status(service: SandboxService, _given: Parameters) -> Shown:
    """Return an overview."""
    handler, now = service.handler, service.clock.now()
    strangers = [key for key in handler.mailboxes.by_key if key not in handler.gateway.credits]
    keys = islice([*handler.gateway.credits, *strangers], _ACCOUNTS)
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
    message_id = given.needed("id")
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
            service.missed(query, seconds).partition("\n")[0],
            views.messages(service.handler.mailboxes, service.newest(query.key)),
        )
    return views.message(service.handler.mailboxes, found)


def last_code(service: SandboxService, given: Parameters) -> Shown:
    """Return the newest code sent to a number."""
    key, phone = key_of(service, given), given.needed("phone")
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
    fitting = (row for row in rows if not words or _speaks_of(row, words))
    count, skip = given.count("limit", USUAL, MOST), given.count("page", 1, MOST) - 1
    found = list(islice(fitting, skip * count, (skip + 1) * count + 1))
    return {
        "conversations": [views.conversation(mailboxes, row) for row in found[:count]],
        "has_more": len(found) > count,
        "total": sum(map(len, boxes)),
    }


def _newest_first(by_phone: dict[str, list[SandboxMessage]]) -> Iterator[list[SandboxMessage]]:
    return reversed(by_phone.values())


def _speaks_of(row: list[SandboxMessage], words: str) -> bool:
    return words in row[0].phone or any(words in message.text for message in row)


def requests(service: SandboxService, given: Parameters) -> Shown:
    """List requests, oldest first: the first after one, else the newest."""
    mailbox = service.handler.mailboxes.of(key_of(service, given))
    fate, fault = given.one_of("fate", FATES), given.text("fault")
    after, before = given.number("after") or 0, given.number("before")
    new = takewhile(lambda request: request.id > after, reversed(mailbox.requests))
    fitting = (
        request
        for request in new
        if (before is None or request.id < before)
        and (fault is None or request.fault == fault)
        and (fate is None or views.fate(request) == fate)
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


def the_time(service: SandboxService, _given: Parameters) -> Shown:
    """Show the clock."""
    return views.clock(service.clock)


def credits_left(service: SandboxService, given: Parameters) -> Shown:
    """Show the credits of an account."""
    given.needed("key")
    key = key_of(service, given) or ""
    return {"account": masked(key), "credits": service.handler.gateway.credits.get(key)}


def usage(service: SandboxService, given: Parameters) -> Shown:
    """Show an account's use of its limit."""
    given.needed("key")
    return views.account(service.handler, key_of(service, given) or "", service.clock.now())


def limit(service: SandboxService, given: Parameters) -> Shown:
    """Show a limit."""
    key = key_of(service, given)
    return views.limit(service.handler.limits.limit_of(key), key)


def clear(service: SandboxService, given: Parameters) -> Shown:
    """Forget messages, requests and scripts."""
    service.clear(key_of(service, given))
    return status(service, given)


def set_faults(service: SandboxService, given: Parameters) -> Shown:
    """Set the faults of one account or of all."""
    key = key_of(service, given)
    settings = {name: value for name, value in given.values.items() if name != "key"}
    service.set_faults(settings, key)
    return views.faults(service.handler.faults, key)


def clear_faults(service: SandboxService, given: Parameters) -> Shown:
    """Switch all faults off."""
    key = key_of(service, given)
    service.clear_faults(key)
    return views.faults(service.handler.faults, key)


def advance(service: SandboxService, given: Parameters) -> Shown:
    """Move the clock forward."""
    service.advance(given.values.get("advance"))
    return views.clock(service.clock)


def set_credits(service: SandboxService, given: Parameters) -> Shown:
    """Set the credits of an account; a new key opens one."""
    given.needed("key")
    key = given.needed("key") if _is_new(service, given) else key_of(service, given) or ""
    service.set_credits(key, _whole(given.values.get("credits")))
    return views.account(service.handler, key, service.clock.now())


def close_account(service: SandboxService, given: Parameters) -> Shown:
    """Delete an account with everything that belongs to it."""
    given.needed("key")
    service.close_account(key_of(service, given) or "")
    return status(service, given)


def set_limit(service: SandboxService, given: Parameters) -> Shown:
    """Limit the requests of one account, or of every account without its own limit."""
    key = key_of(service, given)
    settings = {name: value for name, value in given.values.items() if name != "key"}
    return views.limit(service.set_limit(settings, key), key)


def _is_new(service: SandboxService, given: Parameters) -> bool:
    """Return whether a key is new; a masked name that matches no account is an error."""
    try:
        key_of(service, given)
    except NotFound:
        if "…" in given.needed("key"):
            raise
        return True
    return False


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    msg = f"credits must be a whole number of at least 0, not {value!r}"
    raise ValueError(msg)


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
