"""The warning about a database file in a network folder or a synchronised one."""

from pathlib import Path

import pytest

from customersms_async.outbox import Outbox, _folder
from customersms_async.outbox._folder import find_hazard

MOUNTS = r"""
22 1 0:20 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:35 / /mnt/shared\040files rw shared:1 - nfs4 server:/export rw
41 22 0:36 / /mnt/far rw - fuse.sshfs ada@server: rw
42 40 0:37 / /mnt/shared\040files/fast rw - xfs /dev/sdb1 rw
43 22 0:38 / /srv rw - ext4 /dev/sdc1 rw
44 43 0:39 / /srv rw - cifs //server/srv rw
""".strip()


@pytest.mark.parametrize(
    ("path", "hazard"),
    [
        ("/home/ada/tonight.db", None),
        ("/mnt/shared files/tonight.db", "a network folder (nfs4)"),
        ("/mnt/shared files/fast/tonight.db", None),
        ("/mnt/far/a/tonight.db", "a network folder (fuse.sshfs)"),
        ("/srv/tonight.db", "a network folder (cifs)"),
        ("//server/share/tonight.db", "a network folder"),
        ("/home/ada/Dropbox/tonight.db", "a folder that a program synchronises (Dropbox)"),
        (
            "/home/ada/OneDrive - School/x/a.db",
            "a folder that a program synchronises (OneDrive - School)",
        ),
        ("/home/ada/dropbox", None),
    ],
)
def test_hazardous_folders(path, hazard):
    """The deepest mount counts, and of two at the same path the later one."""
    assert hazard == find_hazard(Path(path), MOUNTS)


def test_a_system_without_a_list_of_mounts(monkeypatch, tmp_path):
    """Without a list of mounts there is no warning."""
    monkeypatch.setattr(_folder, "_MOUNTS", tmp_path / "mountinfo")

    assert None is find_hazard(tmp_path / "a.db", _folder.read_mounts())


async def test_an_outbox_warns_of_its_folder(tmp_path, caplog):
    """The warning says what to use instead; a file in an ordinary folder causes none."""
    folder = tmp_path / "Dropbox"
    folder.mkdir()

    async with Outbox(tmp_path / "a.db"), Outbox(folder / "a.db"):
        pass

    (record,) = caplog.records
    assert ("outbox.folder", "WARNING") == (record.event, record.levelname)
    assert "(Dropbox)" in record.message
    assert "postgresql://" in record.message
