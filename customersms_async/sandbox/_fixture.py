"""The fixture ``sms_sandbox``: one account of a sandbox in another thread."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar, Unpack

from ._gateway.documented_answers import INVALID_API_KEY
from ._gateway.fault_settings import FaultSettings
from ._gateway.faults import Fault
from ._gateway.masking import mask_key
from ._gateway.rate_budget import LimitSettings, SandboxUsage
from ._gateway.records import SandboxMessage, SandboxRequest
from ._gateway.summaries import outline, plural, quoted
from ._sandbox import Sandbox
from ._thread import SandboxThread

__all__ = ["CREDITS", "SmsSandbox", "open_account", "running_thread"]

#: Credits of a test that sets none.
CREDITS: Final = 10_000

#: Requests per minute if a test asks for a limit without a number: the documented one.
_LIMIT: Final = 100

#: Messages, and failed requests, that are shown when a test fails.
_SHOWN: Final = 20

#: How many characters of a text are shown.
_LONGEST: Final = 300

_T = TypeVar("_T")


class SmsSandbox:
    """
    The value of ``sms_sandbox``: a fresh account with an empty mailbox and no limit.

    Every method may be called from any thread and none needs an event loop. A callback of the
    sandbox, like ``latency=...``, may call all of them except `wait` and `wait_for`.
    """

    def __init__(
        self,
        thread: SandboxThread,
        key: str,
        on_advance: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        self._thread = thread
        self._on_advance = on_advance
        self._sandbox = thread.sandbox
        self.key = key
        self.url: str = thread.sandbox.url
        self.endpoint: str = thread.sandbox.endpoint
        self.inbox_url: str = thread.sandbox.inbox_url
        self.help_url: str = thread.sandbox.help_url
        self._earlier = max(
            (request.id for request in self._do(lambda box: box.requests)), default=0
        )

    def __repr__(self) -> str:
        return f"<sms_sandbox {self.url}, {outline(self.messages, self.requests)}>"

    @property
    def messages(self) -> tuple[SandboxMessage, ...]:
        """The messages that this test's key sent, oldest first."""
        return self.find()

    @property
    def requests(self) -> tuple[SandboxRequest, ...]:
        """The requests of this test's key, refused ones included, oldest first."""
        return tuple(r for r in self._do(lambda box: box.requests) if r.key == self.key)

    @property
    def refused(self) -> tuple[SandboxRequest, ...]:
        """The requests that were refused entirely, for any reason."""
        return tuple(request for request in self.requests if request.code is not None)

    @property
    def credits(self) -> int:
        """The credits left; can be set."""
        return self._do(lambda box: box.credits_of(self.key))

    @credits.setter  # noqa: A003  # the property above, not the builtin
    def credits(self, left: int) -> None:
        self._do(lambda box: box.set_credits(self.key, left))

    @property
    def usage(self) -> SandboxUsage:
        """The current use of the key's limit."""
        return self._do(lambda box: box.usage(self.key))

    def find(
        self, *, phone: str | None = None, contains: str | None = None
    ) -> tuple[SandboxMessage, ...]:
        """Return the matching messages, oldest first; see `wait`."""
        return self._do(lambda box: box.find(phone=phone, contains=contains, key=self.key))

    def duplicates(self) -> tuple[SandboxMessage, ...]:
        """Return each message whose number and text this test had sent before."""
        return self._do(lambda box: box.duplicates(self.key))

    def last_code(self, phone: str | None = None) -> str | None:
        """Return the code in the newest message with one, to *phone* or to anyone, or None."""
        return self._do(lambda box: box.last_code(phone, self.key))

    def fail_next(
        self, fault: Fault | str, times: int = 1, *, retry_after: float | str | None = None
    ) -> None:
        """Apply a fault to the next requests of this test, as `Sandbox.fail_next` does."""
        self._do(lambda box: box.fail_next(fault, times, retry_after=retry_after, key=self.key))

    def set_faults(self, **settings: Unpack[FaultSettings]) -> None:
        """Set what goes wrong with the requests of this test, as `Sandbox.set_faults` does."""
        self._do(lambda box: box.set_faults(key=self.key, **settings))

    def clear_faults(self) -> None:
        """Switch off all faults and the latency of this test."""
        self._do(lambda box: box.clear_faults(self.key))

    def limit(self, limit: int | None = _LIMIT, **more: Unpack[LimitSettings]) -> None:
        """
        Limit the requests of this test; by default to 100 in 60 seconds, like the gateway.

        Args:
            limit: Requests per period; None for no limit.

            more: ``per``, ``rule``, ``burst``, ``rate_refusal`` and ``retry_after``, as in
                `Sandbox`.
        """
        self._do(lambda box: box.set_limit(limit, key=self.key, **more))

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward by *seconds* until the test ends.

        The gateway's limit and the dates of messages follow it, and so do the pauses that a
        refusal for the rate imposes on the clients of this test.
        """
        self._do(lambda box: box.advance(seconds))
        self._on_advance(seconds)

    def clear(self) -> None:
        """
        Forget messages, requests, and the pending faults of `fail_next` and ``script``.

        Standing faults, probabilities and latency stay (see `clear_faults`), and so do credits
        and the limit.
        """
        self._do(lambda box: box.clear(self.key))

    def wait(
        self, *, phone: str | None = None, contains: str | None = None, timeout: float = 5.0
    ) -> SandboxMessage:
        """
        Wait until a message is accepted; an earlier one counts too.

        In a coroutine, if the application runs in the same loop, await `wait_for` instead.

        Args:
            phone: Its number, in any notation.

            contains: A part of its text.

            timeout: Seconds, ≥ 0.

        Returns:
            The oldest matching message.

        Raises:
            TimeoutError: No such message came in time; the text lists those that did.
            RuntimeError: It was called from a callback of the sandbox.
        """
        __tracebackhide__ = True
        if self._thread.is_current:
            msg = (
                "a callback of the sandbox, like latency=..., cannot wait: it runs in the "
                "sandbox's own thread, where no message can arrive meanwhile"
            )
            raise RuntimeError(msg)
        try:
            return self._thread.result(self._wait(phone, contains, timeout), timeout)
        except TimeoutError as error:
            msg = f"{error}{_blocked()}"
            raise TimeoutError(msg) from None

    async def wait_for(
        self, *, phone: str | None = None, contains: str | None = None, timeout: float = 5.0
    ) -> SandboxMessage:
        """
        Wait like `wait`, in a coroutine, without blocking its loop.

        It needs asyncio; under trio, run `wait` in a thread: ``trio.to_thread.run_sync``.

        Raises:
            TimeoutError: No such message came in time; the text lists those that did.
            RuntimeError: The loop is not an asyncio loop.
        """
        __tracebackhide__ = True
        if _running_loop() is None:
            msg = "wait_for needs asyncio; under trio, run wait in a thread"
            raise RuntimeError(msg)
        return await asyncio.wrap_future(self._wait(phone, contains, timeout))

    def _wait(
        self, phone: str | None, contains: str | None, seconds: float
    ) -> Future[SandboxMessage]:
        wait = self._sandbox.wait_for
        coroutine = wait(phone=phone, contains=contains, timeout=seconds, key=self.key)
        return self._thread.start(coroutine)

    def summary(self) -> str:
        """Summarise what arrived, for the report of a failed test."""
        messages, requests = self.messages, self.requests
        wrong = [one for one in requests if one.code or one.fault]
        lines = [f"{len(messages)} accepted, {len(requests)} requests at {self.url}"]
        lines += [f"  {m.phone}  {quoted(m.text, _LONGEST)}" for m in messages[-_SHOWN:]]
        lines += [f"  request {r.id}: {r.code or r.fault}" for r in wrong[-_SHOWN:]]
        lines += [_hint_of_stray(key, count) for key, count in self._keys_without_account().items()]
        return "\n".join(lines)

    def _keys_without_account(self) -> Counter[str]:
        """Count the requests since the test began whose key has no account, by key."""
        requests = self._do(lambda box: box.requests)
        new = (request for request in requests if request.id > self._earlier)
        return Counter(one.key for one in new if one.code == INVALID_API_KEY.code)

    def _do(self, work: Callable[[Sandbox], _T]) -> _T:
        return self._thread.call(lambda: work(self._sandbox))


@contextmanager
def running_thread() -> Generator[SandboxThread]:
    """Run the sandbox shared by the tests of a session."""
    with SandboxThread(Sandbox(keys={f"cspro_{secrets.token_hex(8)}": 0})) as thread:
        yield thread


@contextmanager
def open_account(
    thread: SandboxThread,
    options: Mapping[str, object],
    *,
    name: str = "a test",
    on_advance: Callable[[float], object] = lambda _seconds: None,
) -> Generator[SmsSandbox]:
    """
    Open an account for a test, and close it afterwards.

    Args:
        thread: The sandbox.

        options: The options of the marker: ``credits``, and those that `Sandbox.set_limit` and
            `Sandbox.set_faults` take.

        name: The test's name, for the error of requests with its key after it has ended.

        on_advance: Called with the seconds by which the test moves the clock.

    Raises:
        ValueError: There is no such option, or its value is out of range.
    """
    key = f"cspro_test_{secrets.token_hex(8)}"
    try:
        thread.call(lambda: _apply(thread.sandbox, options, key))
        yield SmsSandbox(thread, key, on_advance)
    finally:
        thread.call(lambda: _close(thread.sandbox, key, name))


def _close(sandbox: Sandbox, key: str, name: str) -> None:
    reason = f"it belonged to {name}, which has ended; make a new client in each test"
    sandbox.close_account(key, reason=reason)
    for unknown in {one.key for one in sandbox.requests if one.code == INVALID_API_KEY.code}:
        sandbox.clear(unknown)
    sandbox.reset_clock()


def _apply(sandbox: Sandbox, options: Mapping[str, object], key: str) -> None:
    more: dict[str, Any] = dict(options)
    for name in more:
        if name not in _OPTIONS:
            right = ", ".join(_OPTIONS)
            msg = f"the marker sms_sandbox takes {right}, not {name!r}"
            raise ValueError(msg)
    sandbox.set_credits(key, more.pop("credits", CREDITS))
    faults: Any = {name: more.pop(name) for name in _FAULTS if name in more}
    sandbox.set_faults(key=key, **faults)
    if more:
        limit: Any = more.pop("limit", _LIMIT)
        sandbox.set_limit(limit, key=key, **more)


_FAULTS: Final = tuple(FaultSettings.__annotations__)
_OPTIONS: Final = ("credits", "limit", *LimitSettings.__annotations__, *_FAULTS)


def _hint_of_stray(key: str, count: int) -> str:
    return (
        f"  {plural(count, 'request')} with the key {mask_key(key)}, which has no account: "
        "is its client older than this test?"
    )


def _blocked() -> str:
    """Return a hint if a coroutine waits without letting its loop run."""
    if _running_loop() is None:
        return ""
    return "\nthis blocked the event loop; `await sms_sandbox.wait_for(...)` lets it run"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
