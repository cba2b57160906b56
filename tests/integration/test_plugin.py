"""The pytest plugin in other people's projects: each test runs pytest in a subprocess."""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

PYTEST = [sys.executable, "-W", "error", "-m", "pytest", "-q", "--strict-markers"]
PYTEST += ["-W", "error", "-p", "no:cacheprovider"]
#: Runs pytest without the other plugins installed here, and without their imports.
WITHOUT_OTHERS = [f"-pno:{plugin}" for plugin in ("anyio", "xdist", "hypothesispytest", "valkey")]
WITH_XDIST = [option for option in WITHOUT_OTHERS if option != "-pno:xdist"]

SEND = """
import json, os, sys, urllib.request
import pytest

def send(phone="+12125551234", text="Your code is 4711"):
    body = {"api_key": os.environ["CUSTOMERSMS_API_KEY"], "phone": phone, "message": text}
    data = json.dumps(body).encode()
    with urllib.request.urlopen(os.environ["CUSTOMERSMS_ENDPOINT"], data, timeout=10) as answer:
        return json.load(answer)

"""


def run_pytest(
    folder: Path, source: str, *options: str, without: Sequence[str] = WITHOUT_OTHERS
) -> str:
    """Run pytest on a test module in a separate folder, with only the needed plugins."""
    folder.joinpath("test_it.py").write_text(SEND + source, encoding="utf-8")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CUSTOMERSMS_", "PYTEST_"))
    }
    done = subprocess.run(
        [*PYTEST, *without, *options],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        env=environment | {"PYTHONUTF8": "1"},
        timeout=170,
    )
    return done.stdout + done.stderr


@pytest.fixture
def run(tmp_path: Path):
    """Return a function that runs pytest on a test module in a separate project."""
    return functools.partial(run_pytest, tmp_path)


def counts(output: str) -> dict[str, int]:
    """Parse the last line of a run."""
    found = re.findall(r"(\d+) (passed|failed|error)", output.splitlines()[-1])
    return {outcome: int(count) for count, outcome in found}


PROJECT = """
import unittest
from customersms_async import CustomerSMS

def test_login(sms_sandbox):
    send()
    assert sms_sandbox.last_code("+12125551234") == "4711"

seen = []

@pytest.mark.parametrize("n", range(3))
def test_alone(sms_sandbox, n):
    assert sms_sandbox.messages == sms_sandbox.requests == ()
    send()
    assert len(sms_sandbox.messages) == 1
    seen.append((sms_sandbox.key, sms_sandbox.url))

def test_keys_and_addresses():
    assert len({key for key, _ in seen}) == 3
    assert len({url for _, url in seen}) == 1

def test_environment_without():
    assert not {"CUSTOMERSMS_API_KEY", "CUSTOMERSMS_ENDPOINT"} & os.environ.keys()

@pytest.fixture(scope="class")
def _mine():
    os.environ["CUSTOMERSMS_API_KEY"] = "cspro_mine"
    yield
    assert os.environ.pop("CUSTOMERSMS_API_KEY") == "cspro_mine"

def test_environment_with_a_key(_mine, sms_sandbox):
    assert os.environ["CUSTOMERSMS_API_KEY"] == sms_sandbox.key

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_async(sms_sandbox):
    async with CustomerSMS() as sms:
        await sms.send("+12125551234", "Your code is 4711")
    assert (await sms_sandbox.wait_for(contains="4711")).phone == "+12125551234"

@pytest.mark.sms_sandbox
class TestUnittest(unittest.TestCase):
    def test_it(self):
        self.assertTrue(send()["success"])

@pytest.mark.sms_sandbox(limit=1, credits=7)
class TestMarkers:
    @pytest.mark.sms_sandbox(limit=2)
    def test_it(self, sms_sandbox):
        assert (sms_sandbox.usage.limit, sms_sandbox.credits) == (2, 7)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> str:
    """Return pytest's output for a whole project of tests that use the fixture."""
    return run_pytest(tmp_path_factory.mktemp("project"), PROJECT, "-rA", without=())


