"""The pytest plugin as it works in other people's projects: each test runs pytest anew."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PYTEST = [sys.executable, "-W", "error", "-m", "pytest", "-q", "--strict-markers"]
PYTEST += ["-W", "error", "-p", "no:cacheprovider"]

SEND = """
import json, os, sys, urllib.request
import pytest

def send(phone="+12125551234", text="Your code is 4711"):
    body = {"api_key": os.environ["CUSTOMERSMS_API_KEY"], "phone": phone, "message": text}
    data = json.dumps(body).encode()
    with urllib.request.urlopen(os.environ["CUSTOMERSMS_ENDPOINT"], data, timeout=10) as answer:
        return json.load(answer)

"""


@pytest.fixture
def run(tmp_path: Path):
    """Give a function that runs pytest on a test module in a project of its own."""

    def run(source: str, *options: str) -> str:
        tmp_path.joinpath("test_it.py").write_text(SEND + source, encoding="utf-8")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CUSTOMERSMS_", "PYTEST_"))
        }
        done = subprocess.run(
            [*PYTEST, *options],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            encoding="utf-8",
            env=environment | {"PYTHONUTF8": "1"},
            timeout=60,
        )
        return done.stdout + done.stderr

    return run


def counts(output: str) -> dict[str, int]:
    """Read the last line of a run."""
    found = re.findall(r"(\d+) (passed|failed|error)", output.splitlines()[-1])
    return {outcome: int(count) for count, outcome in found}


def test_a_sync_test(run):
    """A test names the fixture, imports nothing, and reads the code."""
    output = run("""
def test_login(sms_sandbox):
    send()
    assert sms_sandbox.last_code("+12125551234") == "4711"
""")

    assert {"passed": 1} == counts(output), output


def test_nothing_is_imported_before_a_test_asks(run):
    """The plugin costs a project that does not use it no import but its own few lines."""
    output = run("""
def ours():
    return sorted(name for name in sys.modules if name.startswith("customersms_async"))

def test_before():
    assert ours() == ["customersms_async", "customersms_async.testing"]
    assert not {"aiohttp", "asyncio", "attrs", "msgspec", "aiolimiter"} & sys.modules.keys()

def test_with(sms_sandbox):
    assert "customersms_async.sandbox" in sys.modules
    assert "customersms_async.client" not in sys.modules
""", "-p", "no:anyio", "-p", "no:xdist", "-p", "no:hypothesispytest")  # fmt: skip

    assert {"passed": 2} == counts(output), output


def test_each_test_is_alone(run):
    """Each test has its own key and mailbox, at the same sandbox, and the environment back."""
    output = run("""
seen = []

@pytest.mark.parametrize("n", range(3))
def test_alone(sms_sandbox, n):
    assert sms_sandbox.messages == sms_sandbox.requests == ()
    send()
    assert len(sms_sandbox.messages) == 1
    seen.append((sms_sandbox.key, sms_sandbox.url))

def test_after():
    assert len({key for key, _ in seen}) == 3
    assert len({url for _, url in seen}) == 1
    assert not {"CUSTOMERSMS_API_KEY", "CUSTOMERSMS_ENDPOINT"} & os.environ.keys()
""")

    assert {"passed": 4} == counts(output), output


def test_what_was_in_the_environment_comes_back(run):
    """Variables that were set before a test are set again after it."""
    output = run("""
@pytest.fixture(autouse=True, scope="module")
def _mine():
    os.environ["CUSTOMERSMS_API_KEY"] = "cspro_mine"
    yield
    assert os.environ.pop("CUSTOMERSMS_API_KEY") == "cspro_mine"

def test_it(sms_sandbox):
    assert os.environ["CUSTOMERSMS_API_KEY"] == sms_sandbox.key
""")

    assert {"passed": 1} == counts(output), output


def test_an_async_test_of_another_plugin(run):
    """Coroutine tests of anyio's plugin use the same fixture, with our client in their loop."""
    output = run("""
from customersms_async import CustomerSMS

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_it(sms_sandbox):
    async with CustomerSMS() as sms:
        await sms.send("+12125551234", "Your code is 4711")
    assert (await sms_sandbox.wait_for(contains="4711")).phone == "+12125551234"
""")

    assert {"passed": 1} == counts(output), output


