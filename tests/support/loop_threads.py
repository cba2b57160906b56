"""Event loops in threads, for tests of several loops."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

#: Seconds after which a test that waits for another thread has failed.
LONG = 20.0


class LoopThread:
    """A running loop in a thread; its tasks end when the block does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LONG)

    def start(self, coroutine) -> Future:
        """Start a coroutine, and return its future."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine):
        """Run a coroutine to its end, and return its result."""
        return self.start(coroutine).result(LONG)

    def settle(self):
        """Wait until everything that was ready has run."""
        for _ in range(3):
            self.run(asyncio.sleep(0))

    def block(self, until: threading.Event) -> None:
        """Block the loop until *until* is set."""
        is_blocked = threading.Event()

        def hold():
            is_blocked.set()
            until.wait(LONG)

        self.loop.call_soon_threadsafe(hold)
        is_blocked.wait(LONG)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
