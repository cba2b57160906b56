"""
The reply to a request as a value: bytes, delay, and how it ends.

Rules of this module:

1. A `PlannedReply` is complete; the code that performs it decides nothing.
2. A fault is an entry in a table: how to corrupt a good reply, or what to send instead.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Final

from attrs import evolve, frozen

from .documented_answers import RATE_LIMIT_EXCEEDED, Document, GatewayRefusal, encode, refused
from .faults import Fault, FaultPlan

__all__ = [
    "Ending",
    "PlannedReply",
    "Timing",
    "corrupted",
    "document_reply",
    "refusal_for",
    "refusal_reply",
]

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=UTF-8"

_PHP_NOTICE: Final = (
    b"<br />\n<b>Notice</b>:  Undefined index: sender in <b>/var/www/html/sms_system/api.php</b>"
    b" on line <b>87</b><br />\n"
)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_REASONS: Final[Mapping[int, str]] = {
    200: "OK",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


class Ending(enum.StrEnum):
    """How a reply ends."""

    #: All of it arrives, and the connection stays open.
    WHOLE = "whole"
    #: All of it arrives, in small pieces over the delay.
    TRICKLE = "trickle"
    #: Half of the announced body arrives.
    CUT = "cut"
    #: Half of the body arrives; its length was not announced.
    CUT_SILENT = "cut-silent"
    #: No byte arrives; the connection is closed cleanly (FIN).
    CLOSE = "closed"
    #: No byte arrives; the connection is reset (RST).
    RESET = "reset"


@frozen
class Timing:
    """
    How long the slow faults take.

    Attributes:
        slow: Seconds before a late answer, or until the last piece of one.
        stall: Seconds of silence before a stalled connection is closed.
    """

    slow: float
    stall: float


@frozen
class PlannedReply:
    """
    A reply that has yet to be sent.

    Attributes:
        body: The whole body, even if only part of it is sent.
        status: HTTP status.
        content_type: Value of that header.
        retry_after: Value of that header, if there is one.
        delay: Seconds before the first byte, or until the last byte of a slow body.
        ending: How it ends.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = _JSON
    retry_after: str | None = None
    delay: float = 0.0
    ending: Ending = Ending.WHOLE

    @property
    def has_status(self) -> bool:
        """Whether at least the status line is sent."""
        return self.ending not in {Ending.CLOSE, Ending.RESET}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe the body, and ``Retry-After``."""
        headers = {"Content-Type": self.content_type}
        if self.retry_after is not None:
            headers["Retry-After"] = self.retry_after
        return headers

    @property
    def reason(self) -> str:
        """The reason phrase of the status; nginx has its own for some."""
        return _REASONS.get(self.status) or responses.get(self.status, "")

    @property
    def raw(self) -> str:
        """The whole answer as text, even if only part of it is sent, or nothing."""
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.ending is not Ending.CUT_SILENT:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]) + self.body.decode(errors="replace")


def document_reply(document: Document) -> PlannedReply:
    """Reply with an answer."""
    return PlannedReply(encode(document))


def refusal_reply(refusal: GatewayRefusal, *, status: int) -> PlannedReply:
    """
    Reply with a refusal of the whole request.

    Args:
        refusal: Why, and in which form.

        status: HTTP status of a refusal that sets none.
    """
    status = refusal.status or status
    if refusal.is_page:
        return PlannedReply(_page(status), status, _HTML, refusal.retry_after)
    return PlannedReply(encode(refused(refusal)), status, retry_after=refusal.retry_after)


def refusal_for(plan: FaultPlan) -> GatewayRefusal | None:
    """Return the refusal that *plan* asks for, if any."""
    refusal = _REFUSALS.get(plan.fault)
    return evolve(refusal, retry_after=plan.retry_after) if refusal else None


def corrupted(reply: PlannedReply, *, plan: FaultPlan, timing: Timing) -> PlannedReply:
    """Corrupt a reply as *plan* asks for; faults that are not on the wire change nothing."""
    corrupt = _CORRUPTIONS.get(plan.fault)
    return corrupt(reply, timing) if corrupt else reply


def _page(status: int) -> bytes:
    title = f"{status} {_REASONS[status]}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()


_REFUSALS: Final[Mapping[Fault | None, GatewayRefusal]] = {
    Fault.REFUSE: GatewayRefusal("Message text is not allowed", "MESSAGE_BLOCKED"),
    Fault.RATE_LIMITED: RATE_LIMIT_EXCEEDED,
    Fault.RATE_LIMITED_HTML: evolve(RATE_LIMIT_EXCEEDED, is_page=True),
    Fault.RATE_LIMITED_200: evolve(RATE_LIMIT_EXCEEDED, status=200),
    Fault.HTTP_500: GatewayRefusal(status=500, is_page=True),
    Fault.HTTP_503: GatewayRefusal(status=503, is_page=True),
}

_Corruption = Callable[[PlannedReply, Timing], PlannedReply]


def _ends(ending: Ending) -> _Corruption:
    return lambda reply, _timing: evolve(reply, ending=ending)


def _begins(prefix: bytes) -> _Corruption:
    return lambda reply, _timing: evolve(reply, body=prefix + reply.body)


def _becomes_page(status: int) -> _Corruption:
    page = PlannedReply(_page(status), status, _HTML)
    return lambda _reply, _timing: page


def _with_notice(reply: PlannedReply, _timing: Timing) -> PlannedReply:
    return evolve(reply, body=_PHP_NOTICE + reply.body, content_type=_HTML)


def _slow(reply: PlannedReply, timing: Timing) -> PlannedReply:
    return evolve(reply, delay=timing.slow)


def _slow_body(reply: PlannedReply, timing: Timing) -> PlannedReply:
    return evolve(reply, delay=timing.slow, ending=Ending.TRICKLE)


def _stalled(reply: PlannedReply, timing: Timing) -> PlannedReply:
    return evolve(reply, delay=timing.stall, ending=Ending.CLOSE)


_CORRUPTIONS: Final[Mapping[Fault | None, _Corruption]] = {
    Fault.RESET_BEFORE: _ends(Ending.RESET),
    Fault.RESET_AFTER: _ends(Ending.RESET),
    Fault.ANSWER_LOST: _ends(Ending.CLOSE),
    Fault.STALL: _stalled,
    Fault.SLOW: _slow,
    Fault.SLOW_BODY: _slow_body,
    Fault.CUT_BODY: _ends(Ending.CUT),
    Fault.CUT_SILENT: _ends(Ending.CUT_SILENT),
    Fault.HTTP_504: _becomes_page(504),
    Fault.HTML: _becomes_page(200),
    Fault.EMPTY: lambda _reply, _timing: PlannedReply(content_type=_HTML),
    Fault.HTML_TYPE: lambda reply, _timing: evolve(reply, content_type=_HTML),
    Fault.PHP_NOTICE: _with_notice,
    Fault.BOM: _begins(_BYTE_ORDER_MARK),
}
