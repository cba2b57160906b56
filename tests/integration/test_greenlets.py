"""The synchronous client where threads are greenlets, as under ``gunicorn -k gevent``."""

import importlib.util

import pytest

from tests.support.python_program import run_python

PATCHED_FIRST = """
from gevent import monkey
monkey.patch_all()
from customersms_async.sync import CustomerSMS
sms = CustomerSMS()
"""

#: gunicorn's ``--preload`` imports the application first.
PATCHED_LATE = """
from customersms_async.sync import CustomerSMS
sms = CustomerSMS()
from gevent import monkey
monkey.patch_all(ssl=False)
"""

SEND = """
import asyncio, gevent

def work(n):
    sms.send("+12125550001", f"{n} one")
    sms.send("+12125550001", f"{n} two")

jobs = [gevent.spawn(work, n) for n in range(20)]
gevent.joinall(jobs, raise_error=True)
print(sms.send_many((f"+1212555{n:04d}" for n in range(2, 32)), "many"))
"""

BESIDE_OTHERS = """
import asyncio, gevent
seen = []

def watch():
    while True:
        seen.append(asyncio._get_running_loop())
        gevent.sleep(0.001)

gevent.spawn(watch)
sms.send("+12125550001", "one")
print(len(seen) > 10, set(seen))
"""

INTERRUPTED = """
import gevent
try:
    with gevent.Timeout(0.1):
        sms.send("+12125550001", "one")
except gevent.Timeout as timeout:
    print(timeout.__notes__)
"""


BESIDE_ANOTHER_LOOP = """
import asyncio, gevent

async def other():
    await asyncio.sleep(0.4)  # the answer arrives meanwhile
    return asyncio.get_running_loop()

sms.send("+12125550001", "one")
sending = gevent.spawn(sms.send, "+12125550001", "two")
gevent.sleep(0.05)
loop = asyncio.new_event_loop()
print(sending.ready(), loop.run_until_complete(other()) is loop, sending.ready())
loop.close()
"""

A_TEST = """
from customersms_async.sync import CustomerSMS

def test_login(sms_sandbox):
    with CustomerSMS() as sms:
        sms.send("+12125550001", "Your code is 4711")
    assert sms_sandbox.last_code() == "4711"
"""

THE_TESTS = """
from gevent import monkey
monkey.patch_all()
import pytest
pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore", {path!r}])
"""


def run(source: str) -> str:
    """Run a program in another process, and return its output."""
    if importlib.util.find_spec("gevent") is None:
        pytest.skip("gevent is not installed")
    done = run_python(source)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("beginning", [PATCHED_FIRST, PATCHED_LATE])
def test_many_greenlets(sms_sandbox, beginning):
    """Twenty greenlets send with one client, and every message arrives once."""
    assert "30 sent, 0 rejected" in run(beginning + SEND)
    assert 70 == len(sms_sandbox.messages)
    assert () == sms_sandbox.duplicates()


def test_other_greenlets(sms_sandbox):
    """While a message is sent, others run, and see no event loop, which Django would refuse."""
    sms_sandbox.set_faults(latency=0.2)

    assert "True {None}\n" == run(PATCHED_FIRST + BESIDE_OTHERS)


def test_another_loop(sms_sandbox):
    """An event loop of the application in another greenlet stays the running one there."""
    sms_sandbox.set_faults(latency=0.2)

    assert "False True True\n" == run(PATCHED_FIRST + BESIDE_ANOTHER_LOOP)


def test_a_timeout_of_gevent(sms_sandbox):
    """A timeout cancels the call, and notes that the message is not known to have been sent."""
    sms_sandbox.set_faults(latency=5)

    assert "unknown" in run(PATCHED_FIRST + INTERRUPTED)


def test_the_fixture(tmp_path):
    """The fixture works in tests whose threads are greenlets."""
    path = tmp_path / "test_login.py"
    path.write_text(A_TEST, "utf-8")

    assert "1 passed" in run(THE_TESTS.format(path=str(path)))
