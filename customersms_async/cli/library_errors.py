"""
Errors of the library in words of the command line.

Rule of this module: an error says in its attributes what this needs; its text is not searched.
"""

from __future__ import annotations

from typing import Final

from .._recipients.option_text import OptionText
from ..errors import ConfigurationError, CustomerSMSError, InvalidPhone
from ..phones import is_without_country
from ..recipients import RecipientsError

__all__ = ["in_words_of_the_command", "typed_number"]

#: File errors in plain words.
_FILES: Final[dict[type[Exception], str]] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "is a folder; name a file",
    PermissionError: "cannot be opened: permission denied, or it is open in another program",
}


def in_words_of_the_command(exc: Exception) -> str:
    """Say what went wrong, with options instead of arguments in Python."""
    if isinstance(exc, RecipientsError):
        return str(RecipientsError(exc.path, *map(_with_flags, exc.problems)))
    if isinstance(exc, ConfigurationError):
        return exc.why
    if isinstance(exc, OSError) and exc.filename and not isinstance(exc, CustomerSMSError):
        return f"{exc.filename}: {_FILES.get(type(exc), exc.strerror)}"
    return str(exc)


def typed_number(exc: InvalidPhone) -> str:
    """Show what was typed unmasked: it is on the user's screen anyway."""
    country = "; or name its country, like --country US" if is_without_country(exc.reason) else ""
    return f"{exc.phone!r} {exc.reason}{country}"


def _with_flags(problem: str) -> str:
    return problem.spelled(_flag) if isinstance(problem, OptionText) else problem


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
