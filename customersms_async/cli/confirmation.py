"""
Confirmation that exactly this is to be sent.

Rules of this module:

1. A confirmation holds until something changes: the same command does not ask again.
2. A list may grow or shrink and be confirmed again. A different text, options or opt-outs need
   another campaign, since messages with the old ones are already queued.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ..plan import Plan
from .confirmation_file import Confirmation
from .console import say
from .exits import UsageError
from .selection import Selection

__all__ = ["Changed", "agree", "check_unchanged"]

_LIST: Final = "the list"


class Changed(Exception):  # named after what a person has to know
    """It differs from what was confirmed; the text says how."""


def agree(
    file: Path, campaign: str, wanted: Confirmation, plan: Plan, *, yes: bool, token: str | None
) -> None:
    """
    Return once exactly this is confirmed for a campaign, now or earlier.

    Raises:
        Changed: It differs from what was confirmed.
        UsageError: There is no terminal to ask on.
    """
    known = Confirmation.read(file, campaign)
    selection = wanted.selection
    if known is not None and known.selection == selection:
        return
    if token is not None and token != selection.token:
        raise Changed(_other_token(token, selection))
    if known is not None:
        _check_change(selection.changed_from(known.selection), file, selection, is_new=bool(token))
    elif not (yes or token):
        _ask(plan, selection)
    wanted.write(file, campaign)


def check_unchanged(file: Path, confirmed: Confirmation) -> None:
    """
    Check again after the list was read: it may have been saved meanwhile.

    Raises:
        Changed: It differs from what was confirmed; nothing of it was sent.
    """
    if Selection.of(file, confirmed.options) != confirmed.selection:
        msg = f"{file.name} was changed while it was being read; nothing was sent, check it again"
        raise Changed(msg)


def _check_change(changed: list[str], file: Path, selection: Selection, *, is_new: bool) -> None:
    what = " and ".join(changed)
    if changed != [_LIST]:
        msg = (
            f"since it was confirmed, changed: {what}; change it back, "
            "or start another campaign with --campaign NAME"
        )
        raise Changed(msg)
    if not is_new:
        msg = (
            f"since it was confirmed, changed: {what}; check it with customersms check {file}, "
            f"then confirm it: --confirm {selection.token}"
        )
        raise Changed(msg)


def _other_token(token: str, selection: Selection) -> str:
    return (
        f"{token} confirms another list, text or options than these; "
        f"check them with customersms check, then --confirm {selection.token}"
    )


def _ask(plan: Plan, selection: Selection) -> None:
    if not sys.stdin.isatty():
        msg = f"there is no terminal to confirm on; use --yes, or --confirm {selection.token}"
        raise UsageError(msg)
    say("")
    say(f"Type yes to send {plan.recipients:,} messages, anything else to cancel.")
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        msg = "cancelled; nothing was sent"
        raise UsageError(msg)
