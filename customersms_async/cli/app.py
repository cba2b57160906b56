"""The command line, parsed by cyclopts; each command is imported when it runs."""

from __future__ import annotations

import re
import sys
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from ..errors import CustomerSMSError, InvalidPhone
from ..phones import is_without_country
from .commands import COMMANDS
from .console import complain, forget_output
from .exits import Exit, UsageError

__all__ = ["make_app", "run"]

#: How an error of the library names an argument that is a command-line option.
_ARGUMENT: Final = re.compile(r"\b(phone|text|text_file|encoding|sheet|delimiter|country)=")

#: A hint of the library that does not apply to a command.
_ANYWAY: Final = "; allow_insecure_http=True allows it"

#: File errors in plain words.
_FILES: Final[dict[type[Exception], str]] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "is a folder; name a file",
    PermissionError: "cannot be opened: permission denied, or it is open in another program",
}

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
        complain(_typed_number(exc) if isinstance(exc, InvalidPhone) else str(exc))
        return Exit.USAGE
    except (CustomerSMSError, ModuleNotFoundError, OSError) as exc:
        complain(_in_words_of_the_command(exc))
        return Exit.ERROR
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK if status is None else int(status)


def _in_words_of_the_command(exc: Exception) -> str:
    if isinstance(exc, OSError) and exc.filename and not isinstance(exc, CustomerSMSError):
        return f"{exc.filename}: {_FILES.get(type(exc), exc.strerror)}"
    return _ARGUMENT.sub(_as_option, str(exc).removesuffix(_ANYWAY))


def _typed_number(exc: InvalidPhone) -> str:
    """Show what was typed unmasked: it is on the user's screen anyway."""
    country = "; or name its country, like --country US" if is_without_country(exc.reason) else ""
    return f"{exc.phone!r} {exc.reason}{country}"


def _as_option(argument: re.Match[str]) -> str:
    return f"--{argument[1].replace('_', '-')}"
