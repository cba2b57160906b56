"""The inbox with the keyboard only, and checked by axe-core."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest

from tests.browser import lively
from tests.browser.conftest import OTHER_PHONE, PHONE

ROOT = Path(__file__).parents[2]

#: A request for the text of a blob, instead of a file that a browser saves.
CATCH = """
window.exported = [];
URL.createObjectURL = (blob) => { window.exported.push(blob.text()); return "blob:none"; };
HTMLAnchorElement.prototype.click = () => undefined;
"""
LOOK = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
    violations.map(({ id, impact, nodes }) => [impact, id, nodes[0].html])));
"""


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core, which `make browser` downloads."""
    found = sorted(ROOT.glob(".venvs/axe-*/package/axe.min.js"))
    if not found and not os.environ.get("CI"):
        pytest.skip("axe-core is not here: make browser")
    return found[-1].read_text("utf-8")


def serious(page, axe) -> list[str]:
    """Return what axe-core reports as serious or worse."""
    page.script(axe)
    found = page.driver.execute_async_script(LOOK)
    return [
        f"{name}: {where}" for impact, name, where in found if impact in {"serious", "critical"}
    ]


@pytest.fixture
def day(page, live):
    """Fill the inbox with every kind of message and request."""
    live.send("Your code is 481 902")
    live.send("Your code is 481 902")
    live.send(lively.PAID)
    live.send(lively.LONG)
    live.send("قوي", OTHER_PHONE)
    for fault in ("answer-lost", "refuse", "500"):
        live.thread.call(lambda fault=fault: live.sandbox.fail_next(fault))
        live.send(f"After {fault}")
    page.until(lambda: len(page.all(".request")) == 8)


@pytest.mark.parametrize("place", ["", f"#/{PHONE}", "#/requests", "#/request/1"])
@pytest.mark.usefixtures("day")
def test_axe_finds_nothing_serious(page, axe, place):
    """Names, roles, contrast and order are correct at each width, in both colour schemes."""
    found = {}
    for width, theme in itertools.product((360, 768, 1440), ("light", "dark")):
        page.prefer(color_scheme=theme)
        page.resize(width, 900, is_phone=width < 500)
        page.open(place)
        found[width, theme] = serious(page, axe)

    assert {each: [] for each in found} == found


@pytest.mark.parametrize("key", ["f", "?"])
@pytest.mark.usefixtures("day")
def test_axe_finds_nothing_serious_in_a_dialog(page, axe, key):
    """The panel of faults and the list of shortcuts are as accessible as the page."""
    page.press(key)
    page.one("dialog[open]")

    assert [] == serious(page, axe)


@pytest.mark.usefixtures("day")
def test_a_mistake_is_found(page, axe):
    """A button without a name is reported, so the other tests can fail."""
    page.script("document.body.append(document.createElement('button'))")

    assert ["button-name: <button></button>"] == serious(page, axe)


@pytest.mark.usefixtures("day")
def test_every_control_can_be_reached_by_tab(page):
    """Tab reaches each button, link and list, and each shows its focus."""
    page.open(f"#/{PHONE}")
    wanted = page.script(
        "return [...document.querySelectorAll('button, a[href], input, [tabindex=\"0\"]')]"
        ".filter((one) => one.checkVisibility() && one.tabIndex >= 0).length"
    )
    page.script("document.activeElement.blur()")
    seen = set()
    for _ in range(wanted + 2):
        page.press("TAB")
        name, outline = page.script(
            "const one = document.activeElement;"
            "one.dataset.seen ||= String(Math.random());"
            "const style = getComputedStyle(one);"
            "return [one.dataset.seen, style.outlineStyle !== 'none' || one.matches('input, body')]"
        )
        seen.add(name)
        assert outline

    assert wanted <= len(seen)


@pytest.mark.usefixtures("day")
def test_shown_messages_are_exported(page):
    """The key e exports the messages in the list as JSON, with their segments."""
    page.script(CATCH)
    page.press("/", *"481", "ENTER")
    page.until(lambda: page.texts(".number") and OTHER_PHONE not in page.text("#number-list"))
    page.press("e")
    rows = exported(page)

    assert {PHONE} == {row["phone"] for row in rows}
    assert ["481902", "481902"] == [row["code"] for row in rows if row["code"]]
    assert {"GSM-7", "UCS-2"} == {row["alphabet"] for row in rows}
    assert "exported" in page.text("#toast")


@pytest.mark.usefixtures("day")
def test_requests_are_exported(page):
    """In the list of requests, the same key exports those."""
    page.open("#/requests")
    page.script(CATCH)
    page.press("r", "e")

    assert [8, 7, 6, 5, 4, 3, 2, 1] == [row["id"] for row in exported(page)]


def exported(page) -> list[dict[str, object]]:
    return json.loads(page.driver.execute_async_script(
        "const done = arguments[0]; window.exported[0].then(done)"
    ))  # fmt: skip


@pytest.mark.usefixtures("day")
def test_segments_are_shown(page):
    """A long text shows where its second segment begins, and which characters force UCS-2."""
    page.open(f"#/{PHONE}")
    joint = page.one(".joint").get_attribute("title")
    forcing = page.until(lambda: page.texts(".forcing"))
    shown = page.texts(".bubble .text")

    assert "Segment 2 begins here" == joint
    assert {"•", "×"} == set(forcing)
    assert " for • ×" in page.texts(".forced")
    assert lively.LONG in shown


@pytest.mark.usefixtures("day")
def test_a_text_in_another_script_is_not_marked(page):
    """If every letter forces UCS-2, none is marked."""
    page.open(f"#/{OTHER_PHONE}")
    page.one(".bubble .text")

    assert "قوي" == page.text(".bubble .text")
