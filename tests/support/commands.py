"""The command `customersms` in a subprocess, with a gateway on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["in_a_process", "numbers", "start", "wait_for"]


def numbers(how_many: int) -> list[str]:
    return [f"+1212555{n:04}" for n in range(how_many)]


def in_a_process(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with a separate limiter file."""
    command = (sys.executable, "-m", "customersms_async", *map(str, words))
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def start(people: Path, sandbox: Any, *options: str, **streams: Any) -> subprocess.Popen[str]:
    """Start `bulk`."""
    words = ("bulk", str(people), "--text", "Hi {name}", "--yes", *options)
    return subprocess.Popen(
        [sys.executable, "-m", "customersms_async", *words],
        env={
            **os.environ,
            "CUSTOMERSMS_API_KEY": sandbox.key,
            "CUSTOMERSMS_ENDPOINT": sandbox.endpoint,
        },
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds, with a timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
