"""The options of a bulk run, checked in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict, TypeVar

from attrs import Attribute, field, fields, frozen

from .._ports.journal import Journal
from .._validation import check_count, check_seconds, check_seconds_or_none
from ..errors import ConfigurationError

__all__ = [
    "BulkOptions",
    "LookingOptions",
    "MessageOptions",
    "Options",
    "choose",
]


#: A body of 10,000 numbers has about 160 kB; aiohttp warns of bodies above 1 MB held in memory.
_MOST_IN_A_BATCH: Final = 10_000


class BulkOptions(TypedDict, total=False):
    """
    What `CustomerSMS.send_many` and `CustomerSMS.stream_many` take beside numbers and text.

    Attributes:
        batch_size: Numbers in one request, 1 to 10,000; 100 by default.
        max_in_flight: Requests under way at once, at least 1; 16 by default.
        stop_after: Seconds after which nothing new leaves, above 0; None for no end.
        dedupe: Whether a number is sent to once a run, True by default. Costs about 100 bytes a
            distinct number; with False, memory is bounded whatever the size of the input.
        drain: Seconds that a cancelled run waits for what is in flight, at least 0; 5 by default.
        max_unknown: So many unknown requests in a row end the run, at least 1; 3 by default.
        min_credits: A balance at or below it ends the run; 0 by default.
        journal: The memory of a durable run, or None.
    """

    batch_size: int
    max_in_flight: int
    stop_after: float | None
    dedupe: bool
    drain: float
    max_unknown: int
    min_credits: int
    journal: Journal | None


class MessageOptions(BulkOptions, total=False):
    """
    What `CustomerSMS.send_messages` and `CustomerSMS.stream_messages` take beside the messages.

    Attributes:
        look_ahead: Messages held back, at most, to find equal texts that can share a request, at
            least 1; 50,000 by default. 1 sends each as it comes.
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
    is_one = hasattr(value, "claim") and hasattr(value, "settle")
    if value is not None and (isinstance(value, type) or not is_one):
        what = type(value).__name__
        msg = f"{attribute.name} must be an object with claim() and settle(), not {what}"
        raise ConfigurationError(msg)


@frozen(kw_only=True)
class Options:
    """The options of one run, with their defaults; see `BulkOptions`."""

    batch_size: int = field(default=100, validator=_whole(1, _MOST_IN_A_BATCH))
    max_in_flight: int = field(default=16, validator=_whole(1))
    stop_after: float | None = field(
        default=None, validator=lambda _, a, value: check_seconds_or_none(a.name, value)
    )
    dedupe: bool = field(default=True, validator=_is_bool)
    drain: float = field(
        default=5.0, validator=lambda _, a, value: check_seconds(a.name, value, or_zero=True)
    )
    max_unknown: int = field(default=3, validator=_whole(1))
    min_credits: int = field(default=0, validator=_whole(0))
    journal: Journal | None = field(default=None, validator=_is_journal)


@frozen(kw_only=True)
class LookingOptions(Options):
    """The options of a run over messages; see `MessageOptions`."""

    look_ahead: int = field(default=50_000, validator=_whole(1))


SomeOptions = TypeVar("SomeOptions", bound=Options)


def choose(kind: type[SomeOptions], given: Mapping[str, Any]) -> SomeOptions:
    """
    Make the options of a run of what the caller gave.

    Raises:
        TypeError: There is no such option.
        ConfigurationError: One is out of its range.
    """
    names = [attribute.name for attribute in fields(kind)]
    if unknown := given.keys() - names:
        msg = f"there is no option {min(unknown)!r}; the options are {', '.join(names)}"
        raise TypeError(msg)
    return kind(**given)
