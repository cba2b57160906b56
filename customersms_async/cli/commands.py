"""The commands, with a description of each."""

from typing import Final, NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """The module of a command, and a one-line description."""

    module: str
    about: str


COMMANDS: Final = {
    "check": Command("check", "Check a list of recipients; sends nothing and needs no key."),
    "bulk": Command("bulk", "Send a list: plan, confirm, run; run it again to continue."),
    "status": Command("manage", "Show how far a list is."),
    "pause": Command("manage", "Send nothing new, in any process."),
    "resume": Command("manage", "Continue a list that was paused or held."),
    "resolve": Command("manage", "Resolve unknown messages: sent after all, or send again."),
    "export": Command("export", "Write the list with the fate of each row."),
    "worker": Command("worker", "Send what applications enqueue, until Ctrl-C."),
    "send": Command("send", "Send one text to one or a few numbers."),
    "segments": Command("segments", "Count the segments of a text, and show what makes it long."),
    "sandbox": Command("sandbox", "Run a gateway on this machine that sends nothing."),
}
