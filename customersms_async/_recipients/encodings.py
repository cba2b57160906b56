"""
How a file is encoded.

The first of these that applies decides:

1. The encoding that the caller named.
2. A byte-order mark: UTF-8, UTF-32, UTF-16.
3. A zero in every second byte, as in UTF-16 without a mark.
4. UTF-8, if the whole file is valid.
5. Windows-1252, if the whole file is valid: what Excel writes in the West as "CSV".
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from .option_text import Option, OptionText
from .table import RecipientsError

__all__ = ["GUESSED", "find_encoding"]

#: What no file proves: each encoding of one byte per letter can be read as another.
GUESSED: Final = "cp1252"

_AT_ONCE: Final = 1 << 18
_SAMPLE: Final = 1_024

# UTF-32 first: its mark begins like that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NAME_IT: Final = ("; say which with ", Option("encoding"), ", or save it again as CSV UTF-8")


def find_encoding(path: Path, given: str | None) -> str:
    """
    Find the encoding of a file, with which all of it can be decoded.

    Raises:
        RecipientsError: It is empty, or no encoding fits.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    if not sample:
        raise RecipientsError(path, "is empty")
    guesses = [given] if given else _guesses(sample)
    faults: list[str] = []
    for encoding in guesses:
        fault = _fault(path, encoding)
        if fault is None:
            return encoding
        faults.append(fault)
    no = "neither" if len(faults) > 1 else "not"
    raise RecipientsError(path, OptionText(f"is {no} {' nor '.join(faults)}", *_NAME_IT))


def _guesses(sample: bytes) -> list[str]:
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return [encoding]
    pairs = len(sample) // 2
    if sample[1::2].count(0) > pairs // 2:
        return ["utf-16-le"]
    if sample[::2].count(0) > pairs // 2:
        return ["utf-16-be"]
    return ["utf-8", GUESSED]


def _fault(path: Path, encoding: str) -> str | None:
    """Decode the whole file, a little at a time; return where that fails, or None."""
    decoder, done = _decoder(path, encoding), 0
    with path.open("rb") as file:
        try:
            while piece := file.read(_AT_ONCE):
                decoder.decode(piece)
                done += len(piece)
            decoder.decode(b"", final=True)
        except UnicodeError as exc:  # for UTF-16 without a mark, it has no position
            return f"{encoding} near byte {done + getattr(exc, 'start', 0):,}"
    return None


def _decoder(path: Path, encoding: str) -> codecs.IncrementalDecoder:
    try:
        "x".encode(encoding)  # `codecs` has others that are not text encodings, such as hex
        return codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError):
        wrong = f"cannot be read as {encoding!r}: there is no such encoding"
        raise RecipientsError(path, OptionText(wrong, *_NAME_IT)) from None
