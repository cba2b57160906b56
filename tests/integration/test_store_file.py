"""The store in a file: killed processes and failing disks."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from customersms_async._clock import boot_id, boot_time
from customersms_async._limit.stores.file import FileStore
from customersms_async._ports.store import StoreAway
from tests.support.async_closings import CLOSINGS
from tests.support.store_attacks import away, write

COUNT = Path(__file__).parent.parent / "programs" / "count_in_file.py"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "limit.db"


@pytest.fixture
def open_store(request, path):
    """Open stores on one file that are closed after the test."""
    closings = request.node.stash.setdefault(CLOSINGS, [])

    def open_one(path=path):
        store = FileStore(str(path))
        closings.append(store.aclose)
        return store

    return open_one


def start_counting(path, times, *, prepare=""):
    """Start a process that counts in the file; *prepare* runs after the imports."""
    # Coverage would also write a file, which the process cannot.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    imports = "import os, resource, customersms_async._limit.stores.file"
    program = f"{imports}\n{prepare}\n{COUNT.read_text()}"
    command = [sys.executable, "-W", "error", "-c", program, str(path), str(times)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def test_processes_create_the_file_concurrently(path):
    """Eight processes start without a file: none fails, and each count is kept."""
    processes = [start_counting(path, 20) for _ in range(8)]

    results = [process.communicate(timeout=60) for process in processes]

    numbers = sorted(int(line) for out, _ in results for line in out.split())
    assert list(range(1, 161)) == numbers
    assert [""] * 8 == [err for _, err in results]


def test_acknowledged_writes_survive_a_kill(path):
    """After a kill at any time, the file opens and has every acknowledged count."""
    dice = random.Random(7)
    known = 0
    for _ in range(20):
        processes = [start_counting(path, 10_000) for _ in range(2)]
        for process in processes:
            process.stdout.readline()
        time.sleep(dice.uniform(0, 0.1))
        for process in processes:
            process.send_signal(signal.SIGKILL)
        told = [process.communicate()[0] for process in processes]
        # Part of the first line may be in the buffer of `readline`, and the last may be truncated.
        numbers = [int(line) for out in told for line in out.splitlines()[1:-1]]

        held = read_once(path)

        assert held >= max([known, *numbers])
        known = held


def read_once(path):
    async def read():
        store = FileStore(str(path))
        try:
            return int((await store.read("a")).value)
        finally:
            await store.aclose()

    return asyncio.run(read())


async def test_the_file_is_readable_by_its_owner_only(open_store, path):
    """A new file is readable by its owner only; an existing one keeps its mode."""
    await write(open_store(), b"one")
    made = stat.S_IMODE(path.stat().st_mode)
    given = path.with_name("given.db")
    given.touch()
    given.chmod(0o660)
    await write(open_store(given), b"one")

    assert (0o600, 0o660) == (made, stat.S_IMODE(given.stat().st_mode))


async def test_a_deleted_file_is_another_run(open_store, path):
    """A member that has a deleted file open notices, and uses the same new file as others."""
    store = open_store()
    before = await write(store, b"one")
    for each in path.parent.glob("limit.db*"):
        each.unlink()

    seen = await store.read("a")
    other = await open_store().read("a")

    assert (None, False) == (seen.value, before.run == seen.run)
    assert seen.run == other.run


async def test_a_restored_file_is_another_run(open_store, path):
    """A file restored from a copy is noticed by old and new members."""
    store = open_store()
    before = await write(store, b"old")
    copy = path.with_name("copy.db")
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    await write(store, b"new")
    for each in path.parent.glob("limit.db-*"):
        each.unlink()
    copy.replace(path)

    swap = await store.swap("a", before, b"two")
    other = await open_store().read("a")

    assert (False, b"old") == (swap.done, swap.seen.value)
    assert before.run != swap.seen.run
    assert other.run == swap.seen.run


@pytest.mark.parametrize("change", ["boot = 'another'", "began = began + 1000"])
async def test_another_boot_is_another_run(open_store, path, change):
    """After a reboot, known by its id or a restarted clock, there is another run."""
    store = open_store()
    before = await write(store, b"one")
    await edit(path, f"UPDATE run SET {change}")

    seen = await store.read("a")

    assert b"one" == seen.value
    assert before.run != seen.run == (await open_store().read("a")).run
    assert before.since < seen.since <= seen.now


async def test_the_start_of_a_run_after_a_reboot(path):
    """A run after a reboot starts once writes that a power cut lost no longer count."""
    settled = boot_time() + 50
    store = FileStore(str(path), settled)
    made = await write(store, b"one")
    await edit(path, "UPDATE run SET boot = 'another'")

    seen = [await store.read("a") for _ in range(2)]
    await store.aclose()

    assert made.since < settled
    assert [settled, settled] == [one.since for one in seen]
    assert seen[0].run == seen[1].run


async def edit(path, statement):
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()


async def test_a_long_lock_means_unavailable(open_store, path):
    """A lock is awaited for less than the timeout, then named in the error."""
    store = open_store()
    await write(store, b"one")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    text = await away(store.read("a"))
    other.close()

    assert f"{path}: OperationalError: database is locked" == text
    assert b"one" == (await store.read("a")).value


async def test_a_lock_while_opening_is_awaited(open_store, path):
    """Opening waits while another process creates the tables."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.1, other.close).start()

    assert (await open_store().read("a")).value is None