@pytest.mark.parametrize(
    "test",
    [
        pytest.param("test_login", id="a test uses the fixture without an import, reads the code"),
        pytest.param("test_alone[2]", id="each test has an empty mailbox"),
        pytest.param("test_keys_and_addresses", id="each has its own key, at one sandbox"),
        pytest.param("test_environment_without", id="the variables are gone after a test"),
        pytest.param("test_environment_with_a_key", id="earlier variables are restored"),
        pytest.param("test_async", id="a coroutine test of another plugin can use it"),
        pytest.param("TestUnittest::test_it", id="a unittest test can use it with the marker"),
        pytest.param("TestMarkers::test_it", id="the closest marker takes precedence"),
    ],
)
def test_a_project(project, test):
    """The test named by this case passes in a project that uses only the fixture."""
    assert f"PASSED test_it.py::{test}" in project, project


def test_nothing_is_imported_before_the_fixture_is_used(run):
    """The plugin imports only its own module in a project that does not use it."""
    output = run("""
def ours():
    return sorted(name for name in sys.modules if name.startswith("customersms_async"))

def test_before():
    assert ours() == ["customersms_async", "customersms_async.testing"]
    assert not {"aiohttp", "attrs", "msgspec", "aiolimiter"} & sys.modules.keys()

def test_with(sms_sandbox):
    assert "customersms_async.sandbox" in sys.modules
    assert "customersms_async.client" not in sys.modules
""")

    assert {"passed": 2} == counts(output), output


def test_several_processes(run):
    """Under pytest-xdist each process has its own sandbox."""
    output = run("""
@pytest.mark.parametrize("n", range(8))
def test_alone(sms_sandbox, n):
    assert sms_sandbox.messages == ()
    send()
    assert len(sms_sandbox.messages) == 1
    assert os.environ["PYTEST_XDIST_WORKER"].startswith("gw")
""", "-n", "2", without=WITH_XDIST)  # fmt: skip

    assert {"passed": 8} == counts(output), output


def test_a_failed_test_shows_what_arrived(run):
    """The report of a failed test has a section with the messages, without the key."""
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


APPLICATION = """
os.environ |= {"CUSTOMERSMS_API_KEY": "cspro_real", "CUSTOMERSMS_ENDPOINT": "http://127.0.0.1:9/"}

def seen():
    return os.environ["CUSTOMERSMS_API_KEY"], os.environ["CUSTOMERSMS_ENDPOINT"]

def belongs_to(sandbox, made):
    return made == (sandbox.key, sandbox.endpoint)

@pytest.fixture
def app():
    return seen()

"""


APPLICATIONS = {
    "by the marker alone": """
@pytest.mark.sms_sandbox(limit=5)
def test_it(app):
    assert app == seen() and app[0].startswith("cspro_test_")
""",
    "named second": """
def test_it(app, sms_sandbox):
    assert belongs_to(sms_sandbox, app)
""",
    "used second": """
@pytest.mark.usefixtures("app", "sms_sandbox")
def test_it(request):
    assert belongs_to(*map(request.getfixturevalue, ("sms_sandbox", "app")))
""",
    "an application that every test has": """
@pytest.fixture(autouse=True)
def app():
    return seen()

@pytest.mark.sms_sandbox
def test_it(app):
    assert app[0].startswith("cspro_test_")
""",
    "set up by a method": """
@pytest.mark.sms_sandbox
class TestIt:
    def setup_method(self):
        self.app = seen()

    def test_it(self):
        assert self.app[0].startswith("cspro_test_")
""",
    "a fixture that adds to this one": """
@pytest.fixture
def sms_sandbox(sms_sandbox):
    sms_sandbox.mine = True
    return sms_sandbox

def test_it(app, sms_sandbox):
    assert belongs_to(sms_sandbox, app) and sms_sandbox.mine
""",
}


@pytest.fixture(scope="module")
def applications(tmp_path_factory) -> str:
    """Return pytest's output for all of them, each in a module of one project."""
    folder = tmp_path_factory.mktemp("applications")
    for number, source in enumerate(APPLICATIONS.values()):
        module = SEND + APPLICATION + source
        folder.joinpath(f"test_{number}.py").write_text(module, encoding="utf-8")
    return run_pytest(folder, "", "-rA")


@pytest.mark.parametrize("number", range(len(APPLICATIONS)), ids=APPLICATIONS)
def test_an_application_made_by_a_fixture_uses_the_sandbox(applications, number):
    """A fixture that reads the environment never sees the real key, in any order."""
    assert f"PASSED test_{number}.py::" in applications, applications


