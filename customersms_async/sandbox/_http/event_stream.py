"""The stream of events over HTTP, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from aiohttp import web
from attrs import define

from .events import format_event
from .json_answers import hide_keys, problem
from .service import SandboxService

__all__ = ["STREAMS", "EventStream"]

#: Event streams open at once.
STREAMS: Final = 32

#: Seconds between two writes to a stream, so that many events share a write.
_PACE: Final = 0.05

#: Milliseconds after which a browser reopens a broken stream.
_RETRY: Final = 1000


@define(eq=False)
class EventStream:
    """
    The stream of events over HTTP.

    Attributes:
        service: Publishes the events.
        closing: Ends every stream.
    """

    service: SandboxService
    closing: asyncio.Future[None]
    _open: int = 0

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Send events until the reader disconnects or the sandbox closes."""
        if self._open >= STREAMS:
            reason = f"{STREAMS} streams are open; close one"
            return problem(self.service, 503, "TOO_MANY_STREAMS", reason)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
            }
        )
        self._open += 1
        try:
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                await self._follow(response, request.headers.get("Last-Event-ID"))
        finally:
            self._open -= 1
        return response

    async def _follow(self, response: web.StreamResponse, last_id: str | None) -> None:
        events = self.service.events
        position = events.position(last_id)
        note = "reload" if position is None else "hello"
        position = events.newest if position is None else position
        first = self._note(note, position) if last_id is None or note == "reload" else "\n"
        await self._write(response, f"retry: {_RETRY}\n{first}")
        while not self.closing.done():
            position = await self._catch_up(response, position)
            await asyncio.wait((self.closing,), timeout=_PACE)
            await events.wait(position, self.closing)

    async def _catch_up(self, response: web.StreamResponse, position: int) -> int:
        """Write new events, or a heartbeat if there are none; return the new position."""
        events = self.service.events
        new = events.after(position)
        if new is None:
            await self._write(response, self._note("reload", events.newest))
            return events.newest
        await self._write(response, "".join(map(events.format, new)) or ":\n\n")
        return position + len(new)

    def _note(self, kind: str, position: int) -> str:
        event_id = self.service.events.id_of(position)
        return format_event(kind, {"event": event_id}, event_id)

    async def _write(self, response: web.StreamResponse, words: str) -> None:
        await response.write(hide_keys(self.service, words).encode())
