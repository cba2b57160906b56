"""The common style of all pictures: colours, and the size at which a README shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BAND",
    "BLUE",
    "GRID",
    "INK",
    "NAMES",
    "PALE",
    "RED",
    "WIDTH",
    "foot",
    "headline",
    "plain",
    "sheet",
]

#: Inches; at 100 dots each, the picture is as wide as a README shows it.
WIDTH = 8.3
#: Where texts at the left begin; inches.
NAMES = 0.15

INK, PALE, RED, BLUE, GRID = "#1f2933", "#66727f", "#c62828", "#33608c", "#d5dbe1"
BAND = "#eef4fa"


@contextmanager
def sheet(height: float, path: Path) -> Iterator[tuple[Figure, Axes]]:
    """Make a figure of *height* inches, with axes in inches from its top, and save it."""
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK}):
        figure = Figure(figsize=(WIDTH, height), dpi=200, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        yield figure, axes
        figure.savefig(path, metadata={"Software": None})


def headline(axes: Axes, text: str, below: str) -> None:
    """Write the headline, and what is measured."""
    axes.text(NAMES, 0.30, text, size=11.5, weight="bold")
    axes.text(NAMES, 0.53, below, color=PALE)


def foot(axes: Axes, height: float, circumstances: str) -> None:
    """Write when, on what and with what it was measured."""
    axes.text(
        NAMES,
        height - 0.12,
        "\n".join(circumstances.rsplit(" · ", 1)),
        size=7,
        color=PALE,
        va="bottom",
        linespacing=1.4,
    )


def plain(axes: Axes) -> None:
    """Remove from the axes what is not needed."""
    axes.patch.set_alpha(0)
    axes.tick_params(length=2, width=0.5, color=PALE, labelsize=7, labelcolor=PALE)
    for side, spine in axes.spines.items():
        spine.set(visible=side in {"bottom", "left"}, color=PALE, lw=0.5)
    axes.grid(color=GRID, lw=0.5)
    axes.set_axisbelow(True)
