"""
The words in ``Outcome.code`` and ``SendError.code`` where the gateway gave none.

They are stable: programs may compare with them. The gateway's own words (``INVALID_API_KEY``,
``INSUFFICIENT_CREDITS`` ...) are an open set and are passed on as they are, in upper case.
"""

from typing import Final

# Never handed over.
INVALID_PHONE: Final = "INVALID_PHONE"  #: the input is no phone number, or not a string
INVALID_MESSAGE: Final = "INVALID_MESSAGE"  #: the text is empty, no string, or cannot be encoded
DUPLICATE: Final = "DUPLICATE"  #: stood earlier in the same run
SKIPPED: Final = "SKIPPED"  #: the option ``skip`` named it
BAD_QUOTES: Final = "BAD_QUOTES"  #: a row of a list has a quotation mark that is not closed
ROW_TOO_LONG: Final = "ROW_TOO_LONG"  #: a row of a list has more cells than the list has columns
NUL_CHARACTER: Final = "NUL_CHARACTER"  #: a row of a list is damaged, or in another encoding
HEADER_AGAIN: Final = "HEADER_AGAIN"  #: a row of a list is its header again
SPREADSHEET_ERROR: Final = "SPREADSHEET_ERROR"  #: a row of a list has an error like #N/A
NO_PHONE: Final = "NO_PHONE"  #: a row of a list has no number
EMPTY_CELL: Final = "EMPTY_CELL"  #: a row of a list lacks something that its text asks for
#: What is wrong with an input itself, or that somebody does not want it sent.
REFUSED_AS_INPUT: Final = frozenset(
    {INVALID_PHONE, INVALID_MESSAGE, SKIPPED, BAD_QUOTES, ROW_TOO_LONG, NUL_CHARACTER}
    | {HEADER_AGAIN, SPREADSHEET_ERROR, NO_PHONE, EMPTY_CELL}
)
TAKEN: Final = "TAKEN"  #: the journal did not let it go: it was claimed elsewhere
CONNECT_FAILED: Final = "CONNECT_FAILED"  #: no connection, so no byte of the request left
WAIT_TOO_LONG: Final = "WAIT_TOO_LONG"  #: the queue is too long for the time it has
PAUSED: Final = "PAUSED"  #: the key is paused after a refusal for the rate, beyond the time it has
LIMITER_OPENING: Final = "LIMITER_OPENING"  #: a shared limiter calls the roll, beyond that time
TIME_IS_OVER: Final = "TIME_IS_OVER"  #: too little time was left for the hand-over and the answer
RATE_LIMITED: Final = "RATE_LIMITED"  #: the gateway turned it away for the rate, and time is over
LIMITER_UNAVAILABLE: Final = "LIMITER_UNAVAILABLE"  #: the shared limiter cannot be asked
JOURNAL_FAILED: Final = "JOURNAL_FAILED"  #: the journal did not take the claim

# A run that ended early: the rest carries the word of what ended it, or the gateway's.
STOPPED: Final = "STOPPED"  #: `Bulk.stop` was called, the block ended, or the client was closed
CANCELLED: Final = "CANCELLED"  #: the task that awaited it was cancelled
TIME_IS_UP: Final = "TIME_IS_UP"  #: ``stop_after`` seconds have passed
NO_CREDITS: Final = "NO_CREDITS"  #: the balance is, or the next request would take it, too low
BUDGET_SPENT: Final = "BUDGET_SPENT"  #: ``max_credits`` leaves nothing for the rest
TOO_MANY_UNKNOWN: Final = "TOO_MANY_UNKNOWN"  #: ``max_unknown`` requests in a row had no answer
TOO_MANY_REJECTED: Final = "TOO_MANY_REJECTED"  #: the share ``max_rejected`` was reached
INPUT_FAILED: Final = "INPUT_FAILED"  #: the caller's own iterable raised

# Handed over, fate unknown.
ANSWER_LOST: Final = "ANSWER_LOST"  #: the connection ended, or time was up, before the answer came
ANSWER_UNREADABLE: Final = "ANSWER_UNREADABLE"  #: what came is not an answer as documented
MISSING_IN_ANSWER: Final = "MISSING_IN_ANSWER"  #: the answer does not name this number
CONTRADICTED: Final = "CONTRADICTED"  #: the answer names this number more than once, yes and no

# Refused, and the gateway gave no word for it; a bare HTTP refusal is ``HTTP_<status>``.
REJECTED: Final = "REJECTED"
