"""A row of a list of recipients that cannot be sent to."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from .._values.export import as_dict
from .._values.redaction import mask_phone
from .._values.status import Status, Verdict

__all__ = ["Refusal", "row_ref"]


def row_ref(number: int) -> str:
    """Return the ref of a row with this number in its spreadsheet: ``row-17``."""
    return f"row-{number}"


@frozen
class Refusal:
    """
    A row that is not a message, and why.

    Attributes:
        row: Its number, as a spreadsheet shows it.
        code: A stable upper-case word: its class.
        reason: What is wrong with it and what would be right, in one line.
        phone: The content of its number cell; shown only by its shape.
    """

    row: int
    code: str
    reason: str
    phone: str = field(default="", repr=mask_phone)

    @property
    def ref(self) -> str:
        """Its ref, named like the `Message.ref` of a good row: ``row-17``."""
        return row_ref(self.row)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the ref as JSON types."""
        return as_dict(self, also=["ref"])

    @property
    def verdict(self) -> Verdict:
        """Its fate in a run: it is not sent, and sending it again would end the same way."""
        return Verdict(Status.NOT_SENT, self.code, self.reason)

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"
