"""Why a campaign is held, and which command continues it."""

from __future__ import annotations

from pathlib import Path

from ..outbox import CampaignHeld
from .campaign_location import CampaignLocation

__all__ = ["held_line"]


def held_line(held: CampaignHeld, file: Path | None, location: CampaignLocation) -> str:
    """Say what happened, and which command to type to continue this campaign."""
    resume = location.command("resume", file)
    words = {
        "campaign.resume()": resume,
        "campaign.adopt(sms)": f"{resume} --new-key",
        "outbox.adopt()": f"{resume} --moved",
        "campaign.outcomes(Status.UNKNOWN)": location.command("export", file, "--only", "unknown"),
        "use the same endpoint": "set CUSTOMERSMS_ENDPOINT (or --endpoint) to the first",
        "start a campaign with another name": "start another campaign with --campaign NAME",
    }
    text = str(held).replace("this client sends to", "now it would go to")
    for call, command in words.items():
        text = text.replace(f"call {call}", command).replace(call, command)
    return text
