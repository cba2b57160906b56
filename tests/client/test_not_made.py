"""What a crash reporter shows of an object whose constructor raised."""

from __future__ import annotations

import traceback

import pytest

from customersms_async import CustomerSMS, FileLimiter, LocalLimiter
from customersms_async.outbox import Outbox
from customersms_async.sandbox import Sandbox
from customersms_async.sync import CustomerSMS as SyncCustomerSMS
from customersms_async.sync import Outbox as SyncOutbox

SECRET = "cspro_canary"


def locals_shown(make, *args, **options) -> str:
    """Format the frames below this one with their local variables."""
    try:
        make(*args, **options)
    except ValueError as exc:
        frames = traceback.TracebackException.from_exception(exc, capture_locals=True)
        del frames.stack[0]  # this frame, which holds the arguments
        return "".join(frames.format())
    pytest.fail("nothing was refused")


@pytest.mark.parametrize("make", [CustomerSMS, SyncCustomerSMS])
@pytest.mark.parametrize("option", [{"endpoint": "http://example.org/"}, {"retries": -1}])
def test_a_client_that_was_not_made_hides_its_key(make, option):
    """The frames of a refused option can be formatted and do not contain the key."""
    shown = locals_shown(make, SECRET, **option)

    assert "CustomerSMS that was not made>" in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("make", "args", "options"),
    [
        (LocalLimiter, [100], {}),
        (FileLimiter, ["sms.limit", 100], {}),
        (Outbox, [None], {}),
        (SyncOutbox, [None], {}),
        (Sandbox, [], {"limit": -1}),
    ],
)
def test_an_object_that_was_not_made_has_a_repr(make, args, options):
    """The frames of a constructor that raises can be formatted."""
    assert f"{make.__name__} that was not made>" in locals_shown(make, *args, **options)