SEVERAL = """
made = []

@pytest.fixture(scope="session", autouse=True)
def first():
    made.append(os.environ.get("CUSTOMERSMS_API_KEY"))

@pytest.fixture(scope="module")
def second():
    made.append(os.environ.get("CUSTOMERSMS_API_KEY"))

def test_wider(sms_sandbox, second, first):
    assert made == [None, None]

@pytest.mark.parametrize("has", [pytest.param(True, marks=pytest.mark.sms_sandbox), False])
def test_one_case(has):
    assert has is ("CUSTOMERSMS_API_KEY" in os.environ)
"""

OTHER_ITEMS = """
import pytest

class Page(pytest.File):
    def collect(self):
        yield Line.from_parent(self, name="line")

class Line(pytest.Item):
    def runtest(self):
        pass

def pytest_collect_file(file_path, parent):
    return Page.from_parent(parent, path=file_path) if file_path.suffix == ".page" else None
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> str:
    """Return pytest's output for a project with other fixtures, other items and a marker."""
    folder = tmp_path_factory.mktemp("several")
    folder.joinpath("conftest.py").write_text(OTHER_ITEMS, encoding="utf-8")
    folder.joinpath("it.page").write_text("", encoding="utf-8")
    return run_pytest(folder, SEVERAL, "-rA")


@pytest.mark.parametrize(
    "test",
    [
        pytest.param("test_it.py::test_wider", id="session fixtures come before it"),
        pytest.param("test_it.py::test_one_case[True]", id="the case with the marker uses it"),
        pytest.param("test_it.py::test_one_case[False]", id="another case does not"),
        pytest.param("it.page::line", id="an item of another plugin is left alone"),
    ],
)
def test_beside_other_fixtures_and_items(several, test):
    """The test named by this case passes beside other fixtures and items."""
    assert f"PASSED {test}" in several, several


def test_a_fixture_of_the_same_name(run):
    """A project's fixture named `sms_sandbox` keeps its order and its plain failures."""
    output = run("""
made = []

@pytest.fixture
def app():
    made.append("app")

@pytest.fixture
def sms_sandbox():
    made.append("own")
    return "own"

def test_it(app, sms_sandbox):
    assert made == ["app", "own"]
    assert sms_sandbox == "other"
""")

    assert {"failed": 1} == counts(output), output
    assert "assert 'own' == 'other'" in output
    assert "INTERNALERROR" not in output
    assert "- sms_sandbox -" not in output


def test_a_summary_that_fails(run):
    """If the summary itself fails, the failure of the test is still reported."""
    output = run("""
def test_it(sms_sandbox):
    sms_sandbox.summary = None
    assert sms_sandbox.messages
""")

    assert {"failed": 1} == counts(output), output
    assert "no summary: TypeError" in output


def test_a_passed_test_shows_nothing(run):
    """The section is missing if a test passes, does not use the fixture, or fails in teardown."""
    output = run("""
def test_passes(sms_sandbox):
    send()

def test_fails():
    assert False

@pytest.fixture
def _ends_badly(sms_sandbox):
    yield
    assert False

def test_ends_badly(_ends_badly):
    send()
""", "-rA")  # fmt: skip

    assert {"passed": 2, "failed": 1, "error": 1} == counts(output), output
    assert "- sms_sandbox -" not in output


def test_a_wait_that_times_out_shows_the_test(run):
    """The traceback ends at the line of the test, not within the library."""
    output = run("""
def test_it(sms_sandbox):
    send()
    sms_sandbox.wait(phone="+13235554567", timeout=0)
""")

    assert {"failed": 1} == counts(output), output
    assert "TimeoutError: no message to +13235554567 within 0 s; 1 arrived" in output
    assert "_fixture.py" not in output


def test_an_invalid_marker(run):
    """The error names the option and what is valid."""
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


def test_fixture_and_marker_are_listed(run):
    """The lists of pytest contain fixture and marker with descriptions, and nothing private."""
    fixtures, markers = run("", "--fixtures"), run("", "--markers")

    assert "@pytest.mark.sms_sandbox(*, credits, limit, per, rule, burst" in markers
    assert ["sms_sandbox"] == re.findall(r"^(\w*sms_sandbox\w*) ", fixtures, re.MULTILINE)


def test_the_plugin_can_be_disabled(run):
    """A project can disable the plugin by name."""
    output = run("""
def test_it(sms_sandbox):
    pass
""", "-p", "no:customersms_async")  # fmt: skip

    assert {"error": 1} == counts(output), output
    assert "fixture 'sms_sandbox' not found" in output
