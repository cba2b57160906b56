"""What forbids a campaign to be sent."""

import attrs
import pytest

from customersms_async.outbox._core.errors import CampaignHeld
from customersms_async.outbox._core.guards import (
    CampaignFacts,
    check_binding,
    check_budget,
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
def test_nothing_is_held_without_a_reason(facts):
    """A new campaign may begin, and one that stopped yesterday at this time may go on."""
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
def test_a_guard_names_campaign_and_cure(change, code, cure):
    """Each guard has a word of its own, and says which call goes on."""
    with pytest.raises(CampaignHeld) as caught:
        check_start(attrs.evolve(FRESH, **change), "a", "https://x", NOW)

    assert code == caught.value.code
    assert "'parents'" in str(caught.value)
    assert cure in str(caught.value)


BEGUN = attrs.evolve(FRESH, account="a", endpoint="https://x", seen_at=NOW)


def test_what_nobody_got_takes_another_account_and_endpoint():
    """A wrong key or a wrong address at the first try has sent nothing that could be doubled."""
    untouched = attrs.evolve(BEGUN, is_untouched=True)

    check_start(untouched, "b", "https://y", NOW)
    check_binding(untouched, "b", "https://y")


def test_without_a_client_only_the_campaign_is_looked_at():
    """Whoever only asks how it stands may have no key at hand."""
    check_start(BEGUN, None, None, NOW)

    with pytest.raises(CampaignHeld, match="PAUSED"):
        check_start(attrs.evolve(BEGUN, state="paused"), None, None, NOW)


def test_a_run_that_lives_on_is_held_to_the_binding():
    """Another one may have begun with another key while it stood still."""
    check_binding(BEGUN, "a", "https://x")

    with pytest.raises(CampaignHeld, match="OTHER_ACCOUNT"):
        check_binding(BEGUN, "b", "https://x")


def test_the_reason_of_a_pause_is_told():
    """Who paused it has said why."""
    facts = attrs.evolve(FRESH, state="paused", reason="two late fences")

    with pytest.raises(CampaignHeld, match="two late fences"):
        check_start(facts, "a", "https://x", NOW)


@pytest.mark.parametrize(
    ("most", "price", "expected"),
    [(None, 1.0, True), (300, 1.0, True), (299, 1.0, False), (300, 1.5, False)],
)
def test_a_budget_counts_what_is_in_flight(most, price, expected):
    """All that may be accepted is reckoned at the dearest price."""
    assert expected == check_budget(most, 100, 100, 100, price)
