"""
The capacity of the sandbox: requests per second with an open event stream, and 50,000 messages.

The sandbox, the client and the reader of the stream are separate processes. The results go to
``benchmarks/results``: ``sandbox.json`` and ``sandbox.md``. It fails if the sandbox handles fewer
than 300 requests per second, or if a query on a full store takes more than 50 ms.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks._results import Bound, Result, Row, Table

KEY = "cspro_bench"
HELD = 50_000  # messages, the sandbox's maximum
NUMBERS = 10_000  # numbers that they are sent to
REQUESTS = 6_000  # with one number each, per measurement
CONNECTIONS = 16
ROUNDS = 20  # of each query
LEAST = 300  # requests per second
SLOWEST = 50  # milliseconds per query

QUESTIONS = {
    "the newest 100 messages": "messages",
    "a number's messages": "messages?phone=%2B12005550042",
    "search in all texts, found nowhere": "messages?contains=nowhere",
    "the last code of a number": "last-code?phone=%2B12005550042",
    "duplicates": "duplicates",
    "20 conversations": "conversations?limit=20",
    "search in all conversations": "conversations?contains=nowhere",
    "requests that were lost": "requests?fate=lost",
    "one message": "messages/msg_{id}",
    "overview": "status",
}


@contextmanager
def sandbox() -> Iterator[tuple[str, int]]:
    """Run the sandbox in a separate process; yield its URL and the process id."""
    command = [sys.executable, "-m", "customersms_async.sandbox", "--port", "0", "--key", KEY]
    with subprocess.Popen(
        [*command, "--credits", "100000000"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[4], process.pid
        process.terminate()


@contextmanager
def reader(url: str) -> Iterator[subprocess.Popen[str]]:
    """Read the events in a separate process, as an open page does."""
    program = [sys.executable, "-m", "benchmarks.bench_sandbox", "read", url]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield one
        one.terminate()


def read(url: str) -> None:
    """Read events; report when the stream is open, each reload, and the last event of the run."""
    with urllib.request.urlopen(f"{url}/_sandbox/events") as stream:
        print("open", flush=True)
        seen = {"request": 0, "reload": 0}
        for line in stream:
            kind = line.removeprefix(b"event: ").strip().decode()
            if line.startswith(b"event: ") and kind in seen:
                seen[kind] += 1
            elif line.startswith(b"event: clock"):
                print(json.dumps(seen), flush=True)


async def load(url: str, requests: list[bytes]) -> float:
    """Send all requests over a few connections; return the requests per second."""
    host, _, port = url.removeprefix("http://").partition(":")
    waiting = iter(requests)

    async def connection() -> None:
        incoming, outgoing = await asyncio.open_connection(host, int(port))
        for request in waiting:
            outgoing.write(request)
            head = await incoming.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            assert b'"success":true' in await incoming.readexactly(length)
        outgoing.close()

    begin = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return len(requests) / (time.perf_counter() - begin)


def request(phones: list[str], text: str) -> bytes:
    """Make a request."""
    body = json.dumps({"api_key": KEY, "phone": phones, "message": text}).encode()
    head = f"POST /sms_system/api.php HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    return f"{head}\r\nContent-Type: application/json\r\n\r\n".encode() + body


def number(n: int) -> str:
    """Return the n-th number."""
    return f"+1200555{n % NUMBERS:04d}"


def singles(begin: int) -> list[bytes]:
    """Make requests for one number each, every tenth of them a duplicate."""
    return [
        request([number(n)], f"Your code is {n - n % 10 + 100_000:06}")
        for n in range(begin, begin + REQUESTS)
    ]


def get(url: str) -> bytes:
    """Send a GET to the sandbox."""
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


def post(url: str, body: object) -> None:
    """Send a POST to the sandbox."""
    urllib.request.urlopen(url, json.dumps(body).encode()).close()


def question(url: str) -> float:
    """Return the median time of a query, in milliseconds."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        get(url)
        seconds.append(time.perf_counter() - begin)
    return 1000 * statistics.median(seconds)


def memory(pid: int) -> float:
    """Return the resident memory of a process in MB; 0 if the system does not report it."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmRSS")]
    return found[0] / 1024 if found else 0.0


def fill(url: str) -> list[Row]:
    """Send to an empty, a filling and a full store."""
    filling = [
        request([number(n + i) for i in range(100)], f"We open at nine, {n}")
        for n in range(0, HELD, 100)
    ]
    loads = {
        f"{REQUESTS:,} of one number each, into an empty store": singles(0),
        f"{len(filling)} of 100 numbers each": filling,
        f"{REQUESTS:,} of one number each, into a store of {HELD:,}": singles(REQUESTS),
    }
    return [
        {"requests": name, "a second": asyncio.run(load(url, requests))}
        for name, requests in loads.items()
    ]


def ask(url: str) -> list[Row]:
    """Query a full store."""
    newest = json.loads(get(f"{url}/_sandbox/messages?limit=1"))["messages"][0]["id"]
    middle = int(newest[4:]) - HELD // 2
    return [
        {"question": name, "ms": question(f"{url}/_sandbox/{path.format(id=middle)}")}
        for name, path in QUESTIONS.items()
    ]


def measure() -> tuple[list[Row], list[Row], str]:
    """Return the rows of both tables, the messages stored and the events read."""
    with sandbox() as (url, pid), reader(url) as stream:
        begin = memory(pid)
        rates = fill(url)
        held = json.loads(get(f"{url}/_sandbox/status"))["messages"]
        assert held == HELD, f"{held} messages are held, not {HELD}"
        post(f"{url}/_sandbox/clock", {"advance": 0})
        assert stream.stdout is not None
        seen = json.loads(stream.stdout.readline())
        note = (
            f"A store of {held:,} messages; the process took {begin:.0f} MB before and "
            f"{memory(pid):.0f} MB with them. The reader of the stream saw {seen['request']:,} "
            f"requests, and was told {seen['reload']} times to reload."
        )
        return rates, ask(url), note


def _figures(rows: list[Row], column: str) -> list[float]:
    return [float(row[column]) for row in rows]  # type: ignore[arg-type]  # every one is a number


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    rates, answers, note = measure()
    singly = _figures([rates[0], rates[-1]], "a second")
    return Result(
        name="sandbox",
        title="What the sandbox bears",
        packages=("customersms-async", "aiohttp"),
        tables={
            "rates": Table("Requests a second, the event stream open", rates),
            "answers": Table("Milliseconds of a question about a full store", answers, note),
        },
        bounds=[
            Bound("ms a request of one number", 1000 / min(singly), 1000 / LEAST),
            Bound("ms of the slowest question", max(_figures(answers, "ms")), SLOWEST),
        ],
    ).publish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read(sys.argv[2])
    else:
        sys.exit(main())
