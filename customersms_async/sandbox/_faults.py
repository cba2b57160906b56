"""
What goes wrong, and for which request.

Rules of this module:

1. One engine decides. A script (`Faults.script`) comes before the numbers with a meaning; what
   nobody asked for does not happen.
2. Everything is deterministic: the same requests in the same order meet the same faults.
3. A number that is rejected is rejected alone; any other fault is the whole request's.

A number with a meaning ends in ``666`` and four digits, and has any country code in front:
``+12126660002`` is a number whose answer is always lost. `MAGIC_NUMBERS` is the whole table.
"""

import enum
from collections import deque
from collections.abc import Mapping, Sequence

import attrs

__all__ = ["MAGIC_NUMBERS", "NOT_CARRIED_OUT", "REJECTIONS", "Fault", "Faults", "Plan", "Step"]


class Fault(enum.StrEnum):
    """A way in which a request goes wrong; each is equal to its name as a string."""

    #: Each number concerned gets a failed entry with an error and a code.
    REJECT = "reject"
    #: The same with nothing but ``phone`` and ``success`` in the entry.
    REJECT_BARE = "reject-bare"

    # Nothing is carried out.
    #: The whole request is refused with a JSON object.
    REFUSE = "refuse"
    #: HTTP 429 with a JSON object.
    RATE_LIMITED = "rate-limited"
    #: An error page of PHP's, status 500.
    HTTP_500 = "http-500"
    #: The web server's bare page, status 503.
    HTTP_503 = "http-503"
    #: The connection is reset.
    RESET_BEFORE = "reset-before"

    # The messages are accepted, and the answer does not arrive whole or in time.
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
    #: Half of a body whose length was not announced: nothing shows that it is cut.
    CUT_SILENT = "cut-silent"
    #: A proxy's page, status 504.
    HTTP_504 = "http-504"

    # The messages are accepted, and the answer is no plain JSON.
    #: An HTML page, status 200.
    HTML = "html"
    #: An empty body, status 200.
    EMPTY = "empty"
    #: A notice of PHP's before the JSON.
    PHP_NOTICE = "php-notice"
    #: A byte-order mark before the JSON.
    BOM = "bom"
    #: The JSON says that it is HTML.
    HTML_TYPE = "html-type"

    # The messages are accepted, and the answer has an odd shape.
    #: One number is not in the answer.
    MISSING_ENTRY = "missing-entry"
    #: A number that nobody asked for is in the answer.
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
    #: ``success`` is false, and ``results`` is there all the same.
    FALSE_WITH_RESULTS = "false-with-results"
    #: Numbers are JSON numbers.
    INTEGER_PHONES = "integer-phones"
    #: Numbers come without the plus sign.
    DIGIT_PHONES = "digit-phones"
    #: Numbers come with spaces: ``+1 212 555 1234``.
    SPACED_PHONES = "spaced-phones"
    #: 1 and 0 for true and false.
    ZERO_ONE_BOOLEANS = "zero-one-booleans"
    #: Every field but ``phone`` and ``success`` has an odd type, and there are unknown ones.
    ODD_FIELDS = "odd-fields"


#: Faults that fail single entries; everything else of the request is carried out and answered.
REJECTIONS = frozenset({Fault.REJECT, Fault.REJECT_BARE})

#: Faults after which no message of the request was accepted.
NOT_CARRIED_OUT = frozenset(
    {Fault.REFUSE, Fault.RATE_LIMITED, Fault.HTTP_500, Fault.HTTP_503, Fault.RESET_BEFORE}
)

