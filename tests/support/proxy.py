"""A proxy in front of a server, which can be cut."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """
    Forwards bytes in both directions.

    Attributes:
        url: That of the server, with the proxy's port.
        loses_answers: Whether the server's next answer is dropped, together with the connection.
        before_loss: Awaited between request and loss.
    """

    def __init__(self, url):
        self._parts = urlsplit(url)
        self.url = ""
        self.loses_answers = False
        self.before_loss = _nothing
        self._tasks = set()

    async def _serve(self, reader, writer):
        parts = self._parts
        there_reader, there_writer = await asyncio.open_connection(parts.hostname, parts.port)
        ways = [
            asyncio.create_task(self._hand_on(reader, there_writer, can_lose=False)),
            asyncio.create_task(self._hand_on(there_reader, writer, can_lose=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for each in (writer, there_writer):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()

    async def _hand_on(self, reader, writer, *, can_lose):
        while piece := await reader.read(65536):
            if can_lose and self.loses_answers:
                await self.before_loss()
                return
            writer.write(piece)

    async def _track(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # or the server would log it
        finally:
            self._tasks.discard(task)

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._track, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        host = self._parts.netloc.rpartition(":")[0]
        self.url = self._parts._replace(netloc=f"{host}:{port}").geturl()
        try:
            yield self
        finally:
            server.close()
            for task in (left := list(self._tasks)):
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def _nothing():
    """Do nothing between request and loss."""
