"""
Where a database file should not lie: on a network folder, or in one that a program keeps in step.

SQLite's locks and its log need the kernel of one machine. Over a network two machines may both pass
a fence, and a program that copies files about replaces the log behind SQLite's back.
Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["find_hazard", "read_mounts"]

_MOUNTS: Final = Path("/proc/self/mountinfo")

#: File systems of a network, as Linux calls them; those in user space begin with ``fuse.``.
_OVER_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|ceph|glusterfs|lustre|gpfs|beegfs|orangefs|9p|davfs"
    r"|fuse\.(sshfs|rclone|s3fs|gcsfuse|glusterfs|davfs2?|smbnetfs|ceph.*|juicefs|goofys)"
)

#: Folders that belong to a program which copies what is in them to other machines.
_IN_STEP: Final = re.compile(
    r"dropbox|onedrive.*|google ?drive|my drive|icloud ?drive|mobile documents|nextcloud|owncloud"
    r"|syncthing|box sync|pcloud ?drive",
    re.IGNORECASE,
)

_OCTAL: Final = re.compile(r"\\(\d{3})")


def read_mounts() -> str:
    """Read what is mounted where; nothing on systems that do not tell."""
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def find_hazard(path: Path, mounts: str) -> str | None:
    """
    Say on what a file lies that no database file should lie on; None where it is well.

    Args:
        path: The file, absolute and without links.

        mounts: What `read_mounts` gives.
    """
    if str(path).startswith(("\\\\", "//")):
        return "a network folder"
    for part in path.parts[:-1]:
        if _IN_STEP.fullmatch(part):
            return f"a folder that a program keeps in step ({part})"
    kind = _file_system(path, mounts)
    return f"a network folder ({kind})" if kind and _OVER_NETWORK.fullmatch(kind) else None


def _file_system(path: Path, mounts: str) -> str | None:
    """Give the file system of the deepest mount above; of two at one place, the later one."""
    found, depth = None, -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        place = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), before.split(" ")[4]))
        if len(place.parts) >= depth and path.is_relative_to(place):
            found, depth = after.split(" ")[0], len(place.parts)
    return found
