"""A Python program in a process of its own, which imports this copy of the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_python"]

ROOT = Path(__file__).parents[2]


def run_python(source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with options of the interpreter."""
    return subprocess.run(
        [sys.executable, *options, "-c", source],
        capture_output=True,
        check=False,
        cwd=ROOT,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
