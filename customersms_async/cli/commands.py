"""The commands, and what to say of each."""

from typing import Final, NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """Where a command stands, and what it does in one line."""

    module: str
    about: str


COMMANDS: Final = {
    "check": Command("check", "Look at a list of recipients, without sending or a key."),
    "bulk": Command("bulk", "Send a list: plan, confirm, run; the same command goes on."),
    "status": Command("manage", "Say how far a list is."),
    "pause": Command("manage", "Let nothing new leave, whichever process sends."),
    "resume": Command("manage", "Let a list go on that was paused or held."),
    "resolve": Command("manage", "Say of unknown messages: sent after all, or send again."),
    "export": Command("export", "Write the list with what became of each row."),
    "worker": Command("worker", "Send what applications enqueue, until Ctrl-C."),
    "send": Command("send", "Send one text to one or a few numbers."),
    "segments": Command("segments", "Count the segments of a text, and say what makes it long."),
    "sandbox": Command("sandbox", "Run a gateway on this machine that sends nothing."),
}
