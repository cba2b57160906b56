"""The checks that hold a campaign."""

import attrs
import pytest

from customersms_async.outbox._core.errors import CampaignHeld
from customersms_async.outbox._core.guards import (
    CampaignFacts,
    affordable,
    check_binding,
    check_start,
)

FRESH = CampaignFacts(
    name="parents",
    state="open",
    reason=None,
    account=None,
    endpoint=None,
    crashes=0,
    seen_at=None,
    is_copied=False,
)
NOW = 1_000_000.0


@pytest.mark.parametrize(
    "facts",
    [
        FRESH,
        attrs.evolve(FRESH, account="a", endpoint="https://x", seen_at=NOW - 86_400, crashes=1),
    ],
)
def test_a_campaign_that_may_start(facts):
    """A new campaign may start, and so may one that stopped a day ago."""
    check_start(facts, "a", "https://x", NOW)


@pytest.mark.parametrize(
    ("change", "code", "cure"),
    [
        ({"is_copied": True}, "COPIED", "outbox.adopt()"),
        ({"endpoint": "http://sandbox"}, "OTHER_ENDPOINT", "another name"),
        ({"account": "b", "endpoint": "https://x"}, "OTHER_ACCOUNT", "campaign.adopt(sms)"),
        ({"state": "cancelled"}, "CANCELLED", "another name"),
        ({"state": "paused"}, "PAUSED", "campaign.resume()"),
        ({"crashes": 2}, "CRASHED", "campaign.resume()"),
        ({"seen_at": NOW - 90_000}, "STALE", "25 hours ago"),
    ],
)
def test_a_held_campaign_says_how_to_continue(change, code, cure):
    """Each check has a code, and names the call that continues the campaign."""
    with pytest.raises(CampaignHeld) as caught:
        check_start(attrs.evolve(FRESH, **change), "a", "https://x", NOW)

    assert code == caught.value.code
    assert "'parents'" in str(caught.value)
    assert cure in str(caught.value)


BEGUN = attrs.evolve(FRESH, account="a", endpoint="https://x", seen_at=NOW)


def test_an_untouched_campaign_can_change_account_and_endpoint():
    """If nothing was sent, another key or endpoint is accepted."""
    untouched = attrs.evolve(BEGUN, is_untouched=True)

    check_start(untouched, "b", "https://y", NOW)
    check_binding(untouched, "b", "https://y")


def test_a_check_without_a_client():
    """Without a client, only the state of the campaign is checked."""
    check_start(BEGUN, None, None, NOW)

    with pytest.raises(CampaignHeld, match="PAUSED"):
        check_start(attrs.evolve(BEGUN, state="paused"), None, None, NOW)


def test_a_running_worker_is_held_by_the_binding():
    """A worker is held if the campaign was bound to another key meanwhile."""
    check_binding(BEGUN, "a", "https://x")

    with pytest.raises(CampaignHeld, match="OTHER_ACCOUNT"):
        check_binding(BEGUN, "b", "https://x")


def test_the_reason_of_a_pause_is_shown():
    """The error for a paused campaign contains the reason for the pause."""
    facts = attrs.evolve(FRESH, state="paused", reason="two late fences")

    with pytest.raises(CampaignHeld, match="two late fences"):
        check_start(facts, "a", "https://x", NOW)


@pytest.mark.parametrize(
    ("price", "expected"), [(1.0, 200), (1.5, 100), (1.51, 98), (3.0, 0), (4.0, -25)]
)
def test_what_a_budget_allows(price, expected):
    """All messages, sent before or sent now, count at the highest price."""
    assert expected == affordable(300, 100, price)
