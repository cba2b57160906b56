"""Draw the states of a message and of a campaign, from the tables that the outbox runs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from customersms_async.outbox._core.campaign_states import CAMPAIGN_MOVES, CampaignState
from customersms_async.outbox._core.message_states import MOVES, State

PAGE = Path(__file__).parent / "outbox-states.md"

_DRAWING = re.compile(r"(?<=```mermaid\n).*?(?=\n```)", re.DOTALL)


def drawings() -> list[str]:
    """Draw both tables as Mermaid diagrams, in the order of the page."""
    return [
        "\n".join(_draw(MOVES, (State.SENT, State.REJECTED, State.NOT_SENT))),
        "\n".join(_draw(CAMPAIGN_MOVES, (CampaignState.CANCELLED,))),
    ]


def _draw(moves: Mapping[Enum, Mapping[str | None, str]], final: Iterable[str]) -> Iterator[str]:
    yield "stateDiagram-v2"
    for move, arrows in moves.items():
        for before, after in arrows.items():
            yield f"    {before or '[*]'} --> {after}: {move.value}"
    for state in final:
        yield f"    {state} --> [*]"


def drawn(page: str) -> str:
    """Give the page with the drawings as they are today."""
    now = iter(drawings())
    return _DRAWING.sub(lambda _: next(now), page)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
