"""The picture for the README, with a line for each limiter."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks._plot import BAND, BLUE, GRID, INK, NAMES, PALE, RED, WIDTH, foot, headline, sheet
from benchmarks._results import Spread
from benchmarks.limit.contestants import LIMIT, PER
from benchmarks.limit.server import SEEDS
from benchmarks.limit.tables import RULES, Watched

__all__ = ["draw"]

# All lengths are inches.
_TOP, _BOTTOM, _ROW = 1.30, 0.92, 0.52
_LINES, _LINES_END, _CELLS, _CELL, _LAST = 2.02, 4.08, 4.62, 0.52, 8.15

_HEAT = LinearSegmentedColormap.from_list("heat", ["#fdece4", "#f6a384", "#d9482f", "#9b1c1c"])
_MINUTES = 10


def draw(watched: Mapping[str, Watched], circumstances: str, path: Path) -> None:
    """Draw how many each sends in any minute, and how many of them six rules refuse."""
    height = _TOP + _ROW * len(watched) + _BOTTOM
    with sheet(height, path) as (figure, axes):
        _head(axes)
        for number, (name, seen) in enumerate(watched.items()):
            top = _TOP + _ROW * number
            _line_of_text(axes, name, seen, top)
            _line_of_time(figure, seen, top, is_last=number == len(watched) - 1)
        _foot(axes, circumstances, height)


def _head(page: Axes) -> None:
    headline(
        page,
        "“100 per minute”, as six limiters keep it and as the server counts it",
        "1,000 requests wait at once; each then travels for 10 to 500 ms. Above 100: red.",
    )
    page.text(_LINES, 0.86, "arrivals in the last 60 s", weight="bold")
    page.text(_LINES_END + 0.28, 1.10, "at the\nmost", ha="center", va="center", size=7.5)
    page.text(_CELLS, 0.86, "refused of 1,000, where the server counts by", weight="bold")
    for number, title in enumerate(RULES.values()):
        text = "\n".join(title.replace(", burst", "\nburst").split("\n" if "," in title else " "))
        page.text(_CELLS + _CELL * (number + 0.5), 1.10, text, ha="center", va="center", size=7.5)
    page.text(_LAST, 1.10, "last\nleaves", ha="right", va="center", size=7.5)


def _line_of_text(page: Axes, name: str, seen: Watched, top: float) -> None:
    is_ours = name.startswith("LocalLimiter")
    middle = top + _ROW / 2
    if is_ours:
        page.add_patch(Rectangle((0.06, top), WIDTH - 0.12, _ROW, color=BAND, lw=0))
    title, _, rest = name.replace(" (", ", (").partition(", ")
    page.text(
        NAMES,
        middle - 0.08,
        title,
        va="center",
        size=9,
        weight="bold" if is_ours else "normal",
    )
    page.text(NAMES, middle + 0.10, rest, va="center", size=7.5, color=PALE)
    page.text(
        _LINES_END + 0.28,
        middle,
        str(seen.busiest),
        ha="center",
        va="center",
        size=9.5,
        weight="bold",
        color=RED if seen.busiest > LIMIT else INK,
    )
    for number, rule in enumerate(RULES):
        _cell(page, seen.refused(rule), _CELLS + _CELL * number, top)
    page.text(_LAST, middle, f"{seen.last_left:.0f} s", ha="right", va="center")


def _cell(page: Axes, refused: Spread, left: float, top: float) -> None:
    middle = left + _CELL / 2, top + _ROW / 2
    heat = min(1.0, refused.value / 1000) ** 0.4
    color = _HEAT(heat) if refused.high else "white"
    ink = "white" if heat > 0.5 else INK
    page.add_patch(
        Rectangle((left + 0.015, top + 0.03), _CELL - 0.03, _ROW - 0.06, fc=color, ec=GRID, lw=0.5)
    )
    value, worst = _rounded(refused.value), _rounded(refused.high)
    is_one = value == worst
    write = functools.partial(page.text, ha="center", va="center", color=ink)
    write(middle[0], middle[1] - (0 if is_one else 0.07), value, size=9)
    if not is_one:
        write(middle[0], middle[1] + 0.11, f"to {worst}", size=7)


def _rounded(figure: float) -> str:
    return f"{figure:.1f}" if 0 < figure < 10 and not figure.is_integer() else f"{figure:.0f}"


def _line_of_time(figure: Figure, seen: Watched, top: float, *, is_last: bool) -> None:
    height = figure.get_figheight()
    box = (
        _LINES / WIDTH,
        1 - (top + _ROW - 0.06) / height,
        (_LINES_END - _LINES) / WIDTH,
        (_ROW - 0.10) / height,
    )
    axes = figure.add_axes(box, xlim=(0, _MINUTES), ylim=(0, 210))
    axes.patch.set_alpha(0)
    minutes, counts = _within_the_last_minute(
        max(seen.sights, key=lambda one: one.busiest).arrivals
    )
    capped = [min(count, LIMIT) for count in counts]
    above = [count if count > LIMIT else math.nan for count in counts]
    axes.fill_between(minutes, capped, step="post", color=BLUE, alpha=0.35, lw=0)
    axes.fill_between(minutes, LIMIT, above, step="post", color=RED, lw=0)
    axes.axhline(LIMIT, color=INK, lw=0.7)
    # A momentary excess is thinner than a pixel, and must be visible.
    axes.vlines(*_peaks(minutes, above), color=RED, lw=0.8)
    axes.text(-0.12, LIMIT, str(LIMIT), ha="right", va="center", size=7, color=PALE)
    axes.set_yticks([])
    axes.set_xticks([0, 5, 10], labels=["0", "5", "10 min"] if is_last else ["", "", ""])
    axes.tick_params(length=2, width=0.5, color=PALE, labelsize=7, labelcolor=PALE)
    for side, spine in axes.spines.items():
        spine.set(visible=side == "bottom", color=PALE, lw=0.5)


def _peaks(
    minutes: Sequence[float], above: Sequence[float]
) -> tuple[list[float], int, list[float]]:
    known = [(at, count) for at, count in zip(minutes, above, strict=True) if count > LIMIT]
    return [at for at, _ in known], LIMIT, [count for _, count in known]


def _within_the_last_minute(arrivals: Sequence[float]) -> tuple[list[float], list[int]]:
    """Return the minutes at which the count of the last 60 s changes, and the counts."""
    changes = sorted([(at, 1) for at in arrivals] + [(at + PER, -1) for at in arrivals])
    minutes, counts = [0.0], [0]
    for at, change in changes:
        minutes.append(at / 60)
        counts.append(counts[-1] + change)
    return minutes, counts


def _foot(page: Axes, circumstances: str, height: float) -> None:
    page.text(
        NAMES,
        height - 0.52,
        f"Refused: the mean of {len(SEEDS)} seeds, and “to” the worst; counted, not sent again. "
        "Arrivals, last: the worst seed.",
        size=7,
        color=PALE,
    )
    foot(page, height, circumstances)
