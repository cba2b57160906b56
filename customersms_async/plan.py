"""
The plan of a run over messages, before anything is sent.

::

    print(plan_messages(read("people.csv", text="Hi {name}, ...")))
    # 4,483 messages, 2,698 requests, 28 min, 4,483 segments, 461 bad, 56 doubles

Rules of this module:

1. The same rules as in the run: numbers and texts are checked by the same functions, duplicates are
   equal (number, text) pairs, and equal texts share a request within ``look_ahead`` messages.
2. Each message is processed once, as it arrives. With ``dedupe=False``, memory is bounded for an
   input of any length.
3. Nothing undocumented is claimed: credits are *at least* one per message.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncIterable, Iterable
from typing import TypedDict, Unpack

from attrs import define, evolve, frozen

from . import codes
from ._limit.account_state import PACE
from ._limit.config import Rate
from ._plan.bad_row import Refusal
from ._plan.tallies import BadTally, Forced, ForcingTally, Reason, Samples, Size
from ._values.validation import check_count
from ._wire.codec import check_text
from .errors import InvalidMessage, InvalidPhone
from .outcomes import Message
from .phones import ParsePhone, checked, normalize_phone

__all__ = [
    "Forced",
    "Plan",
    "PlanOptions",
    "Planner",
    "Reason",
    "Refusal",
    "aplan_messages",
    "plan_messages",
]


class PlanOptions(TypedDict, total=False):
    """
    The options of a plan; use the same as for the run.

    Attributes:
        batch_size: Numbers in one request; 100 by default.
        look_ahead: The most messages held back to find equal texts; 50,000 by default.
        dedupe: Whether to find duplicates, True by default. Costs about 200 bytes per message.
        parse_phone: Parses a number; `customersms_async.phones.normalize_phone` by default.
        rate: The limit of the gateway; 100 requests a minute by default.
    """

    batch_size: int
    look_ahead: int
    dedupe: bool
    parse_phone: ParsePhone
    rate: Rate


@frozen(kw_only=True)
class Plan:
    """
    The counts of a run that has not begun.

    Attributes:
        recipients: Messages that would be sent.
        bad: Messages or rows that cannot be sent.
        doubles: Messages that appeared earlier with the same number and text.
        skipped: Rows that were left out because they are on the opt-out list.
        texts: Different texts; None without ``dedupe``.
        requests: Requests needed.
        segments: Segments of all messages together.
        segments_swapped: The same, after replacing characters that force UCS-2 where possible.
        ucs2: Messages that contain such a character.
        reasons: Why the bad ones are bad, the most frequent reason first.
        forcing: The characters that force UCS-2, the most frequent first.
        first: The first message, or None.
        longest: The message with the most characters, or None.
        dearest: The first of the messages with the most segments, or None.
        rate: The limit on which `minutes` is based.
    """

    recipients: int = 0
    bad: int = 0
    doubles: int = 0
    skipped: int = 0
    texts: int | None = None
    requests: int = 0
    segments: int = 0
    segments_swapped: int = 0
    ucs2: int = 0
    reasons: tuple[Reason, ...] = ()
    forcing: tuple[Forced, ...] = ()
    first: Message | None = None
    longest: Message | None = None
    dearest: Message | None = None
    rate: Rate = Rate()  # noqa: RUF009  # frozen

    @property
    def total(self) -> int:
        """All messages and rows that were read."""
        return self.recipients + self.bad + self.doubles + self.skipped

    @property
    def credits_at_least(self) -> int:
        """The least it costs in credits: one per message. The price is not documented."""
        return self.recipients

    @property
    def seconds(self) -> float:
        """How long the requests take at the pace of a bulk run, just under the limit."""
        return self.requests * self.rate.per / (PACE * self.rate.limit)

    @property
    def minutes(self) -> int:
        """`seconds` in whole minutes, rounded up."""
        return math.ceil(self.seconds / 60)

    def at(self, rate: Rate) -> Plan:
        """Return the same plan at another limit."""
        return evolve(self, rate=rate)

    def to_dict(self) -> dict[str, object]:
        """Return the counts, ready for JSON; no number and no text."""
        names = ("recipients", "bad", "doubles", "skipped", "texts", "requests", "segments")
        more = ("segments_swapped", "ucs2", "minutes", "credits_at_least")
        return {
            **{name: getattr(self, name) for name in names + more},
            "reasons": [
                {"code": r.code, "reason": r.reason, "count": r.count} for r in self.reasons
            ],
            "forcing": [
                {"char": f.char, "name": f.name, "swap": f.swap, "messages": f.messages}
                for f in self.forcing
            ],
        }

    def __str__(self) -> str:
        parts = [
            _counted(self.recipients, "message"),
            _counted(self.requests, "request"),
            f"{self.minutes:,} min",
            _counted(self.segments, "segment"),
            f"{self.bad:,} bad",
            _counted(self.doubles, "double"),
        ]
        if self.skipped:
            parts.append(f"{self.skipped:,} skipped")
        return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plan_messages(messages: Iterable[Message | Refusal], **options: Unpack[PlanOptions]) -> Plan:
    """
    Read *messages* once, to the end, and return the plan of their run.

    Args:
        messages: Any iterable; a `Refusal` in it counts as bad, or as skipped.

        options: The same as for the run; see `PlanOptions`.

    Raises:
        ConfigurationError: An option is out of range.
    """
    planner = Planner(**options)
    for message in messages:
        planner.add(message)
    return planner.plan()


async def aplan_messages(
    messages: AsyncIterable[Message | Refusal], **options: Unpack[PlanOptions]
) -> Plan:
    """Do the same as `plan_messages` for an async iterable."""
    planner = Planner(**options)
    async for message in messages:
        planner.add(message)
    return planner.plan()


@define(eq=False)
class _Group:
    """Messages of one text that wait for others of the same text."""

    size: Size
    waiting: int = 0


class Planner:
    """
    Takes messages one by one, and returns the plan of their run at any time.

    Args:
        batch_size: Numbers in one request.

        look_ahead: The most messages held back to find equal texts.

        dedupe: Whether to find duplicates; with False, memory is bounded.

        parse_phone: Parses a number.

        rate: The limit of the gateway.

    Raises:
        ConfigurationError: A count is below 1.
    """

    def __init__(
        self,
        *,
        batch_size: int = 100,
        look_ahead: int = 50_000,
        dedupe: bool = True,
        parse_phone: ParsePhone = normalize_phone,
        rate: Rate | None = None,
    ) -> None:
        self._batch_size = check_count("batch_size", batch_size, 1)
        self._look_ahead = check_count("look_ahead", look_ahead, 1)
        self._parse = parse_phone
        self._rate = rate or Rate()
        self._pairs: set[bytes] | None = set() if dedupe else None
        self._texts: set[bytes] = set()
        self._groups: OrderedDict[str, _Group] = OrderedDict()  # oldest first
        self._waiting = 0
        self._full_requests = 0
        self._seen = self._recipients = self._doubles = self._skipped = 0
        self._segments = self._swapped = self._ucs2 = 0
        self._bad = BadTally()
        self._forcing = ForcingTally()
        self._samples = Samples()

    def add(self, message: Message | Refusal) -> None:
        """Add one more; anything that is neither a `Message` nor a `Refusal` counts as bad."""
        self._seen += 1
        if isinstance(message, Refusal):
            self._refuse(message)
            return
        try:
            good = self._checked(message)
        except InvalidPhone as exc:
            self._bad.add(codes.INVALID_PHONE, exc.reason, self._name(message))
        except InvalidMessage as exc:
            self._bad.add(codes.INVALID_MESSAGE, str(exc), self._name(message))
        else:
            self._take(good)

    def plan(self) -> Plan:
        """Return the plan of all that was added."""
        return Plan(
            recipients=self._recipients,
            bad=self._bad.count,
            doubles=self._doubles,
            skipped=self._skipped,
            texts=None if self._pairs is None else len(self._texts),
            requests=self._full_requests + len(self._groups),
            segments=self._segments,
            segments_swapped=self._swapped,
            ucs2=self._ucs2,
            reasons=self._bad.reasons(),
            forcing=self._forcing.forced(),
            first=self._samples.first,
            longest=self._samples.longest,
            dearest=self._samples.dearest,
            rate=self._rate,
        )

    def _refuse(self, refusal: Refusal) -> None:
        if refusal.code == codes.SKIPPED:
            self._skipped += 1
        else:
            self._bad.add(refusal.code, refusal.reason, refusal.ref)

    def _name(self, message: object) -> object:
        ref = message.ref if isinstance(message, Message) else None
        return self._seen - 1 if ref is None else ref

    def _checked(self, message: object) -> Message:
        if not isinstance(message, Message):
            what = type(message).__name__
            raise InvalidPhone(message, f"must be a Message(phone, text), not {what}")
        phone = checked(self._parse, message.phone)
        return Message(phone, check_text(message.text), message.ref)

    def _take(self, message: Message) -> None:
        if self._pairs is not None and self._is_double(message, self._pairs):
            self._doubles += 1
            return
        group = self._groups.get(message.text)
        if group is None:
            group = self._groups[message.text] = _Group(Size.of(message.text))
        self._recipients += 1
        self._measure(message, group.size)
        self._wait(message.text, group)

    def _is_double(self, message: Message, pairs: set[bytes]) -> bool:
        pair = _digest(f"{message.phone} {message.text}")
        if pair in pairs:
            return True
        pairs.add(pair)
        self._texts.add(_digest(message.text))
        return False

    def _measure(self, message: Message, size: Size) -> None:
        self._segments += size.segments
        self._swapped += size.segments_swapped
        self._ucs2 += bool(size.forcing)
        self._forcing.add(size.forcing)
        self._samples.look_at(message, size.segments)

    def _wait(self, text: str, group: _Group) -> None:
        """Hold a message back until its request is full, or too many are held."""
        group.waiting += 1
        self._waiting += 1
        if group.waiting >= self._batch_size:
            self._let_go(text)
        if self._waiting >= self._look_ahead:
            self._let_go(next(iter(self._groups)))

    def _let_go(self, text: str) -> None:
        self._waiting -= self._groups.pop(text).waiting
        self._full_requests += 1


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
