"""
`CustomerSMS` for programs without an event loop: Django, Flask, Celery, scripts.

    from customersms_async.sync import CustomerSMS

    with CustomerSMS() as sms:                             # key from CUSTOMERSMS_API_KEY
        receipt = sms.send("+12125551234", "Your code is 4711", timeout=5)
        report = sms.send_many(numbers, "We open at nine")

        with sms.stream_many(read_numbers(), "We open at nine") as bulk:
            for outcome in bulk:
                store(outcome)

The calls, values and errors are those of `customersms_async.CustomerSMS`, and so are the promises.
All clients of a process share one event loop, which starts with the first call, in a thread of its
own. They may be used from any thread, in a forked child as well, and a program that ends without
closing them ends quietly. Coroutines await the asynchronous client instead: a call in a thread that
runs an event loop is refused.

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
    """Load the outbox when it is first asked for: it takes as long as all the rest."""
    if name in ("Campaign", "Outbox"):
        return getattr(import_module(f"{__name__}.outbox"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
