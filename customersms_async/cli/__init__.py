"""
The command ``customersms``: checks, plans and sends a list.

Rules of this module:

1. A command and its dependencies are imported when it runs. Listing the commands imports neither
   the client nor the library that parses the command line.
2. Results go to standard output, everything else to standard error.
3. The exit status says what became of the messages (see `Exit`).
"""

import io
import sys
from collections.abc import Sequence
from typing import Final

from .commands import COMMANDS
from .exits import Exit

__all__ = ["Exit", "main"]

_USAGE: Final = """\
Usage: customersms COMMAND ...

Send text messages through the customersms.pro gateway.

Commands:
{commands}

customersms COMMAND --help describes one of them.
customersms --install-completion lets this shell complete commands and options.
The key comes from CUSTOMERSMS_API_KEY, a file (--key-file) or a prompt.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Args:
        arguments: The words after the program's name; by default those of the process.

    Returns:
        The exit status; see `Exit`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else what it cannot show would end a command
            stream.reconfigure(errors="backslashreplace")
    if not words or words[0] in ("--help", "-h", "help"):
        sys.stdout.write(_usage())
        return Exit.OK if words else Exit.USAGE
    if words[0] == "sandbox":
        from ..sandbox.__main__ import main as serve  # noqa: PLC0415  # see rule 1

        return serve(words[1:], program="customersms sandbox")
    return _run(words)


def _usage() -> str:
    lines = (f"  {name:10} {command.about}" for name, command in COMMANDS.items())
    return _USAGE.format(commands="\n".join(lines))


def _run(words: list[str]) -> int:
    try:
        return _run_app(words)
    except KeyboardInterrupt:  # even while a command is being imported
        return Exit.INTERRUPTED


def _run_app(words: list[str]) -> int:
    try:
        from .app import run  # noqa: PLC0415  # see rule 1
    except ModuleNotFoundError as exc:
        install = "pip install 'customersms-async[cli]'"
        sys.stderr.write(f"customersms needs its extra: {install} (there is no {exc.name})\n")
        return Exit.ERROR
    return run(words)
