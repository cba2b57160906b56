"""
The memory of a run of many numbers, measured in a separate process.

The peak is the one that the operating system reports, minus the memory of the process after all
imports and before the first message. Memory that is kept is counted by `tracemalloc`, in another
process, since counting takes memory itself.
"""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

from benchmarks.bulk.contestants import CONTESTANTS, numbers

__all__ = ["bytes_kept", "peak"]

_MB = 2**20
#: The size of the message ids that the benchmark's gateway returns.
_ID_BYTES = len("msg_") + 9


def peak(name: str, base: str, count: int, size: int) -> float:
    """Return the peak of a run of *count* numbers in MB, above the start."""
    return _in_a_process("peak", name, base, count, size)


def bytes_kept(name: str, base: str, count: int, size: int) -> float:
    """Return the bytes that are kept per number beside its message id, once all are sent."""
    return _in_a_process("kept", name, base, count, size)


def _in_a_process(what: str, name: str, base: str, count: int, size: int) -> float:
    arguments = [what, name, base, str(count), str(size)]
    command = [sys.executable, "-m", __name__, *arguments]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _highest() -> float:
    """Return the peak of this process; Linux includes that of the parent in `getrusage`."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MB


def _peak(name: str, base: str, count: int, size: int) -> float:
    run = CONTESTANTS[name]
    asyncio.run(run(base, numbers(size), size))  # type: ignore[arg-type]  # they are coroutines
    before = _highest()
    kept = asyncio.run(run(base, numbers(count), size))  # type: ignore[arg-type]  # same
    seen = _highest()
    del kept
    return seen - before


def _kept(name: str, base: str, count: int, size: int) -> float:
    run = CONTESTANTS[name]
    asyncio.run(run(base, numbers(size), size))  # type: ignore[arg-type]  # they are coroutines
    tracemalloc.start()
    kept = asyncio.run(run(base, numbers(count), size))  # type: ignore[arg-type]  # same
    gc.collect()
    size_kept, _ = tracemalloc.get_traced_memory()
    del kept
    return size_kept / count - _ID_BYTES


if __name__ == "__main__":
    what, who, address, many, batch = sys.argv[1:]
    measured = {"peak": _peak, "kept": _kept}[what]
    print(measured(who, address, int(many), int(batch)))
