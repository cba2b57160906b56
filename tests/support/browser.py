"""
A real browser for the inbox: headless Chromium with its WebDriver.

Only the tests in tests/browser import this: no other test needs selenium.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

#: Seconds in which the page must show what a test waits for.
PATIENCE = 10

#: Their names on various systems.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"

#: No browser sandbox, since CI runs as root; and no background network traffic.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
)

_T = TypeVar("_T")


def missing() -> str | None:
    """Return what is not installed, or None."""
    if not any(map(shutil.which, BROWSERS)):
        return "no Chromium is installed here (Debian: apt-get install chromium chromium-driver)"
    if not shutil.which(DRIVER):
        return "no chromedriver is installed here (Debian: apt-get install chromium-driver)"
    return None


@contextmanager
def chromium(width: int = 1440, height: int = 900) -> Iterator[webdriver.Chrome]:
    """Start a browser with a fresh profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
    options.page_load_strategy = "eager"  # tests wait for what they need
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which(DRIVER))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield driver
        finally:
            driver.quit()


class Page:
    """The inbox, as a reader sees and uses it."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, hash_: str = "") -> "Page":
        """Reload the page, and wait until it follows the sandbox."""
        if self.driver.current_url.startswith(self.url):  # or another hash would load nothing
            self.driver.get("about:blank")
        self.driver.get(f"{self.url}/{hash_}")
        self.until(
            lambda: (
                self.text("#link") == "Live" and self.script("return !!document.body.dataset.view")
            )
        )
        self.until(lambda: self.all(".mailbox"))
        return self

    def resize(self, width: int, height: int, *, scale: float = 1, is_phone: bool = False) -> None:
        """Set the size of the page in pixels, without the window's frame."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def narrow(self) -> None:
        """Make the page as wide as a small phone."""
        self.resize(360, 740, is_phone=True)

    def prefer(self, **features: str) -> None:
        """Set preferences, such as ``color_scheme="dark"``."""
        shown = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": shown})

    def until(self, condition: Callable[[], _T]) -> _T:
        """Wait until *condition* returns something; elements may come and go meanwhile."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.03, ignored_exceptions=[WebDriverException])
        return wait.until(lambda _: condition())

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Wait for a visible element."""
        return self.until(lambda: next(filter(WebElement.is_displayed, self.all(selector)), None))

    def click(self, selector: str) -> None:
        """Click a visible element; retry if it was redrawn meanwhile."""

        def is_clicked() -> bool:
            self.one(selector).click()
            return True

        self.until(is_clicked)

    def text(self, selector: str) -> str:
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        return self.script(script, selector)

    def script(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        for key in keys:
            # To the page, not to the focused element, which may be redrawn meanwhile.
            ActionChains(self.driver).send_keys(getattr(Keys, key, key)).perform()

    def complaints(self) -> list[str]:
        """Return new messages of the browser's console, CSP reports included."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
