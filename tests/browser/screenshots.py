"""
Take screenshots of the inbox: empty and full, light and dark, wide and narrow.

``python -m tests.browser.screenshots FOLDER``
"""

import sys
from pathlib import Path

from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._thread import SandboxThread
from tests.browser import lively
from tests.support.browser import Page, chromium

FAULTS = {
    "script": "500, reset, ok*3",
    "latency": "uniform(0.1, 0.5)",
    "probabilities": {"answer-lost": 0.05},
}


class Camera:
    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.folder = folder

    def take(self, name: str, place: str, *keys: str, wanted: str = ".number") -> None:
        """Open a URL, press keys, wait for a condition, and take a screenshot."""
        self.page.open(place)
        self.page.press(*keys)
        self.page.one(wanted)
        path = self.folder / f"{name}.png"
        self.page.driver.save_screenshot(str(path))
        print(path)


def shoot(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(keys=lively.KEYS, limit=100)
    with SandboxThread(sandbox) as thread, chromium() as driver:
        page = Page(driver, sandbox.url)
        camera = Camera(page, folder)
        page.resize(1440, 900)
        camera.take("empty", "", wanted="#start")
        lively.fill(thread)
        lost = next(f"#/request/{r.id}" for r in sandbox.requests if r.fault == "answer-lost")
        shoot_wide(camera, lost)
        thread.call(lambda: sandbox.set_faults(**FAULTS))
        camera.take("faults", "#/+966505550164", "f", wanted=".panel .group-of")
        camera.take("help", "#/+13235550199", "?", wanted="#help kbd")
        shoot_widths(camera)
        shoot_narrow(camera, lost)
        print(*page.complaints(), sep="\n")


def shoot_wide(camera: Camera, request: str) -> None:
    for theme in ("light", "dark"):
        camera.page.prefer(color_scheme=theme)
        camera.take(theme, f"#/{lively.CUSTOMER}")
        camera.page.driver.get(f"{camera.page.url}/{request}")
        camera.page.one("#detail pre")
        camera.page.driver.save_screenshot(str(camera.folder / f"{theme}-request.png"))
    camera.page.prefer(color_scheme="light")


def shoot_widths(camera: Camera) -> None:
    """Take screenshots of each width in both colour schemes, with a conversation."""
    for width, height in ((360, 740), (768, 1024), (1440, 900)):
        camera.page.resize(width, height, is_phone=width < 500)
        for theme in ("light", "dark"):
            camera.page.prefer(color_scheme=theme)
            camera.take(f"{width}-{theme}", f"#/{lively.CUSTOMER}", wanted=".bubble")
            camera.take(f"{width}-{theme}-requests", "#/requests", wanted=".request")
    camera.page.prefer(color_scheme="light")


def shoot_narrow(camera: Camera, request: str) -> None:
    camera.page.narrow()
    camera.take("narrow-numbers", "")
    camera.take("narrow-thread", f"#/{lively.CUSTOMER}", wanted=".bubble")
    camera.take("narrow-rtl", "#/+972505550117", wanted=".bubble")
    camera.take("narrow-requests", "#/requests", wanted=".request")
    camera.take("narrow-request", request, wanted="#detail pre")
    camera.take("narrow-faults", "", "f", wanted=".panel .group-of")


if __name__ == "__main__":
    shoot(Path(sys.argv[1]))
