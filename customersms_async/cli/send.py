"""``customersms send``."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine, Sequence
from typing import Annotated, Final, TypeVar

from attrs import frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from .._values.status import Status
from ..client import CustomerSMS
from ..errors import AuthenticationError, OutOfCredits, SendError
from ..outcomes import Receipt
from ..phones import checked
from ..plan import Plan
from .connection import FROM_ENVIRONMENT, Connection
from .console import result, result_json, say
from .country import parser_of
from .exits import Exit, worst
from .interrupts import interruptible

__all__ = ["send", "send_samples"]

Result = TypeVar("Result")

_WAITS: Final = "waiting for requests in flight; Ctrl-C again gives up"
_GIVEN_TWICE: Final = "a number that is given twice gets one message"


def send(
    numbers: Annotated[tuple[str, ...], Parameter(help="One number, or a few.")],
    /,
    *,
    text: Annotated[str, Parameter(help="The text.")],
    timeout: Annotated[
        float | None, Parameter(help="Seconds for each number, in total.", validator=Number(gt=0))
    ] = None,
    country: Annotated[
        str | None, Parameter(help="A country like US, for numbers without a country code.")
    ] = None,
    connection: Connection = FROM_ENVIRONMENT,
    json: Annotated[bool, Parameter(help="Print one line of JSON for each number.")] = False,
) -> Exit:
    """Send one text to one or a few numbers."""
    phones = dict.fromkeys(checked(parser_of(country), number) for number in numbers)
    if len(phones) < len(numbers):
        say(_GIVEN_TWICE)
    texts = [(phone, text) for phone in phones]
    return _send(connection, texts, timeout, as_json=json)


def send_samples(connection: Connection, plan: Plan, number: str, country: str | None) -> Exit:
    """Send the first, the longest and the most expensive text of a plan to one number."""
    phone = checked(parser_of(country), number)
    samples = filter(None, (plan.first, plan.longest, plan.dearest))
    texts = dict.fromkeys(sample.text for sample in samples)
    return _send(connection, [(phone, text) for text in texts], None)


def _send(
    connection: Connection,
    texts: Sequence[tuple[str, str]],
    timeout: float | None,
    *,
    as_json: bool = False,
) -> Exit:
    connection.announce(len(texts))
    fates = asyncio.run(_unless_interrupted(_send_all(connection, texts, timeout)))
    if fates is None:
        return Exit.INTERRUPTED
    for fate in fates:
        if as_json:
            result_json(fate.to_dict())
        else:
            result(str(fate))
    return worst(fate.exit for fate in fates)


@frozen
class _Fate:
    """The fate of one message."""

    phone: str
    end: Receipt | SendError

    @property
    def exit(self) -> Exit:
        if isinstance(self.end, Receipt):
            return Exit.OK
        if isinstance(self.end, AuthenticationError):
            return Exit.KEY
        if isinstance(self.end, OutOfCredits):
            return Exit.STOPPED
        return Exit.UNKNOWN if self.end.status is Status.UNKNOWN else Exit.PARTIAL

    def to_dict(self) -> dict[str, object]:
        if isinstance(self.end, Receipt):
            return {"status": "sent", **self.end.to_dict()}
        error = self.end
        named = {"status": str(error.status), "phone": self.phone}
        return {**named, "code": error.code, "detail": error.detail}

    def __str__(self) -> str:
        if isinstance(self.end, SendError):
            fate = self.end.status.replace("_", " ")
            return f"{self.phone} {fate}: {self.end.code}{_behind(': ', self.end.detail)}"
        credits_left = self.end.remaining_credits
        left = None if credits_left is None else f"{credits_left:,} credits left"
        return f"{self.phone} sent{_behind(', ', self.end.message_id)}{_behind(', ', left)}"


def _behind(sign: str, said: str | None) -> str:
    return f"{sign}{said}" if said else ""


async def _unless_interrupted(work: Coroutine[object, object, Result]) -> Result | None:
    """Run *work*; None if it was interrupted, and the log says what became of it."""
    with contextlib.suppress(asyncio.CancelledError):
        return await interruptible(work, lambda: say(_WAITS))
    return None


async def _send_all(
    connection: Connection, texts: Sequence[tuple[str, str]], timeout: float | None
) -> list[_Fate]:
    async with connection.open() as sms:

        async def send_one(phone: str, text: str) -> _Fate:
            try:
                return _Fate(phone, await sms.send(phone, text, timeout=timeout))
            except SendError as error:
                return _Fate(phone, error)

        try:
            return await asyncio.gather(*itertools.starmap(send_one, texts))
        except asyncio.CancelledError:
            await _wait_or_give_up(sms)
            raise


async def _wait_or_give_up(sms: CustomerSMS) -> None:
    """Wait for requests in flight, until a second interruption."""
    try:
        await sms.aclose()
    except asyncio.CancelledError:
        await sms.aclose(drain=0)
