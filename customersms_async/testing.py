"""
The pytest plugin: the fixture ``sms_sandbox``, for sync and async tests alike.

    def test_login(sms_sandbox):
        start_login("+12125551234")  # an application that uses CustomerSMS()
        assert sms_sandbox.last_code("+12125551234") == "4711"

Every test gets an account and an empty mailbox of its own at a local gateway that sends nothing,
and the environment variables that point an application at it. The marker says what else:
``@pytest.mark.sms_sandbox(limit=100, credits=3, script="500, answer-lost")``.

Rule of this module: pytest imports it in every project that has the library installed, so it
imports nothing but pytest until a test asks for the fixture.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .sandbox import SmsSandbox
    from .sandbox._thread import SandboxThread

__all__ = ["sms_sandbox"]

_MARKER = "sms_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(*, credits, limit, per, rule, burst, rate_refusal, retry_after, script, "
        "standing, probabilities, seed, latency): options of the fixture sms_sandbox",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the fixture to whoever has the marker, whether the test names it or not."""
    names = getattr(item, "fixturenames", None)
    if names is not None and _MARKER not in names and item.get_closest_marker(_MARKER):
        names.append(_MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what arrived beside a test that failed."""
    report = yield
    sandbox = getattr(item, "funcargs", {}).get(_MARKER)
    if sandbox is not None and report.failed and report.when != "teardown":
        report.sections.append((_MARKER, sandbox.summary()))
    return report


@pytest.fixture(scope="session")
def _sms_sandbox_thread() -> "Iterator[SandboxThread]":
    from .sandbox._fixture import running_thread  # noqa: PLC0415  # see the rule above

    with running_thread() as thread:
        yield thread


@pytest.fixture
def sms_sandbox(
    request: pytest.FixtureRequest, _sms_sandbox_thread: "SandboxThread"
) -> "Iterator[SmsSandbox]":
    """
    Give an account of its own at a local SMS gateway that sends nothing.

    ``.messages``, ``.wait(phone=…, contains=…)``, ``.last_code(phone)``, ``.fail_next(…)`` and
    more; CUSTOMERSMS_API_KEY and CUSTOMERSMS_ENDPOINT point at it as long as the test runs.
    """
    from .sandbox._fixture import an_account  # noqa: PLC0415  # see the rule above

    options: dict[str, object] = {}
    for marker in request.node.iter_markers(_MARKER):
        if marker.args:
            pytest.fail(f"the marker {_MARKER} takes names, like limit=100", pytrace=False)
        options = {**marker.kwargs, **options}  # the marker that is closest to the test counts
    with an_account(_sms_sandbox_thread, options) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTOMERSMS_API_KEY", sandbox.key)
        patch.setenv("CUSTOMERSMS_ENDPOINT", sandbox.endpoint)
        yield sandbox
