"""
The port of a shared store: read a value, and replace it if nobody else has.

The law of the limit runs in the caller, on one value per account. A store decides nothing: it keeps
opaque bytes, reports its clock, and reports when its memory may have been lost. Rules that every
store keeps, checked by the contract suite:

1. Value and token are replaced together and atomically. Of any number of swaps based on one token,
   at most one is carried out.
2. The clock is the store's, never a caller's. It is read in the same step as the value, or earlier
   in the same call: never before the call was made, and never after the value was read.
3. A call ends within `TIMEOUT` seconds, with an answer or with `StoreAway`. A swap is carried out
   at most once. After a failure, calls that are waiting or are made within `BACK_OFF` seconds fail
   at once, and the first one after that tries again.
4. At most a few calls are under way at once; the others wait, first in, first out. Their time-out
   begins when their turn comes.
5. A store that cannot keep a value (a full disk, a read-only server) raises `StoreAway`. It never
   reports a swap as carried out unless every later read of the same `run` will find it.
"""

from __future__ import annotations

from typing import Final, Protocol

from attrs import frozen

__all__ = ["BACK_OFF", "TIMEOUT", "Seen", "Store", "StoreAway", "Swap"]

#: Seconds after which a call that is under way counts as lost.
TIMEOUT: Final = 0.5

#: Seconds after a failure in which the store is not called.
BACK_OFF: Final = 0.25


class StoreAway(Exception):
    """
    The store did not answer in time, refused the call, or cannot keep values.

    A swap that raises this may have been carried out, or may still be: read, and look for what it
    should have written. The text names the kind of error and the store's address, never a password,
    and may be shown.
    """


@frozen
class Seen:
    """
    What a store holds for one account, at one instant.

    Attributes:
        value: The bytes that the last swap wrote; None for an account that was never written.
        token: Identifies this value: no two swaps write the same token. Opaque, at most 32 bytes.
        now: The store's clock in seconds at this answer. Only differences have a meaning; it may
            step when the clock of the store's machine is set.
        run: Identifies one life of the store's memory, for all accounts. It stays the same exactly
            as long as nothing written can have been lost: it changes when the server is restarted
            or replaced, when the key or table is deleted, when the machine boots (file). A value
            written in another run may be an old copy. Opaque text of at most 100 characters.
        since: When *run* began, in seconds of the store's clock; precisely, when a caller first saw
            it. Later than *now* if the store knows that its loss matters until then (a file, for a
            minute after a boot). Equal for all that see the same *run*. An account without a value
            in a run older than the roll call is a new account.
    """

    value: bytes | None
    token: bytes
    now: float
    run: str
    since: float


@frozen
class Swap:
    """
    The result of a swap.

    Attributes:
        done: Whether the value was replaced. If not, the token or the run had changed, or the swap
            came too late.
        seen: What the store holds after the call; the next swap may be based on it.
    """

    done: bool
    seen: Seen


class Store(Protocol):
    """
    Values by account, in one key or table that all members of a limiter share.

    An instance belongs to one event loop and connects at its first call. Calls may overlap. A
    cancelled call may have been carried out, like one that raises `StoreAway`.
    """

    async def read(self, account: str) -> Seen:
        """
        Return what the store holds for *account* (any text; a hash of the key in practice).

        The first read of a new store, or after a loss, begins the new *run*.

        Raises:
            StoreAway: The store does not answer.
        """
        ...

    async def swap(
        self, account: str, base: Seen, value: bytes, *, within: float | None = None
    ) -> Swap:
        """
        Replace the value of *account* if it is still the one that *base* shows.

        Args:
            account: As for `read`.

            base: The answer of this store for this account from which *value* was computed.

            value: The new value, up to 1 MB.

            within: Seconds of the store's clock after ``base.now`` in which the swap may be carried
                out; later, or if the clock stepped back, it is refused. None: at any time.

        Raises:
            StoreAway: The store does not answer or cannot keep the value; the swap may have been
                carried out.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections; calls from now on raise `StoreAway`. May be called again."""
        ...
