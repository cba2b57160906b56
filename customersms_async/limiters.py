"""
`LocalLimiter` and `FileLimiter`: the limit of a key, kept within one process or one machine.

How they work: ``_limit/local_account.py`` and ``_limit/shared_account.py``. Why the limit holds:
``_limit/law.py``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from ._environment import NOT_GIVEN, NotGiven
from ._limit.config import GRACE, Rate, read_rules
from ._limit.fork_lock import lock
from ._limit.law import Law
from ._limit.local_account import LocalAccount
from ._limit.shared_limiter import SharedLimiter
from ._limit.stores.file import FileStore
from ._ports.limiter import Lane, Limiter, ObservableLimiter, Slot, Ticket, Usage
from ._ports.network_guard import limiter_in_force
from ._ports.store import Store
from ._values.safe_repr import safe_repr
from .errors import ConfigurationError

__all__ = [
    "FileLimiter",
    "LocalLimiter",
    "Rate",
    "Usage",
    "default_limiter",
    "enter_limiter",
    "find_limiter",
    "leave_limiter",
    "observable",
]


class LocalLimiter:
    """
    Slots for the requests of one process: at most ``rate.limit`` in any ``rate.per`` seconds.

    It may be used from any thread and event loop, and remembers from one ``asyncio.run`` to the
    next. A forked child starts with what its parent knew; from then on the two share nothing (see
    `Rate.split`).

    Args:
        rate: The gateway's limit.

        burst: Bulk requests that may leave at once; by default a small part of the limit, for
            servers that refuse bursts. ``burst=rate.limit`` turns pacing off, for a server that is
            known to count a window.

        reserve: Free slots that bulk runs leave to `CustomerSMS.send`.

        grace: Seconds after a lost answer in which the gateway may still count the request. Five
            is an assumption.

        clock: Returns monotonic seconds; the same for every event loop.

    Raises:
        ConfigurationError: *burst* or *reserve* does not fit the limit, or *grace* is not a
            duration.
    """

    def __init__(
        self,
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 1,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = Rate() if rate is None else rate
        self._law = Law(read_rules(rate, burst, reserve, grace))
        self._clock = clock
        self._accounts: dict[str, LocalAccount] = {}
        self._sweeps_at = clock()

    @property
    def rate(self) -> Rate:
        """The limit."""
        return self._rate

    async def acquire(
        self,
        account: str,
        lane: Lane,
        *,
        longest: float,
        patience: float | None = None,
        ticket: Ticket | None = None,
    ) -> Slot:
        """Wait for a slot; see `Limiter.acquire`."""
        now = self._clock()
        if now >= self._sweeps_at:
            self._forget_the_idle()
        known = self._accounts.get(account) or self._account(account)
        slot = known.take_at_once(lane, now, longest, ticket)
        return slot or await known.member().acquire(lane, longest, patience, ticket)

    async def usage(self, account: str) -> Usage:
        """Return the state of *account* (its name is `CustomerSMS.account`)."""
        return self._account(account).usage()

    async def ready(self) -> None:
        """Return at once: a limiter in memory is always ready."""

    def __reduce__(self) -> NoReturn:
        msg = "a limiter in memory is not pickled: a copy would count for itself; use a FileLimiter"
        raise TypeError(msg)

    @safe_repr
    def __repr__(self) -> str:
        return f"<LocalLimiter {self.rate.limit} per {self.rate.per:g} s>"

    def _account(self, name: str) -> LocalAccount:
        account = self._accounts.get(name)
        if account is None:
            with lock:  # another thread may have made it by now
                made = LocalAccount(name, self._law, self._clock)
                account = self._accounts.setdefault(name, made)
        return account

    def _forget_the_idle(self) -> None:
        """Drop accounts that were idle at the last sweep too: nobody is about to use them."""
        with lock:
            self._sweeps_at = self._clock() + self._law.period
            for name, account in list(self._accounts.items()):
                if account.was_idle_before():
                    del self._accounts[name]


class FileLimiter(SharedLimiter):
    """
    Slots for all processes of a machine, without a server.

    ::

        async with FileLimiter("/var/lib/app/sms.limit") as limiter:
            async with CustomerSMS(limiter=limiter) as sms:
                ...

    All processes that open the same file share the limit, and the file outlasts them: a program
    that is restarted, or a job that runs every minute, knows what the last one sent. The file is
    created if missing, readable by its owner alone; SQLite keeps two more beside it while it is in
    use. All processes must use the same options.

    While the file cannot be written (a full or read-only disk), nothing is granted:
    `CustomerSMS.send` raises `LimiterUnavailable`, and bulk runs wait. A file that is new or was
    replaced grants nothing for 3 s, in which running processes write what they remember. After a
    boot it grants nothing until requests from before no longer count, for about a minute.

    Args:
        path: The file, on a disk of this machine, not on a network share.

        rate: The gateway's limit; by default 100 requests in 60 s.

        burst, reserve, grace: As for `LocalLimiter`.

        strict: Whether a new file grants nothing until earlier requests no longer count, instead
            of for 3 s.

        clock: Returns monotonic seconds.

    Raises:
        ConfigurationError: An option is out of range, or *path* is not a path.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        rate: Rate | None = None,
        *,
        burst: int | None = None,
        reserve: int = 1,
        grace: float = GRACE,
        strict: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            rate, burst=burst, reserve=reserve, grace=grace, strict=strict, clock=clock
        )
        self._path = _checked_path(path)
        self._settled = self._law.look_back(0)

    def _open_store(self) -> Store:
        return FileStore(self._path, self._settled)


