"""A key, a text and a number that are easy to find, and a handler that collects what is shown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Final

__all__ = ["KEY", "PHONE", "TEXT", "Net", "parrot"]

KEY: Final = "cspro_Canary42Xyz"
TEXT: Final = "Budgerigar says the code is 4711"
PHONE: Final = "+12125557788"
_NEEDLES: Final = {"key": "canary42xyz", "text": "budgerigar", "phone": "2125557788"}


class Net(logging.Handler):
    """Collects log records, warnings, exceptions, tasks and values as crash reporters show them."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.shown: list[tuple[str, str]] = []
        self.logged: list[str] = []
        self.where = "the beginning"

    def show(self, what: str, content: str) -> None:
        self.shown.append((f"{self.where}: {what}", content))

    def emit(self, record: logging.LogRecord) -> None:
        pieces = [self.format(record), repr(vars(record)), repr(record.args)]
        if record.exc_info and record.exc_info[1]:
            self.exception(record.exc_info[1], "logged exception")
            pieces.append("".join(traceback.format_exception(record.exc_info[1])))
        self.logged += pieces
        for piece in pieces:
            self.show(f"log {record.name} {record.msg!r}", piece)

    def value(self, value: object, what: str) -> None:
        """Show a value in every way that Python offers."""
        shown = [repr(value), str(value), f"{value}", repr(getattr(value, "__dict__", ""))]
        with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
            shown.append(pickle.dumps(value).decode("latin-1"))
        for content in shown:
            self.show(what, content)

    def exception(self, exc: BaseException, what: str) -> None:
        """Show an exception with its chain and the locals of all frames except the tests'."""
        for one in _chain(exc):
            self.value(one, what)
            self.value(one.args, what)
            self.show(what, repr(getattr(one, "__notes__", "")))
            for where, local in _locals(one.__traceback__):
                self.show(f"{what}, {type(one).__name__}, {where}", local)

    def hook(self, _: object, context: dict[str, Any]) -> None:
        """Serve as the exception handler of a loop."""
        self.show("loop", repr(context))
        if isinstance(context.get("exception"), BaseException):
            self.exception(context["exception"], "loop")

    def tasks(self) -> None:
        for task in asyncio.all_tasks():
            self.show("task", repr(task))

    def found(self, needle: str) -> list[str]:
        """Return the places that contain the key, the text or the number."""
        wanted = _NEEDLES[needle]
        return sorted({where for where, content in self.shown if wanted in content.lower()})

    def found_in_logs(self, needle: str) -> list[str]:
        wanted = _NEEDLES[needle]
        return [content for content in self.logged if wanted in content.lower()]

    @contextlib.contextmanager
    def spread(self) -> Iterator[None]:
        """Collect what all loggers, the loop's debug mode, warnings and unraisable errors show."""
        loop, root = asyncio.get_running_loop(), logging.getLogger()
        names = ["customersms_async", "asyncio", "aiohttp", "aiohttp.client", "aiohttp.internal"]
        loggers = [root, *map(logging.getLogger, names)]
        levels = [logger.level for logger in loggers]
        loop.set_debug(True)
        loop.slow_callback_duration = 0.0  # so that the loop logs each of its steps
        loop.set_exception_handler(self.hook)
        old_hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        # The only handler: pytest's keeps the records, and with them the objects they refer to.
        handlers, root.handlers = root.handlers, [self]
        for logger in loggers:
            logger.setLevel(1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning = self._warned  # keeps no reference to lost objects
                yield
        finally:
            root.handlers = handlers
            sys.unraisablehook = old_hook
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

    def _warned(self, message: Warning | str, *_: object) -> None:
        self.show("warning", repr(message))

    def _unraisable(self, lost: Any) -> None:
        self.show("unraisable", f"{lost.err_msg} {lost.object!r} {lost.exc_value!r}")
        self.exception(lost.exc_value, "unraisable")


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    waiting, seen = [exc], set[int]()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _locals(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Return the locals of every frame, as `traceback` captures them and as their repr."""
    for frame, line in traceback.walk_tb(trace):
        if "/tests/" in frame.f_code.co_filename:
            continue
        where = f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
        for name, value in frame.f_locals.items():
            with contextlib.suppress(Exception):
                yield f"{where} {name}", repr(value)
    if trace is not None and "/tests/" not in trace.tb_frame.f_code.co_filename:
        error = RuntimeError()
        shown = traceback.TracebackException(
            RuntimeError, error, trace, capture_locals=True, compact=True
        )
        yield "capture_locals", "".join(shown.format())


@contextlib.asynccontextmanager
async def parrot(
    say: Callable[[asyncio.StreamWriter, str], Awaitable[None]], *, reads: int | None = None
) -> AsyncIterator[str]:
    """Serve raw answers; *say* gets the body of each request, or what was read of it."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                if reads is None:
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                    await say(writer, (await reader.readexactly(length)).decode())
                else:
                    await say(writer, (await reader.readexactly(reads)).decode())
                if writer.is_closing():
                    break
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api.php"
    finally:
        server.close()
