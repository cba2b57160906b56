"""The commands, and what to say of each."""

from typing import Final, NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """Where a command stands, and what it does in one line."""

    module: str
    about: str


COMMANDS: Final = {
    "check": Command("check", "Look at a list of recipients, without sending or a key."),
    "send": Command("send", "Send one text to one or a few numbers."),
    "segments": Command("segments", "Count the segments of a text, and say what makes it long."),
    "sandbox": Command("sandbox", "Run a gateway on this machine that sends nothing."),
}
