"""The commands, and what to say of each."""

from typing import Final

__all__ = ["COMMANDS"]

#: The function of a command stands in the module of the same name.
COMMANDS: Final = {
    "check": "Look at a list of recipients, without sending anything and without a key.",
    "send": "Send one text to one or a few numbers.",
    "segments": "Count the segments of a text, and say what makes it long.",
    "sandbox": "Run a gateway on this machine that sends nothing.",
}
