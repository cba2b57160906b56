"""The public names in one place, as users import them."""

from ._bulk.options import BulkOptions, MessageOptions
from ._bulk.stop_rules import StopRules
from ._environment import NOT_GIVEN, NotGiven
from ._ports.hooks import RequestRecord
from ._ports.journal import Batch, Journal
from ._ports.limiter import Lane, Limiter, Slot, Ticket, Usage
from ._values.status import Status
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
    WaitTooLong,
)
from .limiters import FileLimiter, LocalLimiter, Rate
from .outcomes import Credits, Message, Outcome, Progress, Receipt, Report

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

# Tracebacks and documentation show the names that users import.
for _name in __all__:
    globals()[_name].__module__ = __package__
