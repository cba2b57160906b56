"""
One message, and the copies of it that reach the server when something goes wrong.

On real sockets of this machine; each client has its defaults, except for a timeout of one second.
The results go to ``benchmarks/results``: ``duplicates.json`` and ``duplicates.md``. It fails if a
message of ours may have been sent twice, or if its caller is told a wrong fate.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import trustme

from benchmarks._results import Bound, Result, Row, Table
from benchmarks.duplicates.clients import CLIENTS, OURS, SECONDS, Client
from benchmarks.duplicates.mishaps import LEFT, MISHAPS, NEVER_LEFT, Seen, meet
from customersms_async import NotSent, OutcomeUnknown, Receipt

PACKAGES = (
    "customersms-async",
    "aiohttp",
    "requests",
    "httpx",
    "aiohttp-retry",
    "twilio",
    "telnyx",
    "vonage",
    "slack-sdk",
)
ONCE = "429 once"
#: What our client must report.
EXPECTED: Mapping[str, type] = {
    **dict.fromkeys(LEFT, OutcomeUnknown),
    **dict.fromkeys(NEVER_LEFT, NotSent),
    ONCE: Receipt,
}

Results = Mapping[str, Mapping[str, Seen]]


@contextlib.contextmanager
def _certificate() -> Iterator[ssl.SSLContext]:
    """Make a certificate for this machine that `requests` trusts for now."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "authority.pem")
        authority.cert_pem.write_to_path(str(bundle))
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        yield context
        del os.environ["REQUESTS_CA_BUNDLE"]


async def _all_mishaps(client: Client, context: ssl.SSLContext) -> dict[str, Seen]:
    seen = await asyncio.gather(*(meet(client, mishap, context) for mishap in MISHAPS))
    return dict(zip(MISHAPS, seen, strict=True))


def measure() -> Results:
    """Run every client through every mishap."""
    logging.disable()  # every client logs it in its own way
    warnings.simplefilter("ignore")
    with _certificate() as context:
        return {
            name: asyncio.run(_all_mishaps(client, context)) for name, client in CLIENTS.items()
        }


def _copies_row(name: str, seen: Mapping[str, Seen]) -> Row:
    return {
        "client": name,
        **{mishap: seen[mishap].copies for mishap in LEFT},
        "of these accepted": seen[ONCE].copies - seen[ONCE].turned_away,
        "posted to another host": seen["307"].elsewhere,
        "the caller learns whether it may have been sent": _learns(name, seen),
    }


def _learns(name: str, seen: Mapping[str, Seen]) -> str:
    if name == OURS:
        return "yes: `.status`"
    alike = {seen[one].told for one in NEVER_LEFT} & {seen[one].told for one in LEFT}
    return f"no: `{'`, `'.join(sorted(alike))}` for both" if alike else "by class only"


def _told_row(name: str, seen: Mapping[str, Seen]) -> Row:
    return {"client": name, **{mishap: one.told for mishap, one in seen.items()}}


def _bounds(seen: Mapping[str, Seen]) -> list[Bound]:
    wrong = sum(not isinstance(one.outcome, EXPECTED[what]) for what, one in seen.items())
    return [
        *(
            Bound(
                f"{OURS}, {mishap}: copies that may have been sent",
                seen[mishap].copies - seen[mishap].turned_away,
                1,
            )
            for mishap in LEFT
        ),
        Bound(f"{OURS}: posted to another host", seen["307"].elsewhere, 0),
        Bound(f"{OURS}: fates told wrongly", wrong, 0),
    ]


def main() -> int:
    """Measure, write the results, and fail if a bound is missed."""
    seen = measure()
    copies_note = (
        f"Complete bodies that arrived at a raw server. Each client with its defaults, except for "
        f"a timeout of {SECONDS} s per attempt, and with the option that a row names. The server "
        "treats every request alike, except for the 429: it refuses the first (`Retry-After: 1`), "
        "which does not count as sent, and accepts the next. 307 redirects to another port. "
        "Learns: whether the exception differs from the one without a connection, when nothing "
        "was sent; only ours says so explicitly. "
        "twilio, telnyx, vonage and slack_sdk send a message of their own API."
    )
    told_note = (
        "The exception, or the status of the result. In the last two nothing can have been sent: "
        "the connection is refused, or never made."
    )
    return Result(
        name="duplicates",
        title="One message, and its copies",
        packages=PACKAGES,
        tables={
            "copies": Table(
                "Copies of one message that reach the server",
                [_copies_row(name, one) for name, one in seen.items()],
                copies_note,
            ),
            "told": Table(
                "What the caller is told",
                [_told_row(name, one) for name, one in seen.items()],
                told_note,
            ),
        },
        bounds=_bounds(seen[OURS]),
    ).publish()


if __name__ == "__main__":
    sys.exit(main())
