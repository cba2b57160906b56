"""
Where a database file should not be: in a network folder, or in one that a program synchronises.

SQLite's locks and its log need the kernel of one machine. Over a network, two machines may both
pass a fence, and a program that synchronises files replaces the log behind SQLite's back.
Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["find_hazard", "read_mounts"]

_MOUNTS: Final = Path("/proc/self/mountinfo")

#: Network file systems, by their Linux names; those in user space begin with ``fuse.``.
_OVER_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|ceph|glusterfs|lustre|gpfs|beegfs|orangefs|9p|davfs"
    r"|fuse\.(sshfs|rclone|s3fs|gcsfuse|glusterfs|davfs2?|smbnetfs|ceph.*|juicefs|goofys)"
)

#: Folders of programs that synchronise files between machines.
_IN_STEP: Final = re.compile(
    r"dropbox|onedrive.*|google ?drive|my drive|icloud ?drive|mobile documents|nextcloud|owncloud"
    r"|syncthing|box sync|pcloud ?drive",
    re.IGNORECASE,
)

_OCTAL: Final = re.compile(r"\\(\d{3})")


def read_mounts() -> str:
    """Read the table of mounts; empty on systems that do not have one."""
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def find_hazard(path: Path, mounts: str) -> str | None:
    """
    Name the kind of folder a file is in, if a database file should not be there; else None.

    Args:
        path: The file, absolute and without links.

        mounts: The result of `read_mounts`.
    """
    if str(path).startswith(("\\\\", "//")):
        return "a network folder"
    for part in path.parts[:-1]:
        if _IN_STEP.fullmatch(part):
            return f"a folder that a program synchronises ({part})"
    kind = _file_system(path, mounts)
    return f"a network folder ({kind})" if kind and _OVER_NETWORK.fullmatch(kind) else None


def _file_system(path: Path, mounts: str) -> str | None:
    """Return the file system of the deepest mount above; the later of two at one place."""
    found, depth = None, -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        mount = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), before.split(" ")[4]))
        if len(mount.parts) >= depth and path.is_relative_to(mount):
            found, depth = after.split(" ")[0], len(mount.parts)
    return found
