"""
The states of a campaign, and every move between them. Pure.

Rules of this module:

1. Each change of a campaign's state is a `CampaignMove` looked up here; the guards and the SQL take
   the states from the table too. A move that is not in the table changes no row.
2. The fence lets messages pass in one state only: ``open``.
3. No move leads out of ``cancelled``.
"""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["CAMPAIGN_MOVES", "CampaignMove", "CampaignState", "ends"]


class CampaignState(enum.StrEnum):
    """
    The state of a campaign.

    Attributes:
        OPEN: Runs may send it, unless another guard holds it.
        PAUSED: Nothing new is sent until someone resumes it.
        CANCELLED: It has ended; what was waiting is never sent.
    """

    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class CampaignMove(enum.Enum):
    """What happens to a campaign; the value is the label of the arrow in the diagram."""

    CREATE = "first opened"
    PAUSE = "pause, a stop rule of a worker, or two late fences"
    RESUME = "resume"
    CANCEL = "cancel"


#: None is where a campaign comes from. A pause while paused replaces the reason; to resume an open
#: campaign lifts what another guard holds.
CAMPAIGN_MOVES: Final[dict[CampaignMove, dict[CampaignState | None, CampaignState]]] = {
    CampaignMove.CREATE: {None: CampaignState.OPEN},
    CampaignMove.PAUSE: {
        CampaignState.OPEN: CampaignState.PAUSED,
        CampaignState.PAUSED: CampaignState.PAUSED,
    },
    CampaignMove.RESUME: {
        CampaignState.OPEN: CampaignState.OPEN,
        CampaignState.PAUSED: CampaignState.OPEN,
    },
    CampaignMove.CANCEL: {
        CampaignState.OPEN: CampaignState.CANCELLED,
        CampaignState.PAUSED: CampaignState.CANCELLED,
    },
}


def ends(move: CampaignMove) -> tuple[list[CampaignState], CampaignState]:
    """Return the states from which *move* may start, and the one to which it leads."""
    arrows = CAMPAIGN_MOVES[move]
    (after,) = set(arrows.values())
    return [before for before in arrows if before is not None], after
