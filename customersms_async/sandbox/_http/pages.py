"""The pages: the inbox and its files, read into memory, and the help page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from .help import help_page

__all__ = ["Handler", "help_handler", "pages"]

#: Answers a request.
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


_KINDS: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


async def help_handler(request: web.Request) -> web.StreamResponse:
    page = help_page(f"{request.scheme}://{request.host}")
    return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})


def pages() -> Mapping[str, Handler]:
    """Read the pages into memory: the inbox at ``/`` and every file under ``/static``."""
    folder = Path(__file__).parents[1] / "static"
    files = {path.name: path for path in folder.iterdir() if path.suffix in _KINDS}
    static = {f"/static/{name}": _page(path) for name, path in files.items()}
    return static | {"/": _page(files["inbox.html"])}


def _page(path: Path) -> Handler:
    text, kind = path.read_text("utf-8"), _KINDS[path.suffix]

    async def page(_request: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "no-cache"}
        return web.Response(text=text, content_type=kind, headers=headers)

    return page
