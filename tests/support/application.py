"""A web application as in production: started, put under load, and ended by SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from customersms_async.sandbox import SmsSandbox

__all__ = ["SECONDS", "Arrivals", "Service", "judge", "log_in", "running", "told"]

ROOT = Path(__file__).parents[2]

#: Seconds of load before the end; 30 by hand: ``CUSTOMERSMS_LOAD_SECONDS=30``.
SECONDS = float(os.environ.get("CUSTOMERSMS_LOAD_SECONDS", "5"))


#: How many messages a user may have, by what the application said; "nothing" is no answer.
FITTING = {"sent": {1}, "not sent": {0}, "unknown": {0, 1}, "nothing": {0}}


class Arrivals:
    """
    Latency of a gateway that signals one arrival; each request is in flight for *seconds*.

    Attributes:
        reached: Set at the arrival with the number *count*.
    """

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds = seconds
        self._left = count
        self.reached = threading.Event()

    def __call__(self) -> float:
        self._left -= 1
        if self._left == 0:
            self.reached.set()
        return self._seconds


class Service:
    """A process, with the folder that it works in."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self._process = process
        self.url = url
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Kill it and its children, as a power cut does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Terminate it, as an orchestrator does."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 30) -> int:
        """Return its exit code."""
        return self._process.wait(seconds)

    async def is_up(self, within: float = 40) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(within), aiohttp.ClientSession() as session:
            while not await _answers(session, f"{self.url}/health"):
                assert self.is_running, self.log
                await asyncio.sleep(0.05)


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@contextmanager
def running(
    folder: Path, words: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Run a module with ``{port}`` filled in; kill it if it is still running at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    log = folder / "application.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.format(port=port) for word in words)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Service(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def log_in(session: aiohttp.ClientSession, service: Service, phone: str) -> str:
    """Request a code; return what the person was told."""
    try:
        async with session.post(f"{service.url}/login", json={"phone": phone}) as answer:
            if answer.status != 202:
                return "not sent"
            detail = (await answer.json())["detail"]
            return "sent" if detail == "a code is on its way" else "unknown"
    except aiohttp.ClientError:
        return "nothing"


async def insist(
    session: aiohttp.ClientSession, service: Service, phone: str, end: threading.Event
) -> str:
    """
    Request a code, and again each second while told that nothing was sent, until the end.

    If the machine hung for seconds, so did answers, and the client refuses messages that it
    does not expect to be answered in time.
    """
    word = await log_in(session, service, phone)
    while word == "not sent" and not end.is_set():
        await asyncio.sleep(1)
        word = await log_in(session, service, phone)
    return word


async def told(
    service: Service, arrivals: Arrivals, *, steadily: int, at_once: int
) -> dict[str, str]:
    """
    Log people in, first steadily and then all at once, and end the application meanwhile.

    Args:
        service: The application.
        arrivals: Arrivals at the gateway; SIGTERM is sent once they reach their count.
        steadily: People within `SECONDS`.
        at_once: People after that, all at once.

    Returns:
        What each number was told.
    """
    phones = [f"+1212555{n:04}" for n in range(steadily + at_once)]
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        tasks = {}
        for n, phone in enumerate(phones):
            tasks[phone] = asyncio.create_task(insist(session, service, phone, arrivals.reached))
            if n < steadily:
                await asyncio.sleep(SECONDS / steadily)
        assert await asyncio.to_thread(arrivals.reached.wait, 30)
        service.terminate()
        await asyncio.gather(*tasks.values())
    return {phone: task.result() for phone, task in tasks.items()}


def judge(said: Mapping[str, str], sandbox: SmsSandbox) -> list[str]:
    """Compare what people were told with the gateway's ledger; return what is wrong."""
    ledger = Counter(message.phone for message in sandbox.messages)
    return [
        f"{phone} was told {word!r} and has {ledger[phone]} messages"
        for phone, word in said.items()
        if ledger[phone] not in FITTING[word]
    ]
