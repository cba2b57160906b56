"""
customersms-async: the asyncio client of the customersms.pro SMS gateway.

Never over the limit; never twice, never silently lost; no ceremony, no weight. Start with
`CustomerSMS`. The sandbox is imported by its own path, ``customersms_async.sandbox``.
"""

import logging

from ._options import BulkOptions, MessageOptions
from ._ports import (
    Batch,
    Journal,
    Lane,
    Limiter,
    RequestRecord,
    Slot,
    Ticket,
    Usage,
)
from .bulk import Bulk
from .client import CustomerSMS
from .errors import (
    AuthenticationError,
    BulkFailed,
    BulkInterrupted,
    ConfigurationError,
    ConnectFailed,
    CustomerSMSError,
    InvalidMessage,
    InvalidPhone,
    LimiterUnavailable,
    NotSent,
    OutcomeUnknown,
    OutOfCredits,
    RateLimited,
    Rejected,
    SendError,
    Status,
    WaitTooLong,
)
from .limiters import LocalLimiter, Rate
from .outcomes import Credits, Message, Outcome, Progress, Receipt, Report

__all__ = [
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
    "InvalidMessage",
    "InvalidPhone",
    "Journal",
    "Lane",
    "Limiter",
    "LimiterUnavailable",
    "LocalLimiter",
    "Message",
    "MessageOptions",
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
    "Ticket",
    "Usage",
    "WaitTooLong",
]

# What an application has not asked to see is not written to its standard error.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Tracebacks and documentation show the names that users import.
for _name in __all__:
    globals()[_name].__module__ = __name__
