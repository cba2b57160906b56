"""The pages of docs/: each block of code runs, each link works, nothing is missing."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

import customersms_async
from customersms_async import NOT_GIVEN, CustomerSMS, SendError, codes
from customersms_async.sandbox import SmsSandbox
from customersms_async.sync import CustomerSMS as SyncCustomerSMS
from docs.site import MODULES, filled, nav, stage
from tests.test_readme import PAGES, blocks, name_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s#:]*)(?:#([^)\s]+))?\)")

#: The tests that run the blocks of each language; those of ``py`` are below.
KINDS = {
    "python": "tests/test_readme.py",
    "text": "tests/test_readme.py",
    "console": "tests/test_command_line_page.py",
    "csv": "tests/test_command_line_page.py",
    "mermaid": "tests/outbox/test_campaign_states.py",
    "sh": "tests/test_shell_blocks.py",
    "py": "tests/test_docs.py",
    "yaml": "tests/test_docs.py",
}
EVENT = re.compile(r"(request|send|answer|bulk|client|limit|hook|session|outbox)\.[a-z_]+")
VARIABLE = re.compile(r"CUSTOMERSMS_[A-Z_]+")


def slug(headline: str) -> str:
    """Return the anchor of a headline, as GitHub and the site generate it."""
    return re.sub(r"[^\w\- ]", "", headline.lower()).strip().replace(" ", "-")


def dead_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page whose file or headline does not exist."""
    dead = []
    for target, anchor in LINK.findall(text):
        file = page.parent / target if target else page
        if not file.exists():
            dead.append(target)
        elif anchor and anchor not in anchors(text if file == page else file.read_text("utf-8")):
            dead.append(f"{target}#{anchor}")
    return dead


