"""
customersms-async: the asyncio client of the customersms.pro SMS gateway.

Never over the limit; never twice, never silently lost; no ceremony, no weight. Start with
`CustomerSMS`. The sandbox is imported by its own path, ``customersms_async.sandbox``.
"""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._public import (
        NOT_GIVEN,
        AuthenticationError,
        Batch,
        Bulk,
        BulkFailed,
        BulkInterrupted,
        BulkOptions,
        ConfigurationError,
        ConnectFailed,
        Credits,
        CustomerSMS,
        CustomerSMSError,
        FileLimiter,
        InvalidMessage,
        InvalidPhone,
        Journal,
        Lane,
        Limiter,
        LimiterUnavailable,
        LocalLimiter,
        Message,
        MessageOptions,
        NotGiven,
        NotSent,
        Outcome,
        OutcomeUnknown,
        OutOfCredits,
        Progress,
        Rate,
        RateLimited,
        Receipt,
        Rejected,
        Report,
        RequestRecord,
        SendError,
        Slot,
        Status,
        StopRules,
        Ticket,
        Usage,
        WaitTooLong,
    )
else:

    def __getattr__(name: str) -> object:
        """Load the client once a name of it is asked for; the sandbox and the plugin do without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        from . import _public  # noqa: PLC0415  # for pytest loads this package in every project

        globals().update({public: getattr(_public, public) for public in __all__})
        return globals()[name]


__all__ = [
    "NOT_GIVEN",
    "AuthenticationError",
    "Batch",
    "Bulk",
    "BulkFailed",
    "BulkInterrupted",
    "BulkOptions",
    "ConfigurationError",
    "ConnectFailed",
    "Credits",
    "CustomerSMS",
    "CustomerSMSError",
    "FileLimiter",
    "InvalidMessage",
    "InvalidPhone",
    "Journal",
    "Lane",
    "Limiter",
    "LimiterUnavailable",
    "LocalLimiter",
    "Message",
    "MessageOptions",
    "NotGiven",
    "NotSent",
    "OutOfCredits",
    "Outcome",
    "OutcomeUnknown",
    "Progress",
    "Rate",
    "RateLimited",
    "Receipt",
    "Rejected",
    "Report",
    "RequestRecord",
    "SendError",
    "Slot",
    "Status",
    "StopRules",
    "Ticket",
    "Usage",
    "WaitTooLong",
]

# What an application has not asked to see is not written to its standard error.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