_NO_FILES: Final = ("", ":memory:")  # a file of that name otherwise


def _checked_path(given: object) -> str:
    path: object = os.fspath(cast("str", given)) if isinstance(given, str | os.PathLike) else None
    if isinstance(path, str) and path not in _NO_FILES:
        return str(Path(path).absolute())  # the working directory may change
    msg = f"path must name a file, like /var/lib/app/sms.limit, not {given!r}"
    raise ConfigurationError(msg)


#: The limiter of every client without one: one for the process, so that its clients share it.
default_limiter: Final = LocalLimiter()


#: The module and class of the limiter for each scheme of an address.
_SCHEMES: Final = {
    "file": ("limiters", "FileLimiter"),
    "postgres": ("postgres", "PostgresLimiter"),
    "postgresql": ("postgres", "PostgresLimiter"),
    "redis": ("redis", "RedisLimiter"),
    "rediss": ("redis", "RedisLimiter"),
    "unix": ("redis", "RedisLimiter"),
}

#: Limiters made from an address: one for each address in a process.
_by_address: Final = WeakValueDictionary[tuple[int, str], SharedLimiter]()
#: Number of clients that use each of them; the last one closes it.
_users: Final = WeakKeyDictionary[SharedLimiter, int]()


def find_limiter(given: Limiter | str | os.PathLike[str] | NotGiven) -> Limiter:
    """
    Return the limiter that was given, or that of a test, of the environment, or the default one.

    Raises:
        ConfigurationError: An address has no known scheme, or the variable is set but empty.
        ModuleNotFoundError: The extra for the store is not installed.
    """
    if isinstance(given, os.PathLike):
        given = str(Path(given).absolute())
    if isinstance(given, str):
        return _open("limiter", given)
    if given is not NOT_GIVEN:
        return given
    in_force = limiter_in_force()
    if in_force is not None:
        return in_force
    address = os.environ.get("CUSTOMERSMS_LIMITER")
    return default_limiter if address is None else _open("CUSTOMERSMS_LIMITER", address)


def _open(name: str, address: str) -> SharedLimiter:
    place = _place(name, address)
    known = _by_address.get((os.getpid(), address))
    if known is not None:
        return known
    module, kind = _SCHEMES[place.partition(":")[0]]
    # Imported here: the extra may not be installed.
    make = getattr(import_module(f"{__package__}.{module}"), kind)
    limiter: SharedLimiter = make(place.removeprefix("file:"))
    _by_address[os.getpid(), address] = limiter
    _users[limiter] = 0
    return limiter


def _place(name: str, address: str) -> str:
    """Return the address with a scheme; a path as ``file:`` and the path."""
    scheme, colon, rest = address.partition(":")
    if colon and scheme in ("sqlite", "file"):
        path = rest.removeprefix("//")
        if scheme == "sqlite" and path != rest:  # sqlite:///name and sqlite:////rooted/name
            path = path.removeprefix("/")
        return f"file:{path}"
    if colon and scheme in _SCHEMES:
        return address
    if "://" not in address and (os.sep in address or Path(address).suffix):
        return f"file:{address}"
    # The address is not shown: it may hold a password.
    msg = (
        f"{name} must be a limiter or an address like sqlite:///sms.limit, ./sms.limit, "
        "redis://localhost:6379/0 or postgresql://localhost/app; what was given is neither"
    )
    raise ConfigurationError(msg)


async def enter_limiter(limiter: Limiter) -> None:
    """Count a user of a limiter made from an address; in a new store the roll call begins."""
    if isinstance(limiter, SharedLimiter) and limiter in _users:
        _users[limiter] += 1
        await limiter.__aenter__()


async def leave_limiter(limiter: Limiter) -> None:
    """Report how requests ended; close a limiter made from an address after its last user."""
    if not isinstance(limiter, SharedLimiter):
        return
    if limiter in _users:
        _users[limiter] = max(_users[limiter] - 1, 0)
    await (limiter.flush() if _users.get(limiter, 1) else limiter.aclose())


def observable(limiter: Limiter) -> ObservableLimiter:
    """
    Return *limiter*, which reports the state of an account.

    Raises:
        ConfigurationError: It does not.
    """
    if isinstance(limiter, ObservableLimiter):
        return limiter
    msg = f"limiter must have the methods usage and ready; {type(limiter).__name__} has not"
    raise ConfigurationError(msg)
