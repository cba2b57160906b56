"""
The values of ``Outcome.code`` and ``SendError.code`` that do not come from the gateway.

They are stable: programs may compare with them. The gateway's own codes (``INVALID_API_KEY``,
``INSUFFICIENT_CREDITS`` ...) are an open set and are passed on unchanged, in upper case.
"""

from typing import Final

# Never handed over.
INVALID_PHONE: Final = "INVALID_PHONE"  #: the input is not a phone number, or not a string
INVALID_MESSAGE: Final = "INVALID_MESSAGE"  #: the text is empty, not a string, or not encodable
DUPLICATE: Final = "DUPLICATE"  #: appeared earlier in the same run
SKIPPED: Final = "SKIPPED"  #: left out by the option ``skip``
BAD_QUOTES: Final = "BAD_QUOTES"  #: a row of a list has a quotation mark that is not closed
ROW_TOO_LONG: Final = "ROW_TOO_LONG"  #: a row of a list has more cells than the list has columns
NUL_CHARACTER: Final = "NUL_CHARACTER"  #: a row of a list is damaged, or in another encoding
HEADER_AGAIN: Final = "HEADER_AGAIN"  #: a row of a list repeats its header
SPREADSHEET_ERROR: Final = "SPREADSHEET_ERROR"  #: a row of a list has an error like #N/A
NO_PHONE: Final = "NO_PHONE"  #: a row of a list has no number
EMPTY_CELL: Final = "EMPTY_CELL"  #: a row of a list lacks a value for its text
#: Codes of inputs that are bad in themselves, or not to be sent.
REFUSED_AS_INPUT: Final = frozenset(
    {INVALID_PHONE, INVALID_MESSAGE, SKIPPED, BAD_QUOTES, ROW_TOO_LONG, NUL_CHARACTER}
    | {HEADER_AGAIN, SPREADSHEET_ERROR, NO_PHONE, EMPTY_CELL}
)
TAKEN: Final = "TAKEN"  #: the journal refused it: it was claimed elsewhere
REF_CONFLICT: Final = "REF_CONFLICT"  #: a campaign has its ref with another phone or text
WITHDRAWN: Final = "WITHDRAWN"  #: removed from a campaign by `Campaign.withdraw`
CONNECT_FAILED: Final = "CONNECT_FAILED"  #: no connection, so no byte of the request left
WAIT_TOO_LONG: Final = "WAIT_TOO_LONG"  #: the queue is longer than its time allows
PAUSED: Final = "PAUSED"  #: a refusal for the rate pauses the key for longer than its time allows
LIMITER_OPENING: Final = "LIMITER_OPENING"  #: a shared limiter's roll call takes longer than that
TIME_IS_OVER: Final = "TIME_IS_OVER"  #: too little time was left to send it and read the answer
RATE_LIMITED: Final = "RATE_LIMITED"  #: the gateway refused it for the rate until time was over
LIMITER_UNAVAILABLE: Final = "LIMITER_UNAVAILABLE"  #: the shared limiter's store is unavailable
JOURNAL_FAILED: Final = "JOURNAL_FAILED"  #: the journal did not accept the claim

# A run that ended early: the rest carries the code of what ended it, or the gateway's.
STOPPED: Final = "STOPPED"  #: `Bulk.stop` was called, the block ended, or the client was closed
CANCELLED: Final = "CANCELLED"  #: the awaiting task, or the campaign, was cancelled
TIME_IS_UP: Final = "TIME_IS_UP"  #: ``stop_after`` seconds have passed
NO_CREDITS: Final = "NO_CREDITS"  #: the balance is too low, or would be after the next request
BUDGET_SPENT: Final = "BUDGET_SPENT"  #: ``max_credits`` does not allow the rest
TOO_MANY_UNKNOWN: Final = "TOO_MANY_UNKNOWN"  #: ``max_unknown`` requests in a row had no answer
TOO_MANY_REJECTED: Final = "TOO_MANY_REJECTED"  #: the share ``max_rejected`` was reached
INPUT_FAILED: Final = "INPUT_FAILED"  #: the caller's own iterable raised

# Handed over, fate unknown.
ANSWER_LOST: Final = "ANSWER_LOST"  #: the connection ended, or time was up, before the answer
ANSWER_UNREADABLE: Final = "ANSWER_UNREADABLE"  #: the answer is not as documented
MISSING_IN_ANSWER: Final = "MISSING_IN_ANSWER"  #: the answer does not contain this number
CONTRADICTED: Final = "CONTRADICTED"  #: the answer has this number more than once, yes and no
WORKER_DIED: Final = "WORKER_DIED"  #: the process that sent a campaign ended, or hung

# Refused without a code from the gateway; a bare HTTP refusal is ``HTTP_<status>``.
REJECTED: Final = "REJECTED"