#: What the last seven digits of a number mean.
MAGIC_NUMBERS: Mapping[str, Fault] = {
    "6660001": Fault.REJECT,
    "6660002": Fault.ANSWER_LOST,
    "6660003": Fault.CUT_BODY,
    "6660004": Fault.HTML,
    "6660005": Fault.SLOW,
    "6660006": Fault.MISSING_ENTRY,
    "6660007": Fault.DOUBLED_ENTRY,
    "6660008": Fault.EXTRA_ENTRY,
    "6660009": Fault.REORDERED,
    "6660010": Fault.INTEGER_PHONES,
    "6660011": Fault.RESULTS_AS_OBJECT,
    "6660012": Fault.ZERO_ONE_BOOLEANS,
    "6660013": Fault.ODD_FIELDS,
    "6660014": Fault.PHP_NOTICE,
    "6660015": Fault.BOM,
    "6660016": Fault.STALL,
    "6660017": Fault.RESET_BEFORE,
    "6660018": Fault.RESET_AFTER,
    "6660019": Fault.HTTP_500,
    "6660020": Fault.HTTP_503,
    "6660021": Fault.RATE_LIMITED,
    "6660022": Fault.HTTP_504,
    "6660023": Fault.REJECT_BARE,
    "6660024": Fault.REFUSE,
    "6660025": Fault.CUT_SILENT,
    "6660026": Fault.EMPTY,
    "6660027": Fault.DIGIT_PHONES,
    "6660028": Fault.SPACED_PHONES,
    "6660029": Fault.FALSE_WITH_RESULTS,
    "6660030": Fault.NO_RESULTS,
    "6660031": Fault.WRONG_NUMBERS,
    "6660032": Fault.SLOW_BODY,
    "6660033": Fault.HTML_TYPE,
}


@attrs.frozen
class Step:
    """
    One step of a script: what happens to one request.

    Attributes:
        fault: What goes wrong; none lets the request pass.

        retry_after: Header ``Retry-After`` of a refusal by `Fault.RATE_LIMITED` or
            `Fault.HTTP_503`, sent as it stands.
    """

    fault: Fault | None = None
    retry_after: str | None = None


@attrs.frozen
class Plan:
    """
    What is to go wrong with a request.

    Attributes:
        fault: What happens to the request; none if all goes well.

        aimed_at: The number that asked for it, if one did.

        rejected: The numbers that get a failed entry, and which one.

        retry_after: As in `Step`.
    """

    fault: Fault | None = None
    aimed_at: str | None = None
    rejected: Mapping[str, Fault] = attrs.field(factory=dict[str, Fault])
    retry_after: str | None = None


@attrs.define(eq=False)
class Faults:
    """
    The engine.

    Attributes:
        has_magic: Whether numbers have a meaning.

        script: What happens to the next requests, one step each.
    """

    has_magic: bool = True
    script: deque[Step] = attrs.field(factory=deque[Step])

    def plan(self, phones: Sequence[str]) -> Plan:
        """Decide what goes wrong with the request for *phones*, and use up a step of the script."""
        meanings = self._meanings(phones)
        rejected = {phone: fault for phone, fault in meanings.items() if fault in REJECTIONS}
        if self.script:
            return _by_script(self.script.popleft(), phones, rejected)
        return _by_numbers(meanings, rejected)

    def _meanings(self, phones: Sequence[str]) -> dict[str, Fault]:
        if not self.has_magic:
            return {}
        return {
            phone: MAGIC_NUMBERS[ending]
            for phone in phones
            if (ending := phone[-7:]) in MAGIC_NUMBERS
        }


def _by_script(step: Step, phones: Sequence[str], rejected: Mapping[str, Fault]) -> Plan:
    if step.fault is not None and step.fault in REJECTIONS:
        rejected = dict.fromkeys(phones, step.fault)
    return Plan(step.fault, rejected=rejected, retry_after=step.retry_after)


def _by_numbers(meanings: Mapping[str, Fault], rejected: Mapping[str, Fault]) -> Plan:
    """Let the first number decide that asks for more than its own rejection."""
    asking = [phone for phone in meanings if phone not in rejected] or list(meanings)
    if not asking:
        return Plan()
    return Plan(meanings[asking[0]], aimed_at=asking[0], rejected=rejected)
