"""
The guarantee "never twice, never silently lost", fuzzed over real sockets.

``make fuzz`` runs it for CUSTOMERSMS_FUZZ_SECONDS; a failure names its seed, and
CUSTOMERSMS_FUZZ_SEED runs only that round.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import sys
import time
import traceback
from collections import Counter
from typing import Any

from attrs import define, field

from tests.support.fuzz_cuts import CUTS, SEND_CUTS
from tests.support.fuzz_gateway import FAULTS
from tests.support.fuzz_rounds import Round

SECONDS = os.environ.get("CUSTOMERSMS_FUZZ_SECONDS")
SEED = os.environ.get("CUSTOMERSMS_FUZZ_SEED")

#: Rounds that run concurrently.
WAVE = 60
#: Waves of the short run, for at least 20,000 numbers.
WAVES = 2


@define(eq=False)
class Score:
    """The rounds so far."""

    rounds: int = 0
    numbers: int = 0
    faults: Counter[str] = field(factory=Counter)
    cuts: Counter[str] = field(factory=Counter)
    failures: list[tuple[int, BaseException]] = field(factory=list)

    def add(self, played: Round, failure: BaseException | None) -> None:
        self.rounds += 1
        self.numbers += played.numbers
        self.faults += played.gateway.faults
        self.cuts += played.cuts
        if failure is not None:
            self.failures.append((played.seed, failure))


async def play(seeds: list[int], score: Score) -> None:
    """Run several rounds concurrently; afterwards nothing of them may be left."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    rounds = [Round(seed) for seed in seeds]
    endings = await asyncio.gather(*(one.play() for one in rounds), return_exceptions=True)
    for played, ending in zip(rounds, endings, strict=True):
        score.add(played, ending)
    gc.collect()
    await asyncio.sleep(0.01)
    assert not complaints, f"seeds {seeds}: {complaints}"
    assert {asyncio.current_task()} == asyncio.all_tasks(), f"seeds {seeds}: tasks are left"


def told(score: Score) -> str:
    lines = [f"{score.rounds} rounds, {score.numbers} numbers, {score.faults.total()} requests"]
    lines += [
        ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        for counts in (score.faults, score.cuts)
    ]
    lines += [
        f"CUSTOMERSMS_FUZZ_SEED={seed}: {''.join(traceback.format_exception(failure))}"
        for seed, failure in score.failures
    ]
    return "\n".join(lines)


async def test_fuzz_nothing_is_lost_or_sent_twice(caplog, capsys):
    """Whatever gateway and caller do, each number has one fate and is sent to once."""
    caplog.set_level(logging.CRITICAL, "customersms_async")  # warnings abound here
    score = Score()
    if SEED:
        await play([int(SEED)], score)
    elif SECONDS:
        until, first = time.monotonic() + float(SECONDS), random.randrange(10**9)
        while time.monotonic() < until and not score.failures:
            await play([first + score.rounds + n for n in range(WAVE)], score)
    else:
        for wave in range(WAVES):
            await play(list(range(wave * WAVE, (wave + 1) * WAVE)), score)
    with capsys.disabled() if SECONDS or SEED else contextlib.nullcontext():
        sys.stdout.write(f"\n{told(score)}\n")

    assert [] == score.failures
    if not SEED:
        assert score.numbers >= 20_000
    if SECONDS and float(SECONDS) >= 60:
        assert set(FAULTS) <= score.faults.keys()
        cuts = CUTS.keys() - {"none"} | {f"send-{name}" for name in SEND_CUTS}
        assert cuts <= {name for name, count in score.cuts.items() if count}
