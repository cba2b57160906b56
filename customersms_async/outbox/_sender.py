"""The client that sends a campaign, as far as its runs need it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ..client import CustomerSMS, route_of
from ..outcomes import Credits

__all__ = ["Sender", "check_client"]


def check_client(sms: object) -> CustomerSMS:
    """
    Check the client of a campaign, and return it.

    Raises:
        TypeError: It is not a client.
    """
    if isinstance(sms, CustomerSMS):
        return sms
    kind = f"{type(sms).__module__}.{type(sms).__qualname__}"
    msg = f"sms must be a customersms_async.CustomerSMS, not {kind}"
    raise TypeError(msg)


@frozen(kw_only=True)
class Sender:
    """
    What a run knows of its client.

    Attributes:
        account: The hash that stands for its key.
        endpoint: The URL that it sends to.
        credits: Returns the last balance that it heard, or None.
        longest: Returns the seconds that a request with a given count of numbers may take.
        numbers: Returns the numbers of all attempts that have begun, and of those that have ended.
    """

    account: str
    endpoint: str
    credits: Callable[[], Credits | None]
    longest: Callable[[int], float]
    numbers: Callable[[], tuple[int, int]]

    @classmethod
    def of(cls, sms: object) -> Sender:
        """
        Describe a client.

        Raises:
            TypeError: It is not a client.
        """
        client = check_client(sms)
        endpoint, context = route_of(client)
        return cls(
            account=client.account,
            endpoint=endpoint,
            credits=lambda: client.credits,
            longest=context.timeout_for,
            numbers=lambda: (context.begun, context.ended),
        )
