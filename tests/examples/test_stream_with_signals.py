"""The example of a streamed run that signals stop, as users run it."""

import csv
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-W", "error", str(ROOT / "examples" / "stream_with_signals.py")]
NUMBERS = [f"+1212555{n:04d}" for n in range(1_500)]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the program on all numbers."""
    folder.joinpath("numbers.txt").write_text("\n".join(NUMBERS), encoding="utf-8")
    return subprocess.Popen(
        [*PROGRAM, "numbers.txt", "results.csv", "We open at nine"],
        cwd=folder,
        encoding="utf-8",
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def written(folder: Path) -> list[tuple[str, str]]:
    """Return number and fate of each line of the results."""
    with folder.joinpath("results.csv").open(encoding="utf-8", newline="") as lines:
        return [(row["phone"], row["status"]) for row in csv.DictReader(lines)]


def sent(folder: Path) -> Counter[str]:
    return Counter(phone for phone, status in written(folder) if status == "sent")


def arrived(sandbox) -> Counter[str]:
    return Counter(message.phone for message in sandbox.messages)


def test_to_the_end(sms_sandbox, tmp_path):
    """Without a signal, each number has a line and the program succeeds."""
    program = start(tmp_path)
    output, errors = program.communicate(timeout=60)

    assert (0, "") == (program.returncode, errors)
    assert Counter(NUMBERS) == sent(tmp_path) == arrived(sms_sandbox)
    assert "1,500 sent" in output


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal(sms_sandbox, tmp_path, name):
    """A signal stops the run; the results equal what the gateway has, and a rerun finishes."""
    stop_after = random.randint(1, 10)
    arrivals: list[None] = []

    def latency() -> float:
        arrivals.append(None)
        if len(arrivals) == stop_after:
            program.send_signal(getattr(signal, name))
        return 0.2

    sms_sandbox.set_faults(latency=latency)
    program = start(tmp_path)
    _, errors = program.communicate(timeout=60)
    first = sent(tmp_path)

    assert (130, "stopping; waiting for requests in flight\n") == (program.returncode, errors)
    assert first == arrived(sms_sandbox)
    assert 0 < len(first) < 1_500

    sms_sandbox.set_faults(latency=0)
    program = start(tmp_path)
    program.communicate(timeout=60)

    assert 0 == program.returncode
    assert Counter(NUMBERS) == sent(tmp_path) == arrived(sms_sandbox)


def test_a_second_signal(sms_sandbox, tmp_path):
    """A second signal ends the wait; messages in flight are unknown and not repeated by a rerun."""
    arrivals: list[None] = []

    def latency() -> float:
        arrivals.append(None)
        if len(arrivals) == 1:
            program.send_signal(signal.SIGTERM)
        return 20.0

    sms_sandbox.set_faults(latency=latency)
    program = start(tmp_path)
    said = program.stderr.readline()
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=10)
    unknown = {phone for phone, status in written(tmp_path) if status == "unknown"}

    assert ("stopping; waiting for requests in flight\n", 130) == (said, program.returncode)
    assert unknown == set(arrived(sms_sandbox))

    sms_sandbox.set_faults(latency=0)
    start(tmp_path).communicate(timeout=60)

    assert {1} == set(arrived(sms_sandbox).values())
    assert set(NUMBERS) == unknown | sent(tmp_path).keys()
