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
"""

from .bulk import Bulk
from .client import CustomerSMS

__all__ = ["Bulk", "CustomerSMS"]

for _public in (Bulk, CustomerSMS):
    _public.__module__ = __name__
