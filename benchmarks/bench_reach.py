"""
How long it takes to reach N people at 100 requests a minute, by numbers per request.

The whole client in virtual time, with a gateway in memory that answers after a quarter of a
second. The results go to ``benchmarks/results``: ``reach.json``, ``reach.md`` and ``reach.png``.
It fails if a run that the limit delays takes longer than 1.03 × the minimum that the limit allows,
plus a round trip.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence

from attrs import frozen
from matplotlib.axes import Axes

from benchmarks import _plot, _virtual
from benchmarks._results import RESULTS, Bound, Result, Row, Table
from customersms_async import LocalLimiter, Rate
from tests.support.client_in_memory import MemoryTransport, accepts, make_client_in_memory, phones

LIMIT, PER = 100, 60.0
ROUND_TRIP = 0.25
PEOPLE = (1_000, 10_000, 100_000)
SIZES = (1, 10, 100, 1_000)
MOST = 1.03
#: The default pace of a bulk run, and the slots that it leaves to single messages.
BURST, PACE, RESERVE = 9, 0.98, 1


def least_seconds(requests: int) -> float:
    """Return when the last request may leave: a hundred at once, then a hundred each minute."""
    return PER * ((requests - 1) // LIMIT)


@frozen
class Run:
    """
    One run.

    Attributes:
        people: Numbers.
        size: Numbers a request.
        unpaced: Seconds to the last answer, with ``LocalLimiter(burst=100, reserve=0)``.
        paced: The same with the default.
    """

    people: int
    size: int
    unpaced: float
    paced: float

    @property
    def requests(self) -> int:
        """Requests of the run."""
        return -(-self.people // self.size)

    @property
    def least(self) -> float:
        """Seconds until the last request may leave."""
        return least_seconds(self.requests)

    @property
    def least_paced(self) -> float:
        """The same at the default pace: nine at once, then 98 a minute, 99 in any 60 s."""
        paced = max(0, self.requests - BURST) * PER / (PACE * LIMIT)
        return max(paced, PER * ((self.requests - 1) // (LIMIT - RESERVE)))

    @property
    def row(self) -> Row:
        """Return the row of the table."""
        least = self.least + ROUND_TRIP
        return {
            "people": f"{self.people:,}",
            "a request": self.size,
            "requests": self.requests,
            "least, s": least,
            "burst=100, reserve=0, s": self.unpaced,
            "÷ least": self.unpaced / least,
            "default, s": self.paced,
            "default ÷ least": self.paced / least,
            "the pace costs, s": self.paced - self.unpaced,
        }


def seconds(people: int, size: int, *, is_paced: bool) -> float:
    """Send to *people* numbers; return the seconds until the last answer."""
    options = {} if is_paced else {"burst": LIMIT, "reserve": 0}

    async def main() -> float:
        clock = asyncio.get_running_loop().time
        limiter = LocalLimiter(Rate(LIMIT, per=PER), clock=clock, **options)
        transport = MemoryTransport(then=accepts(ROUND_TRIP))
        began_at = clock()
        async with make_client_in_memory(transport, limiter=limiter) as sms:
            report = await sms.send_many(phones(people), "We open at nine", batch_size=size)
            assert report.sent == people
            return clock() - began_at

    return _virtual.run(main)


def measure() -> list[Run]:
    """Measure every run in each way."""
    return [
        Run(
            people,
            size,
            unpaced=seconds(people, size, is_paced=False),
            paced=seconds(people, size, is_paced=True),
        )
        for people in PEOPLE
        for size in SIZES
    ]


def _bounds(runs: Sequence[Run]) -> list[Bound]:
    def bound(name: str, run: Run, seen: float, least: float) -> Bound:
        return Bound(f"{name}, {run.people:,} by {run.size:,}: s", seen, MOST * least + ROUND_TRIP)

    # The minimum of a run within one burst is a round trip, as the limit does not delay it.
    held_up = [run for run in runs if run.requests > LIMIT]
    longest = max(runs, key=lambda run: run.requests)
    return [
        *(bound("burst=100, reserve=0", run, run.unpaced, run.least) for run in held_up),
        bound("default", longest, longest.paced, longest.least),
        *(
            bound("default, to its own pace", run, run.paced, run.least_paced)
            for run in runs
            if run.requests >= LIMIT
        ),
    ]


_TIMES = {0.25: "¼ s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36000: "10 h"}
_COLORS: Mapping[int, str] = {1: _plot.RED, 10: "#c98a1b", 100: _plot.BLUE, 1_000: "#2f855a"}


def draw(runs: Sequence[Run], circumstances: str) -> None:
    """Draw how long each run takes."""
    height = 4.0
    with _plot.sheet(height, RESULTS / "reach.png") as (figure, axes):
        _plot.headline(
            axes,
            "How long it takes to reach everybody at 100 requests a minute",
            "Lines: the least that the limit allows, by the numbers of a request. "
            "Dots: send_many; rings: send_many with burst=100 and reserve=0.",
        )
        box = (0.75 / _plot.WIDTH, 0.80 / height, (_plot.WIDTH - 2.1) / _plot.WIDTH, 2.35 / height)
        lines = figure.add_axes(box, xlim=(800, 1.3e5), ylim=(0.13, 2e5))
        lines.set(xscale="log", yscale="log")
        _plot.plain(lines)
        for size, color in _COLORS.items():
            _draw_size(lines, [run for run in runs if run.size == size], color)
        lines.set_xticks(PEOPLE, [f"{people:,} people" for people in PEOPLE])
        lines.set_yticks(list(_TIMES), list(_TIMES.values()))
        lines.minorticks_off()
        axes.text(_plot.NAMES, 0.74, "time until the last answer", size=7, color=_plot.PALE)
        _plot.foot(axes, height, circumstances)


def _draw_size(lines: Axes, runs: Sequence[Run], color: str) -> None:
    size, last = runs[0].size, runs[-1]
    grid = [round(PEOPLE[0] * 10 ** (step / 200)) for step in range(401)]
    least = [least_seconds(-(-people // size)) + ROUND_TRIP for people in grid]
    lines.plot(grid, least, color=color, lw=1, alpha=0.6)
    people = [run.people for run in runs]
    lines.plot(people, [run.unpaced for run in runs], "o", color=color, ms=7, mfc="none", mew=1)
    lines.plot(people, [run.paced for run in runs], "o", color=color, ms=3.5)
    lines.annotate(
        f"{size:,} a request" if size > 1 else "one by one",
        (last.people, last.paced),
        xytext=(11, 0),
        textcoords="offset points",
        va="center",
        color=color,
        annotation_clip=False,
    )


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    runs = measure()
    note = (
        f"Virtual time; the gateway answers after {ROUND_TRIP} s. Least: a hundred requests leave "
        "at once, a hundred more each 60 s, and the last is answered. The default paces a bulk "
        "run, nine at once and then 98 a minute, which pleases servers that dislike bursts, and "
        "leaves one slot to single messages, so that the last of a hundred requests waits for the "
        "first slot that comes back; `LocalLimiter(burst=100, reserve=0)` does neither. A run "
        "begins with one request in flight and doubles with each answer, up to 16, which is why "
        "one that fits into one burst takes several round trips. Held to 1.03 × the least and a "
        "round trip are the runs that the limit holds up: with burst=100, reserve=0 all of more "
        "than 100 requests; with the default the longest, where the first minute no longer counts, "
        "and all of 100 and more to the least of its own pace."
    )
    result = Result(
        name="reach",
        title="How long it takes to reach N people, at 100 requests a minute",
        packages=("customersms-async", "aiolimiter"),
        tables={"reach": Table("Seconds until the last answer", [run.row for run in runs], note)},
        bounds=_bounds(runs),
    )
    code = result.publish()
    draw(runs, result.circumstances)
    return code


if __name__ == "__main__":
    sys.exit(main())
