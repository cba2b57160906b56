"""
Takes pictures of the inbox: light, dark and narrow, to be looked at.

``python -m tests.browser.screenshots FOLDER``
"""

import sys
from pathlib import Path

from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._thread import SandboxThread
from tests.browser import lively
from tests.support.browser import Page, chromium


def take(page: Page, folder: Path, name: str) -> None:
    path = folder / f"{name}.png"
    page.driver.save_screenshot(str(path))
    print(path)


def shoot(folder: Path) -> None:
    sandbox = Sandbox(keys=lively.KEYS, limit=100)
    with SandboxThread(sandbox) as thread, chromium() as driver:
        page = Page(driver, sandbox.url)
        page.resize(1440, 900)
        page.open()
        take(page, folder, "empty")
        lively.fill(thread)
        for theme in ("light", "dark"):
            page.prefer(color_scheme=theme)
            page.open("#/+12125550123")
            lost = next(r.id for r in sandbox.requests if r.fault == "answer-lost")
            take(page, folder, f"{theme}-list")
            page.driver.get(f"{sandbox.url}/#/request/{lost}")
            page.one("#detail pre")
            take(page, folder, theme)
        thread.call(lambda: sandbox.set_faults(script="500, reset, ok*3", latency="uniform(0.1, 0.5)", probabilities={"answer-lost": 0.05}))
        page.prefer(color_scheme="light")
        page.open("#/+966505550164")
        page.press("f")
        page.one(".panel .group-of")
        take(page, folder, "faults")
        page.open("#/+13235550199")
        page.press("?")
        page.one("#help kbd")
        take(page, folder, "help")
        page.open("#/requests")
        page.resize(1000, 760)
        take(page, folder, "medium")
        page.narrow()
        for name, place, wanted in (
            ("narrow-numbers", "", ".number"),
            ("narrow-thread", "#/+12125550123", ".bubble"),
            ("narrow-rtl", "#/+972505550117", ".bubble"),
            ("narrow-requests", "#/requests", ".request"),
            ("narrow-request", f"#/request/{lost}", "#detail pre"),
        ):
            page.open(place)
            page.one(wanted)
            take(page, folder, name)
        for line in page.complaints():
            print(line)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    shoot(folder)
