"""
What is said to the script of the shared limit, and what it answers.

The script is ``_limit.lua``; its fields are these, as JSON. Durations and instants are seconds;
instants are those of the store's clock.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .._ports.limiter import LONGEST_PAUSE
from .pause import FIRST_PAUSE, LONGEST_OWN_PAUSE

__all__ = ["Ask", "Ended", "Rules", "Told", "Turn", "Wish", "decode_told", "encode"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """
    What holds for every call.

    Attributes:
        limit: Slots.
        per: The period.
        margin: What is added to each period, for the clocks.
        grace: After the end of a request whose answer was lost, in which it may still be counted.
        burst: Requests of bulk runs that may leave at once.
        interval: Between two requests of bulk runs beyond the burst.
        slow_interval: Between any two requests, once the gateway has refused for the rate.
        reserve: Slots that bulk runs leave to single messages.
        poll: After which a waiter asks again while requests are in flight.
        trusts_empty: Whether a store that knows nothing is taken for a new one.
        first_pause: The pause after a first refusal that names none.
        longest_own_pause: The longest such pause.
        longest_pause: The longest pause of all.
    """

    limit: int
    per: float
    margin: float
    grace: float
    burst: int
    interval: float
    slow_interval: float
    reserve: int
    poll: float
    trusts_empty: bool
    first_pause: float = FIRST_PAUSE
    longest_own_pause: float = LONGEST_OWN_PAUSE
    longest_pause: float = LONGEST_PAUSE


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    How a request ended.

    Attributes:
        lease: Its lease.
        how: In which way.
        age: How long ago.
        granted_at: When it was let go, as the script said it; of a refused one.
        retry_after: The pause that the gateway asked for, or None.
    """

    lease: str
    how: Literal["answered", "lost", "unused", "refused"]
    age: float
    granted_at: str | None = None
    retry_after: float | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Who of the member waits in one lane.

    Attributes:
        waiting: How many.
        more: How many more are expected, who keep the place but are granted nothing.
        longest: The most seconds that one of their requests can take, from the call on.
        place: The place in the line that the first of them has already, or None.
    """

    waiting: int
    more: int
    longest: float
    place: float | None = None


class Ask(msgspec.Struct, kw_only=True, omit_defaults=True):
    """
    One call.

    Attributes:
        member: Who calls.
        call: A name for the call, unlike any other.
        longest: The most seconds that any request of the member can take.
        first_lease: The number of the first lease that is granted; the next have the next numbers.
        unheard: So many leases from the first may have been granted in calls without an answer.
        send: Who waits among the single messages, or None.
        bulk: Who waits among the bulk runs, or None.
        ended: How requests ended.
        generation: Which life of the account the member knows, or None.
        sequence: The last call of its own in that life whose answer it has.
        wants_forecast: Whether it wants to know when each of its waiters has its turn.
        is_question: Whether nothing but the state of the account is asked for.
        now: The instant, where the store's own clock is not to be asked.
    """

    member: str
    call: str
    longest: float
    first_lease: int
    unheard: int = 0
    send: Wish | None = None
    bulk: Wish | None = None
    ended: list[Ended] = []
    generation: str | None = None
    sequence: int = -1
    wants_forecast: bool = False
    is_question: bool = False
    now: float | None = None

    @property
    def wanted(self) -> int:
        """How many leases it can be granted."""
        return sum(wish.waiting for wish in (self.send, self.bulk) if wish is not None)

    def again(self) -> Ask:
        """Give the same call, to be made where nobody knows whether it was carried out."""
        return msgspec.structs.replace(self, unheard=max(self.unheard, self.wanted))


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a lane of the member was told.

    Attributes:
        granted: Number of the lease and place in the line of each that was let go.
        wait: Seconds until it makes sense to call again, or None where nobody is in line.
        place: The place in the line of the first that is left.
        forecast: Seconds until each that waits can have its turn at the earliest, if asked for; no
            more than there are slots.
    """

    granted: list[tuple[int, float]] = []
    wait: float | None = None
    place: float | None = None
    forecast: list[float] = []


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """
    How the account stands; see `Usage`.

    Attributes:
        busy: Slots that may not be used now.
        in_flight: Slots whose request has not ended.
        waiting: Waiters of other members.
        next_free_in: Seconds until a slot is free for certain, or None.
        refused_by_others: Refusals for the rate below our own count.
    """

    busy: int
    in_flight: int
    waiting: int
    refused_by_others: int
    next_free_in: float | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the script answers.

    Attributes:
        now: The instant, exactly.
        generation: The life of the account.
        sequence: The number of the call in it.
        paused_for: Seconds until the pause ends; 0 where there is none.
        opens_in: Seconds until a store that lost its memory grants again; 0 where it does.
        is_shared: Whether the gateway has refused for the rate below our own count.
        send: What concerns the single messages.
        bulk: What concerns the bulk runs.
        usage: How the account stands, if that was the question.
    """

    now: str
    generation: str
    sequence: int = -1
    paused_for: float = 0.0
    opens_in: float = 0.0
    is_shared: bool = False
    send: Turn = Turn()
    bulk: Turn = Turn()
    usage: Standing | None = None


encode = msgspec.json.Encoder().encode
decode_told = msgspec.json.Decoder(Told).decode
