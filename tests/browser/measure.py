"""
Measure the inbox in headless Chromium: loading, scrolling, memory, and a steady stream.

``python -m tests.browser.measure``
"""

import asyncio
import json
import time
from collections.abc import Iterable

import aiohttp

from customersms_async.sandbox import Sandbox
from customersms_async.sandbox._thread import SandboxThread
from tests.support.browser import Page, chromium

KEY = "cspro_measure"
RATE, SECONDS = 300, 20

SCROLL = """
const [selector, done] = arguments, list = document.querySelector(selector), times = [];
const step = list.scrollHeight / 240, start = performance.now();
let last = start, rows = 0;
function frame(now) {
    times.push(now - last);
    last = now;
    list.scrollTop += step;
    rows = Math.max(rows, list.querySelectorAll("[aria-posinset]").length);
    if (times.length < 240) requestAnimationFrame(frame);
    else done({ milliseconds: times.slice(1).sort((a, b) => a - b), rows });
}
list.scrollTop = 0;
requestAnimationFrame(frame);
"""


FRAMES = """
window.frameTimes = [];
let last = 0;
(function frame(now) {
    window.frameTimes.push(now - last);
    last = now;
    requestAnimationFrame(frame);
})(0);
"""


def hold(thread: SandboxThread, phones: Iterable[str]) -> None:
    service = thread.sandbox._service
    bodies = [
        json.dumps(
            {
                "api_key": KEY,
                "phone": phone,
                "message": f"Your code is {n % 9000 + 1000}, good for ten minutes.",
            }
        )
        for n, phone in enumerate(phones)
    ]
    thread.call(lambda: [service.receive(body.encode()) for body in bodies])


def memory(page: Page) -> str:
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    used = page.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"] / 2**20
    nodes = page.script("return document.querySelectorAll('*').length")
    return f"{used:.0f} MB of JavaScript, {nodes} elements"


def part(times: list[float], percent: int) -> str:
    """Format the given percentile of *times*, which are sorted."""
    return f"{times[min(len(times) - 1, len(times) * percent // 100)]:.1f} ms"


def scroll(page: Page, selector: str) -> str:
    found = page.driver.execute_async_script(SCROLL, selector)
    half, most, all_ = (part(found["milliseconds"], percent) for percent in (50, 95, 100))
    return f"{selector}: frames {half}, 95 % {most}, longest {all_}; at most {found['rows']} rows"


def open_with(count: int) -> None:
    with SandboxThread(Sandbox(keys={KEY: 10**6})) as thread, chromium() as driver:
        page = Page(driver, thread.sandbox.url)
        page.resize(1440, 900)
        driver.set_script_timeout(60)
        hold(thread, (f"+1212{n:07}" if n % 2 else "+12125550123" for n in range(count)))
        driver.get("about:blank")
        start = time.perf_counter()
        driver.get(f"{thread.sandbox.url}/#/+12125550123")
        page.until(lambda: page.all(".number"))
        shown = time.perf_counter() - start
        page.until(lambda: f"{count:,}" in page.text("#request-chips"))
        whole = time.perf_counter() - start
        print(f"{count:,} messages: shown after {shown:.2f} s, whole after {whole:.2f} s")
        print(" ", memory(page))
        for selector in ("#number-list", "#request-list", ".bubbles"):
            print(" ", scroll(page, selector))


async def post_steadily(url: str) -> tuple[int, float, list[float]]:
    """Send `RATE` requests per second, each on time, and return how long they took."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as session,
        asyncio.TaskGroup() as group,
    ):

        async def post(n: int) -> None:
            start = loop.time()
            fields = {
                "api_key": KEY,
                "phone": f"+1212{n % 3000:07}",
                "message": f"Your code is {n % 9000 + 1000}.",
            }
            async with session.post(url, json=fields) as response:
                await response.read()
            times.append((loop.time() - start) * 1000)

        start = loop.time()
        for n in range(RATE * SECONDS):
            await asyncio.sleep(max(0, start + n / RATE - loop.time()))
            group.create_task(post(n))
    return len(times), loop.time() - start, sorted(times)


def stream() -> None:
    with SandboxThread(Sandbox(keys={KEY: 10**6})) as thread, chromium() as driver:
        page = Page(driver, thread.sandbox.url)
        page.resize(1440, 900)
        page.open()
        page.script(FRAMES)
        done, seconds, times = asyncio.run(post_steadily(thread.sandbox.endpoint))
        start = time.perf_counter()
        page.until(lambda: f"{done:,}" in page.text("#request-chips"))
        behind = time.perf_counter() - start
        frames = sorted(page.script("return window.frameTimes.slice(2)"))
        print(f"{done / seconds:.0f} requests a second for {seconds:.0f} s with the page open")
        print(f"  answers: half {part(times, 50)}, 99 % {part(times, 99)}")
        print(
            f"  the page: {behind:.2f} s behind; frames {part(frames, 50)}, 95 % {part(frames, 95)}"
        )
        print(" ", memory(page))


if __name__ == "__main__":
    for count in (10_000, 50_000):
        open_with(count)
    stream()
