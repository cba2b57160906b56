"""The table of a campaign's states, the diagrams of both tables, and the states in SQL."""

import ast
import re
import runpy
from pathlib import Path

import pytest

from customersms_async import outbox
from customersms_async.outbox._core.campaign_states import (
    CAMPAIGN_MOVES,
    CampaignMove,
    CampaignState,
    ends,
)
from customersms_async.outbox._core.message_states import DONE, Move, State

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(outbox.__file__).parent


@pytest.fixture(name="drawing")
def make_drawing():
    return runpy.run_path(str(DOCS / "draw_states.py"))


def test_cancelled_is_final():
    """No transition starts from cancelled."""
    assert [] == [
        move for move, arrows in CAMPAIGN_MOVES.items() if CampaignState.CANCELLED in arrows
    ]


def test_only_resume_opens_a_paused_campaign():
    """One transition leads from paused to open."""
    opening = [
        move
        for move, arrows in CAMPAIGN_MOVES.items()
        if arrows.get(CampaignState.PAUSED) is CampaignState.OPEN
    ]

    assert [CampaignMove.RESUME] == opening


def test_a_campaign_begins_open():
    """The transition that creates a campaign starts from no state."""
    assert ([], CampaignState.OPEN) == ends(CampaignMove.CREATE)


def test_every_state_is_drawn(drawing):
    """The diagrams name every state and every transition."""
    messages, campaigns = drawing["drawings"]()
    of_messages = [*State, *(move.value for move in Move)]
    of_campaigns = [*CampaignState, *(move.value for move in CampaignMove)]

    assert [] == [word for word in of_messages if word not in messages]
    assert [] == [word for word in of_campaigns if word not in campaigns]


def test_the_diagrams_in_the_docs_are_current(drawing):
    """The page in docs/ contains the diagrams that are drawn today."""
    page = (DOCS / "outbox-states.md").read_text()

    assert page == drawing["drawn"](page)
    assert [] == [one for one in drawing["drawings"]() if one not in page]


def test_sql_takes_its_states_from_the_tables():
    """No statement spells a state but the one that the partial index needs as a literal."""
    texts = [
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "sms_" in node.value
    ]
    spelt = {word for text in texts for word in re.findall(r"'(\w+)'", text)}

    assert {DONE} == spelt & {DONE, *State, *CampaignState}
