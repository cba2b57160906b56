"""
customersms-async: the asyncio client of the customersms.pro SMS gateway.

Never over the limit; never twice, never silently lost; no ceremony, no weight. Start with
`CustomerSMS`. The sandbox has its own import path, ``customersms_async.sandbox``.
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
        """Import the client on first use; the sandbox and the pytest plugin do not need it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        from . import _public  # noqa: PLC0415  # pytest imports this package in every project

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

# Without this, warnings would go to the standard error of applications that configure no logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
