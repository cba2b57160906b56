"""
The runs of a file store.

The machine's clock starts again at each boot, so the boot is part of a run. So is the file's inode:
a file that was deleted or replaced is another store. A power cut may lose the last commits, so
after a boot a run begins when requests from before no longer count.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

__all__ = ["Run", "file_id", "run_at"]


def file_id(path: Path) -> str:
    """Return the device and inode of the file; "" if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_dev}-{found.st_ino}"


@frozen
class Run:
    """
    One life of a file's memory; instants are seconds of the machine's clock.

    Attributes:
        boot: The id of the boot.
        inode: The file's device and inode.
        began: When the run began.
        since: When what was lost before no longer matters.
    """

    boot: str
    inode: str
    began: float
    since: float

    @property
    def name(self) -> str:
        return f"{self.boot} {self.inode} {self.began!r}"


def run_at(at: float, stored: Run | None, this_boot: str, inode: str, settled: float) -> Run:
    """
    Return the current run: the *stored* one, or a new one if that has ended.

    Args:
        at: The machine's clock.

        stored: The run in the file, or None.

        this_boot: The id of this boot.

        inode: The file's device and inode.

        settled: Seconds after a boot until requests from before no longer count.
    """
    if stored is None:
        return Run(this_boot, inode, at, since=at)
    # A clock that is behind the start of the run was restarted with the machine.
    if stored.boot != this_boot or stored.began > at:
        return Run(this_boot, inode, at, since=max(at, settled))
    return stored if stored.inode == inode else Run(this_boot, inode, at, since=at)