def test_a_unittest_case(run):
    """A test class of unittest's, as Django has them, gets it by the marker."""
    output = run("""
import unittest

@pytest.mark.sms_sandbox
class TestIt(unittest.TestCase):
    def test_it(self):
        self.assertTrue(send()["success"])
""")

    assert {"passed": 1} == counts(output), output


def test_several_processes(run):
    """Under pytest-xdist each process has a sandbox of its own."""
    output = run("""
@pytest.mark.parametrize("n", range(8))
def test_alone(sms_sandbox, n):
    assert sms_sandbox.messages == ()
    send()
    assert len(sms_sandbox.messages) == 1
    assert os.environ["PYTEST_XDIST_WORKER"].startswith("gw")
""", "-n", "2")  # fmt: skip

    assert {"passed": 8} == counts(output), output


def test_a_failed_test_shows_what_arrived(run):
    """The report of a test that failed has a section with the messages, and no key."""
    output = run("""
def test_it(sms_sandbox):
    send(text="Your code is 4712")
    print("the key ends in", sms_sandbox.key[-8:])
    assert sms_sandbox.last_code() == "4711"
""", "-rN")  # fmt: skip

    assert {"failed": 1} == counts(output), output
    section = output.partition(" sms_sandbox -")[2]
    assert "1 accepted, 1 requests at http://127.0.0.1:" in section
    assert "+12125551234  'Your code is 4712'" in section
    assert "cspro_test_" not in output


def test_a_passed_test_shows_nothing(run):
    """A test that passes, or one that fails without the fixture, has no such section."""
    output = run("""
def test_passes(sms_sandbox):
    send()

def test_fails():
    assert False
""", "-rA")  # fmt: skip

    assert {"passed": 1, "failed": 1} == counts(output), output
    assert "- sms_sandbox -" not in output


def test_a_wait_in_vain_shows_the_test(run):
    """The traceback ends at the line of the test, not within the library."""
    output = run("""
def test_it(sms_sandbox):
    send()
    sms_sandbox.wait(phone="+13235554567", timeout=0)
""")

    assert {"failed": 1} == counts(output), output
    assert "TimeoutError: no message to +13235554567 within 0 s; 1 arrived" in output
    assert "_fixture.py" not in output


def test_a_marker_that_cannot_be(run):
    """The error names the option and what would be right."""
    markers = {
        "(limits=5)": "the marker sms_sandbox takes credits, limit, per",
        "(5)": "the marker sms_sandbox takes names, like limit=100",
        "(limit=0)": "limit must be a whole number of at least 1, or None, not 0",
        "(credits=-1)": "must be a whole number of at least 0, not -1",
        "(script='lost')": "not 'lost'",
    }
    output = run(
        "".join(
            f"""
@pytest.mark.sms_sandbox{marker}
def test_{n}(sms_sandbox):
    pass
"""
            for n, marker in enumerate(markers)
        )
    )

    assert {"error": len(markers)} == counts(output), output
    assert [] == [error for error in markers.values() if error not in output]


def test_the_closest_marker_counts(run):
    """A module's marker holds for its tests, but for what a test says itself."""
    output = run("""
pytestmark = pytest.mark.sms_sandbox(limit=1, credits=7)

@pytest.mark.sms_sandbox(limit=2)
def test_it(sms_sandbox):
    assert (sms_sandbox.usage.limit, sms_sandbox.credits) == (2, 7)
""")

    assert {"passed": 1} == counts(output), output


def test_it_is_described(run):
    """The fixture and the marker stand in pytest's own lists, and no private part of ours."""
    fixtures, markers = run("", "--fixtures"), run("", "--markers")

    assert "@pytest.mark.sms_sandbox(*, credits, limit, per, rule, burst" in markers
    assert ["sms_sandbox"] == re.findall(r"^(\w*sms_sandbox\w*) ", fixtures, re.MULTILINE)


def test_it_can_be_left_out(run):
    """A project that does not want the plugin turns it off by its name."""
    output = run("""
def test_it(sms_sandbox):
    pass
""", "-p", "no:customersms_async")  # fmt: skip

    assert {"error": 1} == counts(output), output
    assert "fixture 'sms_sandbox' not found" in output
