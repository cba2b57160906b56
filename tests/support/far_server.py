"""A distant gateway in another thread, which closes connections that were idle for too long."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from tests.support.raw_server import Play, RawServer, Talk, accepted, http


@contextlib.contextmanager
def in_a_thread(play: Play) -> Iterator[RawServer]:
    """Run a server in a separate thread, so that it runs while the test's event loop is blocked."""
    server, loop = RawServer(play), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(5)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def closing_idle(seconds: float, *, announces: bool) -> Play:
    """Accept everything, and close a connection after the given idle time."""
    hints = [f"Keep-Alive: timeout={seconds:.0f}"] if announces else []

    async def play(talk: Talk) -> None:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    request = await talk.request()
            except TimeoutError:
                talk.close()
                return
            talk.say(http(200, accepted(request.phones), *hints))

    return play


@contextlib.asynccontextmanager
async def far_away(port: int, seconds: Callable[[], float]) -> AsyncIterator[str]:
    """Relay to *port* of this machine; each connection has its own one-way latency."""
    writers: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        delay = seconds()
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writers.extend([writer, back])
        both = (_delayed(reader, back, delay), _delayed(there, writer, delay))
        await asyncio.gather(*both, return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api.php"
    finally:
        server.close()
        await server.wait_closed()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # lets them close, and the relays end


async def _delayed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
) -> None:
    """Forward data and its end after a delay."""
    loop = asyncio.get_running_loop()
    end: Callable[[], object] = writer.close
    try:
        while data := await reader.read(65_536):
            loop.call_later(delay, writer.write, data)
    except ConnectionError:
        end = writer.transport.abort
    loop.call_later(delay, end)


def latency(low: float, high: float) -> Callable[[], float]:
    """Return a function that draws one-way latencies, in seconds."""
    dice = random.Random(0)
    return lambda: dice.uniform(low, high)
