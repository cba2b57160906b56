"""
The identity of a database file: a rename keeps it, and a copy has another.

The inode alone is not enough: a file system like ext4 gives that of a deleted file to the next one,
which may be the backup that replaces it. So the time at which the file was created is part of it,
if the system tells that: Linux only by statx(2), which `os` has since Python 3.15.
"""

from __future__ import annotations

import os
import struct
from typing import Final

__all__ = ["name_file"]

#: Of statx(2) and <linux/stat.h>: the flag for the time of birth, where it is, and the size of all.
_AT_FDCWD: Final = -100
_BTIME: Final = 0x800
_BTIME_AT: Final = 80
_SIZE: Final = 256


def name_file(path: str) -> str:
    """
    Return the identity of the file at *path*.

    The file is not opened: closing it again would drop SQLite's locks.

    Raises:
        FileNotFoundError: There is no such file.
    """
    found = os.stat(path)  # noqa: PTH116  # beside statx, which takes the same path
    born = getattr(found, "st_birthtime", None) or _born_at(os.fsencode(path))
    return f"inode {found.st_ino}" + (f", created {born}" if born else "")


def _born_at(path: bytes) -> str:
    """Return when a file was created, or "" if the system does not tell."""
    try:
        import ctypes  # noqa: PLC0415  # some builds of Python lack it

        statx = ctypes.CDLL(None).statx
    except (ImportError, AttributeError, OSError, TypeError):
        return ""
    answer = ctypes.create_string_buffer(_SIZE)
    if statx(_AT_FDCWD, path, 0, _BTIME, answer):
        return ""
    (mask,) = struct.unpack_from("=I", answer)
    seconds, nanoseconds = struct.unpack_from("=qI", answer, _BTIME_AT)
    return f"{seconds}.{nanoseconds:09}" if mask & _BTIME else ""
