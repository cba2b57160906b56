"""The command line, parsed by cyclopts; each command is imported when it runs."""

from __future__ import annotations

import sys
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from ..errors import CustomerSMSError, InvalidPhone
from .commands import COMMANDS
from .console import complain, forget_output
from .exits import Exit, UsageError
from .library_errors import in_words_of_the_command, typed_number

__all__ = ["make_app", "run"]

_INSTALL: Final = "--install-completion"


def make_app() -> App:
    """Make the command line of all commands, without importing any of them."""
    app = App(
        name="customersms",
        help="Send text messages through the customersms.pro gateway.",
        default_parameter=Parameter(negative=(), show_default=False),
        help_format="plaintext",
        result_action="return_value",
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name, command in COMMANDS.items():
        path = f"{__package__}.{command.module}:{name}"
        app.command(path, name=name, help=command.about)
    register = app.register_install_completion_command  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # its options have no types
    register(_INSTALL)
    return app


def run(words: list[str]) -> int:
    """
    Run one command.

    Returns:
        The exit status.
    """
    try:
        status = make_app()(words)
        sys.stdout.flush()
    except CycloptsError:
        return Exit.USAGE  # cyclopts has printed why
    except BrokenPipeError:
        forget_output()
        return Exit.ERROR
    except (UsageError, InvalidPhone) as exc:  # lists have refusals, so this number was typed
        complain(typed_number(exc) if isinstance(exc, InvalidPhone) else str(exc))
        return Exit.USAGE
    except (CustomerSMSError, ModuleNotFoundError, OSError) as exc:
        complain(in_words_of_the_command(exc))
        return Exit.ERROR
    return Exit.OK if status is None else int(status)
