"""
What can go wrong with a request: names, meanings, and the magic numbers.

Rules of this module:

1. `MEANINGS` is the only table of faults; the documentation is generated from it.
2. A rejection concerns a single number; any other fault concerns the whole request.

A magic number ends in ``666`` and four digits, after any country code:
``+12126660002`` is a number whose answer is always lost. `MAGIC_NUMBERS` is the whole table.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

__all__ = [
    "MAGIC_NUMBERS",
    "MEANINGS",
    "NOT_CARRIED_OUT",
    "RATE_REFUSALS",
    "REJECTIONS",
    "Fault",
    "FaultPlan",
    "read_fault",
]


class Fault(enum.StrEnum):
    """A way in which a request goes wrong; each is equal to its name as a string."""

    #: Each number concerned gets a failed entry with an error and a code.
    REJECT = "reject"
    #: The same with only ``phone`` and ``success`` in the entry.
    REJECT_BARE = "reject-bare"

    # Nothing is carried out.
    #: The whole request is refused with a JSON object.
    REFUSE = "refuse"
    #: HTTP 429 with a JSON object.
    RATE_LIMITED = "rate-limited"
    #: HTTP 429 with the web server's page.
    RATE_LIMITED_HTML = "rate-limited-html"
    #: HTTP 200 with a JSON object that has a rate-limit code.
    RATE_LIMITED_200 = "rate-limited-200"
    #: A PHP error page, status 500.
    HTTP_500 = "http-500"
    #: The web server's bare page, status 503.
    HTTP_503 = "http-503"
    #: The connection is reset.
    RESET_BEFORE = "reset-before"

    # The messages are accepted, and the answer does not arrive completely or in time.
    #: The connection is closed without a byte.
    ANSWER_LOST = "answer-lost"
    #: The connection is reset without a byte.
    RESET_AFTER = "reset-after"
    #: Nothing comes for a long time, then the connection is closed.
    STALL = "stall"
    #: The answer comes late.
    SLOW = "slow"
    #: The answer comes in small pieces, and late.
    SLOW_BODY = "slow-body"
    #: Half of the announced body, then the connection is closed.
    CUT_BODY = "cut-body"
    #: Half of a body whose length was not announced: the cut cannot be detected.
    CUT_SILENT = "cut-silent"
    #: A proxy's page, status 504.
    HTTP_504 = "http-504"

    # The messages are accepted, and the answer is not plain JSON.
    #: An HTML page, status 200.
    HTML = "html"
    #: An empty body, status 200.
    EMPTY = "empty"
    #: A PHP notice before the JSON.
    PHP_NOTICE = "php-notice"
    #: A byte-order mark before the JSON.
    BOM = "bom"
    #: JSON with the content type of HTML.
    HTML_TYPE = "html-type"

    # The messages are accepted, and the answer has an odd shape.
    #: One number is not in the answer.
    MISSING_ENTRY = "missing-entry"
    #: An unrequested number is in the answer.
    EXTRA_ENTRY = "extra-entry"
    #: One number is in the answer twice.
    DOUBLED_ENTRY = "doubled-entry"
    #: Another request's numbers are in the answer.
    WRONG_NUMBERS = "wrong-numbers"
    #: The entries come in another order.
    REORDERED = "reordered"
    #: ``results`` is an object instead of an array.
    RESULTS_AS_OBJECT = "results-as-object"
    #: There is no ``results``.
    NO_RESULTS = "no-results"
    #: ``success`` is false, although there are ``results``.
    FALSE_WITH_RESULTS = "false-with-results"
    #: Numbers are JSON numbers.
    INTEGER_PHONES = "integer-phones"
    #: Numbers come without the plus sign.
    DIGIT_PHONES = "digit-phones"
    #: Numbers come with spaces: ``+1 212 555 1234``.
    SPACED_PHONES = "spaced-phones"
    #: 1 and 0 for true and false.
    ZERO_ONE_BOOLEANS = "zero-one-booleans"
    #: Every field except ``phone`` and ``success`` has an odd type, and there are unknown fields.
    ODD_FIELDS = "odd-fields"


#: What each fault does, in the order of the magic numbers.
MEANINGS: Final[Mapping[Fault, str]] = {
    Fault.REJECT: "this number fails, with a code; the others of the array are sent",
    Fault.ANSWER_LOST: "accepted, then the connection is closed without a byte",
    Fault.CUT_BODY: "accepted, half of the announced body",
    Fault.HTML: "accepted, an HTML page with status 200",
    Fault.SLOW: "accepted, answered late",
    Fault.MISSING_ENTRY: "accepted, this number is not in the answer",
    Fault.DOUBLED_ENTRY: "accepted, this number is in the answer twice",
    Fault.EXTRA_ENTRY: "accepted, an unrequested number is in the answer",
    Fault.REORDERED: "accepted, answered from last to first",
    Fault.INTEGER_PHONES: "accepted, numbers are JSON numbers",
    Fault.RESULTS_AS_OBJECT: "accepted, results is an object",
    Fault.ZERO_ONE_BOOLEANS: "accepted, 1 and 0 for true and false",
    Fault.ODD_FIELDS: "accepted, fields other than phone and success have odd types",
    Fault.PHP_NOTICE: "accepted, a PHP notice before the JSON",
    Fault.BOM: "accepted, a byte-order mark before the JSON",
    Fault.STALL: "accepted, silence, then the connection is closed",
    Fault.RESET_BEFORE: "not carried out, the connection is reset",
    Fault.RESET_AFTER: "accepted, then the connection is reset without a byte",
    Fault.HTTP_500: "not carried out, an error page with status 500",
    Fault.HTTP_503: "not carried out, a bare page with status 503",
    Fault.RATE_LIMITED: "not carried out, status 429",
    Fault.HTTP_504: "accepted, a proxy's page with status 504",
    Fault.REJECT_BARE: "this number fails, without a reason; the others are sent",
    Fault.REFUSE: "not carried out, the whole request is refused with a code",
    Fault.CUT_SILENT: "accepted, half of a body whose length was not announced",
    Fault.EMPTY: "accepted, an empty body with status 200",
    Fault.DIGIT_PHONES: "accepted, numbers come without the plus sign",
    Fault.SPACED_PHONES: "accepted, numbers come with spaces",
    Fault.FALSE_WITH_RESULTS: "accepted, success is false but entries are true",
    Fault.NO_RESULTS: "accepted, the answer has no results",
    Fault.WRONG_NUMBERS: "accepted, another request's numbers are in the answer",
    Fault.SLOW_BODY: "accepted, the answer comes late and in small pieces",
    Fault.HTML_TYPE: "accepted, the JSON is declared as HTML",
    Fault.RATE_LIMITED_HTML: "not carried out, status 429 with a page of the web server",
    Fault.RATE_LIMITED_200: "not carried out, status 200 with a rate-limit code",
}

#: What the last seven digits of a number mean.
MAGIC_NUMBERS: Final[Mapping[str, Fault]] = {
    f"666{number:04d}": fault for number, fault in enumerate(MEANINGS, 1)
}

#: Faults that fail single entries; everything else of the request is carried out and answered.
REJECTIONS: Final = frozenset({Fault.REJECT, Fault.REJECT_BARE})

#: The forms of a rate-limit refusal. The last is that of nginx's ``limit_req``.
RATE_REFUSALS: Final = (
    Fault.RATE_LIMITED,
    Fault.RATE_LIMITED_HTML,
    Fault.RATE_LIMITED_200,
    Fault.HTTP_503,
)

#: Faults after which no message of the request was accepted.
NOT_CARRIED_OUT: Final = frozenset(
    {*RATE_REFUSALS, Fault.REFUSE, Fault.HTTP_500, Fault.RESET_BEFORE}
)

# Short names.
_SHORT: Final = {
    "429": Fault.RATE_LIMITED,
    "500": Fault.HTTP_500,
    "503": Fault.HTTP_503,
    "504": Fault.HTTP_504,
    "reset": Fault.RESET_BEFORE,
}


@frozen
class FaultPlan:
    """
    What goes wrong with a request.

    Attributes:
        fault: What happens to the request; None if all goes well.
        aimed_at: The number that triggered it, if one did.
        rejected: The numbers that get a failed entry, and which one.
        retry_after: Header ``Retry-After`` of a refusal, sent unchanged.
    """

    fault: Fault | None = None
    aimed_at: str | None = None
    rejected: Mapping[str, Fault] = field(factory=dict[str, Fault])
    retry_after: str | None = None


def read_fault(name: object) -> Fault | None:
    """
    Find a fault by its name, or by 429, 500, 503, 504 or reset for short.

    Returns:
        The fault; None for ``"ok"``.

    Raises:
        ValueError: There is no such fault; the text lists those there are.
    """
    text = str(name).strip()
    if text == "ok":
        return None
    try:
        return _SHORT.get(text) or Fault(text)
    except ValueError:
        names = ", ".join(Fault)
        hint = _hint(text)
        msg = f"fault must be ok or one of {names}, not {name!r}{hint}"
        raise ValueError(msg) from None


def _hint(text: str) -> str:
    """Name the fault that was probably meant."""
    meant = difflib.get_close_matches(text, list(Fault), 1)
    if not meant:
        return ""
    seconds = "; its seconds go into retry_after" if "(" in text else ""
    return f" (did you mean {str(meant[0])!r}{seconds}?)"
