"""
What the sandbox shows over HTTP, as plain objects for JSON.

Rules of this module:

1. A key is always masked.
2. Instants are written in ISO 8601, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from attrs import asdict

from .._gateway.clock import MovableClock, iso_time
from .._gateway.fault_engine import FaultEngine
from .._gateway.fault_settings import KeyFaults
from .._gateway.faults import (
    MAGIC_NUMBERS,
    MEANINGS,
    NOT_CARRIED_OUT,
    RATE_REFUSALS,
    REJECTIONS,
    Fault,
)
from .._gateway.latency import Latency
from .._gateway.login_codes import code_in
from .._gateway.mailboxes import Mailboxes
from .._gateway.masking import mask_key
from .._gateway.rate_budget import KeyLimit
from .._gateway.records import SandboxMessage, SandboxRequest
from .._gateway.request_fate import fate_of
from .._gateway.request_handler import HandledRequest, RequestHandler
from .._gateway.transcripts import Transcript

__all__ = [
    "Shown",
    "account",
    "catalogue",
    "clock",
    "conversation",
    "faults",
    "handled_request",
    "limit",
    "message",
    "messages",
    "request",
    "transcript",
]

#: An object as JSON shows it.
Shown = dict[str, object]

#: How many numbers of a request, and messages of an event, are shown.
_MOST: Final = 100

#: The documented limit, shown beside the usage if no limit is enforced.
_DOCUMENTED: Final = {"limit": 100, "per": 60}


def message(mailboxes: Mailboxes, shown: SandboxMessage) -> Shown:
    """Show a message."""
    return {
        "id": shown.message_id,
        "account": mask_key(shown.key),
        "at": iso_time(shown.at),
        "phone": shown.phone,
        "text": shown.text,
        "code": code_in(shown.text),
        "is_duplicate": mailboxes.is_duplicate(shown),
        "request": shown.request,
    }


def messages(mailboxes: Mailboxes, shown: Iterable[SandboxMessage]) -> list[Shown]:
    """Show messages."""
    return [message(mailboxes, one) for one in shown]


def request(shown: SandboxRequest, took: float | None = None) -> Shown:
    """Show a request with its first `_MOST` numbers; *took* is None until it is answered."""
    return {
        "id": shown.id,
        "account": mask_key(shown.key) if shown.key else None,
        "at": iso_time(shown.at),
        "phones": list(shown.phones[:_MOST]),
        "numbers": len(shown.phones),
        "text": shown.text,
        "accepted": shown.accepted,
        "fate": fate_of(shown),
        "fault": shown.fault,
        "status": shown.status,
        "code": shown.code,
        "answer": shown.ending,
        "took": took,
    }


def transcript(shown: SandboxRequest, words: Transcript | None, took: float | None = None) -> Shown:
    """Show a request with its raw request and answer, if they are still kept."""
    return request(shown, took) | {
        "raw_request": words and words.sent,
        "raw_answer": words and words.answered,
    }


def account(handler: RequestHandler, key: str, now: float) -> Shown:
    """Show an account with its credits and its use of the limit."""
    usage = asdict(handler.limits.usage(key, now))
    return {
        "account": mask_key(key),
        "credits": handler.accounts.credits.get(key),
        "messages": len(handler.mailboxes.of(key).messages),
        "duplicates": handler.mailboxes.count_duplicates(key),
        "usage": usage | {"documented": _DOCUMENTED},
    }


def handled_request(
    handler: RequestHandler, shown: HandledRequest, now: Callable[[], float]
) -> Callable[[], Shown]:
    """Show a request as an event, with its first `_MOST` messages and its account."""
    key, of_request, first = shown.request.key, request(shown.request), shown.messages[:_MOST]
    return lambda: {
        "request": of_request,
        "messages": messages(handler.mailboxes, first),
        "account": account(handler, key, now()) if key in handler.accounts.credits else None,
    }


def conversation(mailboxes: Mailboxes, shown: list[SandboxMessage]) -> Shown:
    """Show a number with its newest message."""
    newest = shown[-1]
    return {
        "phone": newest.phone,
        "account": mask_key(newest.key),
        "messages": len(shown),
        "newest": message(mailboxes, newest),
    }


def limit(shown: KeyLimit, key: str | None) -> Shown:
    """Show a limit, of one account or of all."""
    return {"account": key and mask_key(key), **asdict(shown)}


def clock(shown: MovableClock) -> Shown:
    """Show the clock."""
    return {"now": iso_time(shown.now()), "ahead": shown.ahead}


def faults(engine: FaultEngine, key: str | None) -> Shown:
    """Show the faults of one account, or those set for all."""
    settings = engine.common if key is None else engine.own.get(key, KeyFaults())
    return {
        "account": key and mask_key(key),
        "script": [str(step) for step in settings.script],
        "standing": settings.standing and str(settings.standing),
        "probabilities": dict(settings.probabilities),
        "seed": settings.seed,
        "latency": _latency(settings.latency),
    }


def _latency(shown: object) -> str | None:
    if shown is None:
        return None
    return str(shown) if isinstance(shown, Latency) else "a function"


def catalogue() -> list[Shown]:
    """Show every fault with its meaning and its magic number."""
    numbers = {fault: ending for ending, fault in MAGIC_NUMBERS.items()}
    return [
        {
            "name": fault,
            "meaning": meaning,
            "kind": _kind(fault),
            "number": f"+1212{numbers[fault]}",
            "takes_retry_after": fault in RATE_REFUSALS,
        }
        for fault, meaning in MEANINGS.items()
    ]


def _kind(fault: Fault) -> str:
    if fault in REJECTIONS:
        return "numbers fail"
    return "not carried out" if fault in NOT_CARRIED_OUT else "accepted"
