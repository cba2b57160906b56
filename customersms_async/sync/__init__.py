"""
`CustomerSMS` for programs without an event loop: Django, Flask, Celery, scripts.

    from customersms_async.sync import CustomerSMS

    with CustomerSMS() as sms:                             # key from CUSTOMERSMS_API_KEY
        receipt = sms.send("+12125551234", "Your code is 4711", timeout=5)
        report = sms.send_many(numbers, "We open at nine")

        with sms.stream_many(read_numbers(), "We open at nine") as bulk:
            for outcome in bulk:
                store(outcome)

Calls, values, errors and promises are those of `customersms_async.CustomerSMS`. All clients of a
process share one event loop, which starts at the first call, in a background thread. Clients may be
used from any thread, and in a forked child; a program may exit without closing them. Coroutines
should await the asynchronous client instead: a call in a thread that runs an event loop is refused.

`Outbox` and its `Campaign` are those of `customersms_async.outbox`, without `await`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .bulk import Bulk
from .client import CustomerSMS

if TYPE_CHECKING:
    from .outbox import Campaign, Outbox

__all__ = ["Bulk", "Campaign", "CustomerSMS", "Outbox"]

for _public in (Bulk, CustomerSMS):
    _public.__module__ = __name__


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the class that is asked for
    """Import the outbox on first use: it takes as long as everything else together."""
    if name in ("Campaign", "Outbox"):
        return getattr(import_module(f"{__name__}.outbox"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
