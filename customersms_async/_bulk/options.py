"""The options of a bulk run, checked in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict, TypeVar

from attrs import Attribute, field, fields, frozen

from .._ports.journal import Journal
from .._ports.limiter import Lane
from .._values.validation import check_count, check_seconds, check_seconds_or_none
from ..errors import ConfigurationError
from .reader import Phones, SkipFunction
from .stop_rules import StopRules, check_rules

__all__ = [
    "BulkOptions",
    "LookingOptions",
    "MessageOptions",
    "Options",
    "choose",
]


#: A body of 10,000 numbers has about 160 kB; aiohttp warns about bodies above 1 MB in memory.
_MOST_IN_A_BATCH: Final = 10_000


class BulkOptions(TypedDict, total=False):
    """
    The options of `CustomerSMS.send_many` and `CustomerSMS.stream_many`.

    Attributes:
        batch_size: Numbers in one request, 1 to 10,000; 100 by default.
        max_in_flight: Requests in flight at once, at least 1; 16 by default.
        stop_after: Seconds after which nothing new is sent, above 0; None for no limit.
        dedupe: Whether to drop duplicates, True by default. Costs about 100 bytes per distinct
            number; with False, memory is bounded for inputs of any size.
        skip: Numbers to leave out, each parsed by ``parse_phone``; or a function that takes a
            number in E.164 and returns a reason (``Outcome.detail``) to leave it out, or None. They
            end as ``SKIPPED``.
        drain: Seconds that a cancelled run waits for requests in flight, at least 0; by default as
            long as a request may take.
        journal: A durable record of the run, or None.
        stop: When to end the run early; `StopRules()` by default.
    """

    batch_size: int
    max_in_flight: int
    stop_after: float | None
    dedupe: bool
    skip: Phones | SkipFunction | None
    drain: float | None
    journal: Journal | None
    stop: StopRules


class MessageOptions(BulkOptions, total=False):
    """
    The options of `CustomerSMS.send_messages` and `CustomerSMS.stream_messages`.

    Attributes:
        look_ahead: The most messages held back to find equal texts that can share a request, at
            least 1; 50,000 by default. With 1, each is sent as it arrives.
    """

    look_ahead: int


def _whole(least: int, most: int | None = None) -> Callable[[Any, Attribute[Any], object], None]:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        check_count(attribute.name, value, least, most)

    return check


def _is_bool(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        msg = f"{attribute.name} must be True or False, not {value!r}"
        raise ConfigurationError(msg)


def _is_journal(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is None:
        return
    names = ("claim", "release", "settle", "refuse")
    missing = [name for name in names if not callable(getattr(value, name, None))]
    if isinstance(value, type) or missing:
        kind = type(value).__name__
        lacks = "the class itself" if isinstance(value, type) else f"without {', '.join(missing)}"
        msg = f"{attribute.name} must be an object with {_listed(names)}, not {kind} ({lacks})"
        raise ConfigurationError(msg)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(f'{name}()' for name in names[:-1])} and {names[-1]}()"


def _are_rules(_: object, attribute: Attribute[Any], value: object) -> None:
    check_rules(value, attribute.name)


def _seconds_or_none(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        check_seconds(attribute.name, value, or_zero=True)


@frozen(kw_only=True)
class Options:
    """The options of one run, with their defaults; see `BulkOptions`."""

    batch_size: int = field(default=100, validator=_whole(1, _MOST_IN_A_BATCH))
    max_in_flight: int = field(default=16, validator=_whole(1))
    stop_after: float | None = field(
        default=None, validator=lambda _, a, value: check_seconds_or_none(a.name, value)
    )
    dedupe: bool = field(default=True, validator=_is_bool)
    skip: object = None  # read together with the client's `parse_phone`
    drain: float | None = field(default=None, validator=_seconds_or_none)
    journal: Journal | None = field(default=None, validator=_is_journal)
    lane: Lane = Lane.BULK  # only an outbox sets it
    stop: StopRules = field(factory=StopRules, validator=_are_rules)


@frozen(kw_only=True)
class LookingOptions(Options):
    """The options of a run over messages; see `MessageOptions`."""

    look_ahead: int = field(default=50_000, validator=_whole(1))


SomeOptions = TypeVar("SomeOptions", bound=Options)


def choose(kind: type[SomeOptions], given: Mapping[str, Any]) -> SomeOptions:
    """
    Make the options of a run from the caller's arguments.

    Raises:
        TypeError: There is no such option.
        ConfigurationError: One is out of range.
    """
    names = [attribute.name for attribute in fields(kind) if attribute.name != "lane"]
    if unknown := given.keys() - names:
        msg = f"there is no option {min(unknown)!r}; the options are {', '.join(names)}"
        raise TypeError(msg)
    return kind(**given)
