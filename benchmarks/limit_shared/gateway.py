"""
A gateway in a separate process on 127.0.0.1 that records when each request arrived.

It accepts every number and answers after 5 to 50 ms, or after a given delay. Run as a program, it
prints its port, serves until its standard input is closed, and prints what it has recorded: one
JSON line for each request, with the time in seconds and the numbers.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from attrs import define, field, frozen

__all__ = ["Arrival", "Log", "gateway"]

_PATH = "/sms_system/api.php"


@frozen
class Arrival:
    """
    One request, as the gateway counted it.

    Attributes:
        at: The instant, seconds of the gateway's clock.
        phones: Its numbers.
    """

    at: float
    phones: list[str]


@define
class Log:
    """
    What the gateway saw.

    Attributes:
        url: Where it serves.
        arrivals: In their order, once it has ended.
    """

    url: str
    arrivals: list[Arrival] = field(factory=list)


@contextmanager
def gateway(least: float = 0.005, most: float = 0.05) -> Iterator[Log]:
    """Run the gateway with delayed answers, and read what it recorded at its end."""
    words = [sys.executable, "-m", __name__, str(least), str(most)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        log = Log(f"http://127.0.0.1:{process.stdout.readline().strip()}{_PATH}")
        yield log
        lines, _ = process.communicate()
        log.arrivals = [Arrival(*json.loads(line)) for line in lines.splitlines()]


async def _serve(least: float, most: float) -> None:
    seen: list[tuple[float, list[str]]] = []

    async def answer(request: web.Request) -> web.Response:
        phone = (await request.json())["phone"]
        phones = [phone] if isinstance(phone, str) else phone
        seen.append((time.monotonic(), phones))
        await asyncio.sleep(random.uniform(least, most))
        results = [{"phone": one, "success": True, "message_id": f"msg_{one}"} for one in phones]
        return web.json_response({"success": True, "results": results})

    app = web.Application()
    app.router.add_post(_PATH, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
    for arrival in seen:
        print(json.dumps(arrival))


if __name__ == "__main__":
    asyncio.run(_serve(*map(float, sys.argv[1:])))
