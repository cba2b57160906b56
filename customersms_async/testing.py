"""
The pytest plugin: the fixture ``sms_sandbox``, for sync and async tests alike.

    def test_login(sms_sandbox):
        start_login("+12125551234")  # an application that uses CustomerSMS()
        assert sms_sandbox.last_code("+12125551234") == "4711"

Every test gets a fresh account with an empty mailbox at a local gateway that sends nothing, and
environment variables that point an application at it. The marker sets options:
``@pytest.mark.sms_sandbox(limit=100, credits=3, script="500, answer-lost")``.

Rule of this module: pytest imports it in every project that has the library installed, so until a
test requests the fixture, it imports only pytest and what pytest itself imports.
"""

import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from .sandbox import SmsSandbox
    from .sandbox._thread import SandboxThread

__all__ = ["sms_sandbox"]

#: The name of the fixture and of the marker.
_NAME = "sms_sandbox"

#: Why a request to another machine is refused while a test has the fixture.
_REASON = (
    "a test with the fixture sms_sandbox can reach this machine only. A client that was made "
    "before the fixture set CUSTOMERSMS_API_KEY and CUSTOMERSMS_ENDPOINT does not have them: make "
    "it in the test, or in a fixture of function scope; one that a module makes at import is "
    "replaced by monkeypatch.setattr('module.sms', CustomerSMS())"
)

#: The fixture of a test, if it has it; another fixture may have the same name.
_SANDBOX = pytest.StashKey["SmsSandbox"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_NAME}(*, credits, limit, per, rule, burst, rate_refusal, retry_after, script, "
        "standing, probabilities, seed, latency): options of the fixture sms_sandbox",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Add the fixture to tests with the marker, before fixtures that may read the key."""
    if hasattr(item, "fixturenames"):  # items of other plugins may have none
        _place(cast("pytest.Function", item))


def _place(item: pytest.Function) -> None:
    if _is_ours(item) if _NAME in item.fixturenames else item.get_closest_marker(_NAME):
        item.fixturenames = _with_it_first(item)


def _is_ours(item: pytest.Function) -> bool:
    """Whether the fixture of that name is this one, or one that builds on it."""
    newest_first = reversed(_definitions(item, _NAME))
    others = itertools.takewhile(lambda one: one.func.__module__ != __name__, newest_first)
    return all(_NAME in one.argnames for one in others)


def _with_it_first(item: pytest.Function) -> list[str]:
    """Order the fixtures: wider scopes, in pytest's order, then this one, then all others."""
    names = [name for name in item.fixturenames if name != _NAME]
    wider = list(itertools.takewhile(lambda name: _is_wider(item, name), names))
    return [*wider, _NAME, *names[len(wider) :]]


def _is_wider(item: pytest.Function, name: str) -> bool:
    return any(one.scope != "function" for one in _definitions(item, name)[-1:])


def _definitions(item: pytest.Function, name: str) -> "Sequence[pytest.FixtureDef[object]]":
    # pytest gives the scope of a fixture before setup nowhere else.
    known = item._fixtureinfo.name2fixturedefs  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return known.get(name, ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what arrived to the report of a failed test."""
    report = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if sandbox is not None and report.failed and report.when != "teardown":
        report.sections.append((_NAME, _summary(sandbox)))
    return report


def _summary(sandbox: "SmsSandbox") -> str:
    try:
        return sandbox.summary()
    except Exception as error:  # noqa: BLE001  # the failure of the test is what counts
        return f"no summary: {error!r}"


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
    Open a fresh account at a local SMS gateway that sends nothing.

    It has ``.messages``, ``.wait(phone=…, contains=…)``, ``.last_code(phone)``, ``.fail_next(…)``
    and more. CUSTOMERSMS_API_KEY and CUSTOMERSMS_ENDPOINT point at it while the test runs. They
    are set before any other fixture of function scope, whatever the order of the test's arguments;
    fixtures of wider scope are set up earlier and see the original environment.

    While the test runs, no `CustomerSMS` of the process can reach another machine: a client that
    an application made earlier, perhaps with a real key, gets a `ConfigurationError` when it
    sends, and nothing leaves. A client that outlives its test gets an error that names the test
    its key belonged to.

    Clients that are made during the test without a limiter are not limited, since the sandbox
    accepts requests at any rate: 3,000 numbers take no minute of waiting. If the sandbox refuses
    for the rate (``limit=…``, ``fail_next("rate-limited")``), they pause as usual, and
    ``sms_sandbox.advance(seconds)`` moves their clock with the gateway's. A test of the limit
    itself should give its client a limiter.
    """
    from ._limit.unlimited import UnlimitedLimiter  # noqa: PLC0415  # see the rule above
    from ._ports.network_guard import Confinement, confined  # noqa: PLC0415  # the same
    from .sandbox._fixture import open_account  # noqa: PLC0415  # the same

    limiter = UnlimitedLimiter()
    options: dict[str, object] = {}
    for marker in request.node.iter_markers(_NAME):
        if marker.args:
            pytest.fail(f"the marker {_NAME} takes names, like limit=100", pytrace=False)
        options = {**marker.kwargs, **options}  # the marker closest to the test wins
    name = request.node.nodeid
    with (
        open_account(
            _sms_sandbox_thread, options, name=name, on_advance=limiter.advance
        ) as sandbox,
        confined(Confinement(_REASON, limiter)),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("CUSTOMERSMS_API_KEY", sandbox.key)
        patch.setenv("CUSTOMERSMS_ENDPOINT", sandbox.endpoint)
        request.node.stash[_SANDBOX] = sandbox
        yield sandbox
