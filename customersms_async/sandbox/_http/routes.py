"""
The table of HTTP calls, from which the application and the help page are made.

Rule of this module: a call that is not in the table is neither served nor described.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from attrs import field, frozen

from .._gateway.faults import RATE_REFUSALS
from .._gateway.rate_rules import RULE_NAMES
from .._gateway.request_fate import RequestFate
from . import change_calls, read_calls
from .parameters import Parameters
from .service import SandboxService

__all__ = ["EVENTS", "PREFIX", "ROUTES", "Route"]

#: Path under which all calls are served.
PREFIX: Final = "/_sandbox"

#: Path of the stream of events.
EVENTS: Final = f"{PREFIX}/events"

_Answer = Callable[[SandboxService, Parameters], object]
_Waiting = Callable[[SandboxService, Parameters, "asyncio.Future[None]"], Awaitable[object]]


@frozen
class Route:
    """
    One call.

    Attributes:
        method: HTTP method.
        path: Path after the prefix; a part in braces is a parameter.
        summary: One line for the help page.
        answer: Carries out the call.
        parameters: Meaning of each parameter by name. A GET or DELETE takes them from its query,
            a POST from a JSON object.
        example: A query or a JSON object to try.
        waits: Whether it is a long poll; `answer` then gets the future that ends a wait.
    """

    method: str
    path: str
    summary: str
    answer: _Answer | _Waiting = field(repr=False)
    parameters: Mapping[str, str] = field(factory=dict[str, str])
    example: str = ""
    waits: bool = False


_KEY: Final = {"key": "the account: its key, or its masked name as in answers"}
_WHICH: Final = {
    **_KEY,
    "phone": "the number, in any notation",
    "contains": "a part of the text",
}
_AFTER: Final = {"after": "an id; only later ones"}
_PAGE: Final = {
    **_AFTER,
    "before": "an id; only earlier ones",
    "limit": f"entries, at most {read_calls.MOST:,} ({read_calls.USUAL})",
}
_REQUEST: Final = {"request": "the id of its request"}

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/status", "Accounts, counts, clock, faults and limit.", read_calls.status),
    Route(
        "GET",
        "/messages",
        "Accepted messages, oldest first: the first after an id, else the newest.",
        read_calls.messages,
        {**_WHICH, **_REQUEST, **_PAGE},
        "phone=%2B12125551234&contains=code",
    ),
    Route(
        "GET", "/messages/{id}", "One message.", read_calls.message, {"id": "the id of the message"}
    ),
    Route(
        "GET",
        "/wait",
        "The oldest matching message, as soon as there is one; else 404, with a list of what "
        "did arrive.",
        read_calls.wait,
        {
            **_WHICH,
            **_AFTER,
            "timeout": f"seconds, at most {read_calls.LONGEST:g} ({read_calls.PATIENCE:g})",
        },
        "phone=%2B12125551234&timeout=0.1",
        waits=True,
    ),
    Route(
        "GET",
        "/last-code",
        "The code, 4 to 8 digits, in the newest message to a number that contains one.",
        read_calls.last_code,
        {**_KEY, "phone": "the number"},
        "phone=%2B12125551234",
    ),
    Route(
        "GET",
        "/duplicates",
        "Messages whose number and text the same account had sent before.",
        read_calls.duplicates,
        {**_KEY, "limit": _PAGE["limit"]},
    ),
    Route(
        "GET",
        "/conversations",
        "Numbers with their newest message, the most recent first.",
        read_calls.conversations,
        {
            **_KEY,
            "contains": "a part of the number or of one of its texts",
            "limit": _PAGE["limit"],
            "page": "1 for the first",
        },
        "limit=20",
    ),
    Route(
        "DELETE",
        "/messages",
        "Forget messages, requests and scripts; credits and limits stay.",
        change_calls.clear,
        _KEY,
    ),
    Route(
        "GET",
        "/requests",
        "Requests that arrived, oldest first: the first after an id, else the newest.",
        read_calls.requests,
        {
            **_KEY,
            "fate": f"one of {', '.join(RequestFate)}",
            "fault": "the name of a fault",
            **_PAGE,
        },
        "fate=lost",
    ),
    Route(
        "GET",
        "/requests/{id}",
        "One request, with the raw request and the raw answer; keys are masked.",
        read_calls.request,
        {"id": "the id of the request"},
    ),
    Route("GET", "/faults", "The faults that are set, and all faults.", read_calls.faults, _KEY),
    Route(
        "POST",
        "/faults",
        "Set faults; omitted settings stay as they are.",
        change_calls.set_faults,
        {
            **_KEY,
            "script": "what happens to the next requests, like '500, reset, rate-limited(7), ok*2'",
            "standing": "what happens to every request, like 'answer-lost'; null switches it off",
            "probabilities": "the probability of each fault, like {'answer-lost': 0.05}",
            "seed": "a whole number; the same seed and the same requests give the same run",
            "latency": "seconds before each answer: 0.2, 'uniform(0.1, 0.5)', 'normal(0.2, 0.05)' "
            "or 'exponential(0.3)'",
        },
        '{"script": "500, reset, ok", "latency": "uniform(0.01, 0.05)"}',
    ),
    Route(
        "DELETE", "/faults", "Switch off all faults and latency.", change_calls.clear_faults, _KEY
    ),
    Route(
        "GET",
        "/clock",
        "The clock that dates messages and drives limits.",
        read_calls.clock,
    ),
    Route(
        "POST",
        "/clock",
        "Move the clock forward.",
        change_calls.advance,
        {"advance": "seconds, at least 0"},
        '{"advance": 60}',
    ),
    Route("GET", "/credits", "Credits of an account.", read_calls.credits_left, _KEY, "key={key}"),
    Route(
        "POST",
        "/credits",
        "Set the credits of an account; a new key opens one.",
        change_calls.set_credits,
        {**_KEY, "credits": "a whole number, at least 0"},
        '{"key": "cspro_another", "credits": 100}',
    ),
    Route(
        "GET",
        "/usage",
        "An account's use of its limit.",
        read_calls.usage,
        _KEY,
        "key={key}",
    ),
    Route("GET", "/limit", "The limit of an account, or that of all.", read_calls.limit, _KEY),
    Route(
        "POST",
        "/limit",
        "Limit an account, or all accounts without their own limit. Omitted settings stay as they "
        "are; earlier requests no longer count.",
        change_calls.set_limit,
        {
            **_KEY,
            "limit": "requests per period, null for no limit",
            "per": "the period in seconds, from 0.001 to a year",
            "rule": f"one of {', '.join(RULE_NAMES)}",
            "burst": "requests at once, for gcra and nginx",
            "rate_refusal": f"one of {', '.join(RATE_REFUSALS)}",
            "retry_after": "seconds, date, none, or any text for the header",
        },
        '{"limit": 100, "rule": "gcra", "retry_after": "date"}',
    ),
    Route(
        "DELETE",
        "/account",
        "Delete an account with its messages, requests, faults and limit.",
        change_calls.close_account,
        _KEY,
        "key=cspro_another",
    ),
)