def anchors(text: str) -> set[str]:
    return {slug(headline) for headline in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_have_a_target(page: Path) -> None:
    """Each relative link names an existing file, and an existing headline in it."""
    assert [] == dead_links(page, page.read_text("utf-8"))


@pytest.mark.parametrize("link", ["nowhere.md", "runs.md#nothing", "#nothing"])
def test_a_dead_link_is_found(link: str) -> None:
    """A link to a missing file or headline is reported."""
    page = DOCS / "messages.md"

    assert [link] == dead_links(page, f"{page.read_text('utf-8')}\n[more]({link})")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_run_by_a_test(page: Path) -> None:
    """Each block is in a language whose blocks a test runs."""
    assert {kind for kind, _ in blocks(page)} <= KINDS.keys()


@pytest.mark.parametrize("page", sorted({*KINDS.values()}))
def test_the_tests_of_blocks_exist(page: str) -> None:
    """The tests named for the languages exist."""
    assert (ROOT / page).exists()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_in_pages_are_current(page: Path) -> None:
    """A program on a page equals the file that the suite runs: `python -m docs.site`."""
    text = page.read_text("utf-8")
    shown = {block for kind, block in blocks(page) if kind == "py"}
    files = {path.read_text("utf-8") for path in ROOT.glob("examples/*.py")}

    assert text == filled(text)
    assert not shown - files or page.name == "sandbox.md"


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """The tests on docs/sandbox.md pass in any folder, with the plugin alone."""
    (program,) = [text for kind, text in blocks(DOCS / "sandbox.md") if kind == "py"]
    (tmp_path / "test_login.py").write_text(program, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_login.py"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )

    assert (0, True) == (done.returncode, "2 passed" in done.stdout), done.stdout


ERRORS = re.findall(
    r"^\| `(\w+)` \| `([^`]+)`", (DOCS / "sandbox.md").read_text("utf-8"), flags=re.MULTILINE
)


@pytest.mark.parametrize(("error", "line"), ERRORS, ids=[error for error, _ in ERRORS])
async def test_each_error_on_the_page_occurs(
    error: str, line: str, sms_sandbox: SmsSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that begins with the line fails with the error beside it."""
    names = {**vars(customersms_async), "sms_sandbox": sms_sandbox, "monkeypatch": monkeypatch}
    exec(line, names)  # a line of our own page
    failed: list[str] = []
    async with CustomerSMS(limiter=names.get("limiter", NOT_GIVEN), retries=0) as sms:
        for _ in range(2):
            try:
                await sms.send("+12125550123", "Your code is 4711", timeout=2)
            except SendError as exc:
                failed.append(type(exc).__name__)

    assert error == failed[0]
    assert len(ERRORS) == 7


def test_the_grace_period_of_a_pod_covers_its_shutdown() -> None:
    """The steps before the end of a pod take less time than Kubernetes allows."""
    (text,) = [text for kind, text in blocks(DOCS / "operations.md") if kind == "yaml"]
    spec = yaml.safe_load(text)["spec"]
    (container,) = spec["containers"]
    waits = container["lifecycle"]["preStop"]["sleep"]["seconds"] + int(container["command"][-1])

    assert waits < spec["terminationGracePeriodSeconds"]


def test_the_sandbox_of_the_containers_serves_the_application() -> None:
    """The command of docs/sandbox.md serves the key at the endpoint that the application gets."""
    (text,) = [text for kind, text in blocks(DOCS / "sandbox.md") if kind == "yaml"]
    services = yaml.safe_load(text)["services"]
    web = services["web"]["environment"]
    command = [sys.executable, *services["sms"]["command"][1:], "--port", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        encoding="utf-8",
    ) as sandbox:
        assert sandbox.stdout is not None
        printed = "".join(next(sandbox.stdout) for _ in range(6))
        port = re.findall(r":(\d+)/sms_system", printed)[0]
        url = web["CUSTOMERSMS_ENDPOINT"].replace("8025", port)
        with SyncCustomerSMS(web["CUSTOMERSMS_API_KEY"], endpoint=url) as sms:
            receipt = sms.send("+12125550123", "Your code is 4711", timeout=5)
        sandbox.terminate()

    assert 9_999 == receipt.remaining_credits
    assert "service:web" == services["sms"]["network_mode"]


def test_every_page_is_in_the_site() -> None:
    """The navigation has every page, and no page that does not exist."""
    listed = [page for pages in nav().values() for page in pages]
    made = {"api.md", "codes.md", "sandbox-http.md"}

    assert sorted(listed) == sorted(made | {page.name for page in DOCS.glob("*.md")})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    stage(folder)
    return folder


def test_the_reference_has_every_public_name(site: Path) -> None:
    """Each name of each public module has a headline."""
    page = (site / "api.md").read_text("utf-8")
    headlines = set(re.findall(r"^### (\w+)$", page, flags=re.MULTILINE))

    assert {name for name in customersms_async.__all__ if name != "NOT_GIVEN"} <= headlines
    assert set(MODULES) == set(re.findall(r"^## ([\w.]+)$", page, flags=re.MULTILINE))


def test_the_reference_has_valid_markup(site: Path) -> None:
    """Every block is closed, and its Python can be parsed."""
    page = (site / "api.md").read_text("utf-8")
    fragments = re.findall(r"^```py\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)

    assert 0 == len(re.findall(r"^```", page, flags=re.MULTILINE)) % 2
    assert len(fragments) > 10
    for fragment in fragments:
        ast.parse("async def _():\n" + textwrap.indent(fragment, "    "))


def test_signatures_are_valid_python(site: Path) -> None:
    """Each signature can be parsed as a definition, without module names or addresses."""
    page = (site / "api.md").read_text("utf-8")
    calls = re.compile(
        r"^###+ [^\n]*\n\n```text\n(?:async )?(\w+\(.*?)\n```$", re.DOTALL | re.MULTILINE
    )
    shown = calls.findall(page)

    assert len(shown) > 50
    for signature in shown:
        ast.parse(f"def {signature}: ...")
        assert not re.search(
            r"customersms_async\.|collections\.|inspect\.|NOTHING|\bself\b", signature
        )


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("CustomerSMS", True),
        ("Message", True),
        ("Outbox", True),
        ("Rate", True),
        ("Bulk", False),
        ("Campaign", False),
        ("Recipients", False),
        ("Report", False),
        ("Worker", False),
    ],
)
def test_only_constructors_that_readers_call_are_shown(
    site: Path, name: str, is_shown: bool
) -> None:
    """A class that users do not construct has no signature in the reference."""
    page = (site / "api.md").read_text("utf-8")

    assert is_shown == (f"### {name}\n\n```text\n{name}(" in page)


def test_links_of_the_site_have_a_target(site: Path) -> None:
    """Each relative link on the site's pages names an existing file."""
    pages = site.rglob("*.md")

    assert {} == {page.name: dead for page in pages if (dead := dead_links(page, page.read_text()))}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_column_has_a_headline(page: Path) -> None:
    """Every column of a table has a headline."""
    heads = re.findall(r"^(\|.*)\n\| *:?-", page.read_text("utf-8"), flags=re.MULTILINE)

    assert [] == [head for head in heads if re.search(r"\| *\|", head)]


def test_the_site_loads_no_foreign_code(site: Path) -> None:
    """Diagrams are tables on the site, with every transition."""
    page = (site / "outbox-states.md").read_text("utf-8")

    assert "mermaid" not in page
    assert "| queued | claimed | a worker reads it |" in page
    assert "|  | queued | added |" in page


def test_every_code_is_listed(site: Path) -> None:
    """The page of codes has every code in `customersms_async.codes`."""
    page = (site / "codes.md").read_text("utf-8")
    words = {value for name, value in vars(codes).items() if name == value}

    assert words == set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))


def test_llms_txt_lists_every_page(site: Path) -> None:
    """It begins as the convention requires, and links to each page with a description."""
    lines = (site / "llms.txt").read_text("utf-8").splitlines()
    entries = [
        re.match(r"- \[(.+)\]\((.+)\.html\): (.+)", line) for line in lines if line[:1] == "-"
    ]

    assert ["# customersms-async", ""] == lines[:2]
    assert lines[2].startswith("> ")
    assert None not in entries
    assert [page for pages in nav().values() for page in pages] == [
        f"{entry[2]}.md" for entry in entries if entry
    ]


def source_strings() -> set[str]:
    """Return all strings of the package, without the sandbox and longer docstrings."""
    trees = [
        ast.parse(path.read_text("utf-8"))
        for path in (ROOT / "customersms_async").rglob("*.py")
        if "sandbox" not in path.parts
    ]
    constants = (
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)
    )
    return {node.value for node in constants if isinstance(node.value, str)}


def test_every_event_of_the_log_is_listed() -> None:
    """docs/options.md has every event of a log record."""
    events = {text for text in source_strings() if EVENT.fullmatch(text)} - {"limit.db"}

    assert set() == {event for event in events if event not in (DOCS / "options.md").read_text()}


def test_every_variable_is_listed() -> None:
    """docs/environment.md has every variable that the package reads."""
    known = set(VARIABLE.findall((DOCS / "environment.md").read_text("utf-8")))

    assert {text for text in source_strings() if VARIABLE.fullmatch(text)} <= known