async def test_a_lock_while_creating_tables_means_unavailable(open_store, path):
    """The store is unavailable until its tables can be created."""
    store = open_store()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    text = await away(store.read("a"))
    other.close()

    assert text.startswith(f"{path}: ")  # locked; or, on a slow machine, timed out
    assert (await store.read("a")).value is None


async def test_a_file_of_another_type_is_not_changed(open_store, path):
    """A file that is not a database is refused and not overwritten."""
    path.write_bytes(b"my diary " * 1000)

    assert "file is not a database" in await away(open_store().read("a"))
    assert path.read_bytes().startswith(b"my diary")


async def test_a_missing_folder_means_unavailable(open_store, path):
    """The error names a path that cannot be created."""
    missing = path.parent / "missing" / "limit.db"

    text = await away(open_store(missing).read("a"))

    assert f"{missing}: OperationalError: unable to open database file" == text


def test_a_full_disk_means_unavailable(path):
    """A value that cannot be written is not acknowledged, and the previous one is kept."""
    filled = "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))"
    out, err = start_counting(path, 30, prepare=filled).communicate(timeout=60)

    numbers = [int(line) for line in out.splitlines() if line.isdecimal()]
    assert "" == err
    assert "away:" in out
    assert numbers
    assert max(numbers) == read_once(path)


@pytest.fixture
def open_folder():
    """Return a folder that every user can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_read_only_disk_means_unavailable(open_folder):
    """Without write access to the file, nothing is granted."""
    path = open_folder / "limit.db"
    start_counting(path, 1).communicate(timeout=60)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    as_nobody = "if not os.geteuid(): os.setuid(65534)"  # root can write anywhere

    out, err = start_counting(path, 1, prepare=as_nobody).communicate(timeout=60)
    open_folder.chmod(0o755)

    assert "" == err
    assert out.startswith(f"away: {path}: OperationalError")
    assert 1 == read_once(path)


async def test_a_forked_child_opens_the_file_again(path):
    """Parent and child use one file, and the child leaves the parent's connection alone."""
    stores = [FileStore(str(path))]
    await write(stores[0], b"1")
    child = await asyncio.to_thread(fork_and_count, path, stores)
    seen = await stores[0].read("a")
    swap = await stores[0].swap("a", seen, b"3")
    await stores[0].aclose()

    assert 0 == child
    assert b"2" == seen.value
    assert swap.done


def fork_and_count(path, parents_stores):
    child = os.fork()
    if not child:
        code = 1
        try:
            parents_stores.clear()
            gc.collect()
            asyncio.run(write_anew(path))
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


async def write_anew(path):
    store = FileStore(str(path))
    assert b"1" == (await store.read("a")).value
    await write(store, b"2")
    await store.aclose()


def threads():
    return [one for one in threading.enumerate() if one.name.startswith("customersms-file")]


def test_a_store_that_is_not_closed_ends_with_its_loop(path):
    """No thread and no open file is left without references."""

    async def use():
        await write(FileStore(str(path)), b"one")

    asyncio.run(use())
    gc.collect()
    ends_at = time.monotonic() + 5
    while threads() and time.monotonic() < ends_at:
        time.sleep(0.01)

    assert [] == threads()
    assert [path] == list(path.parent.glob("limit.db*"))


def test_a_program_that_ends_without_closing_prints_nothing(path):
    """A store that is open at the end of the program is closed without output."""
    program = f"""
import asyncio
from customersms_async._limit.stores.file import FileStore
store = FileStore({str(path)!r})
print(asyncio.run(store.read("a")).value)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "None\n", "") == (done.returncode, done.stdout, done.stderr)
    assert [path] == list(path.parent.glob("limit.db*"))


async def test_a_closed_store_is_unavailable(open_store):
    """Calls after closing raise an error that says so."""
    store = open_store()
    await store.aclose()

    with pytest.raises(StoreAway, match="closed"):
        await store.read("a")


def test_the_id_of_a_boot_id(tmp_path):
    """The id does not change during a boot, and is empty if the system has none."""
    assert boot_id() == boot_id()
    assert "" == boot_id(tmp_path / "missing")


@pytest.mark.parametrize("clock", [None, time.CLOCK_MONOTONIC])
def test_the_clock_of_the_machine_advances(clock):
    """The clock counts seconds, on every system."""
    before = boot_time(clock)
    time.sleep(0.01)

    assert 0.01 <= boot_time(clock) - before < 5
