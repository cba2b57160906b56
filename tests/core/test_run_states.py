"""The states of a run, its requests and its block; and the speed of a run."""

import pytest

from customersms_async import Progress
from customersms_async._bulk.run_states import MOVES, Block, Phase, Stage, move
from customersms_async._bulk.throughput import Throughput, spoken

STATES = [*Phase, *Stage, *Block]


@pytest.mark.parametrize("kind", [Phase, Stage, Block])
def test_every_state_is_reachable(kind):
    """Every state is in the table, and can be reached from the first one."""
    reached, found = {next(iter(kind))}, set()
    while reached != found:
        found = set(reached)
        reached |= {to for state in found for to in MOVES[state]}

    assert set(kind) == reached


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("to", STATES)
def test_moves(state, to):
    """A transition in the table is made; any other is an internal error."""
    if to in MOVES[state]:
        assert to is move(state, to)
    else:
        with pytest.raises(RuntimeError, match=f"{state.name} to {to.name}"):
            move(state, to)


def test_speed_over_the_last_minute():
    """The speed of a run is that of the last minute."""
    throughput = Throughput()
    throughput.begin(0.0)
    assert throughput.per_minute(0.0, 0) is None

    for second in range(1, 121):
        throughput.note(second, second if second <= 60 else 60 + 10 * (second - 60))

    assert 600.0 == pytest.approx(throughput.per_minute(120, 660), rel=0.02)


def test_samples_are_bounded():
    """A run keeps one sample per second, however often it is asked."""
    throughput = Throughput()
    throughput.begin(0.0)
    for step in range(100_000):
        throughput.note(step / 100, step)

    assert 62 >= len(throughput._samples)


def test_a_line_a_minute():
    """`is_minute_over` is true once per minute."""
    throughput = Throughput()
    throughput.begin(0.0)

    assert [False, True, False, True] == [
        throughput.is_minute_over(at) for at in (59, 60, 119, 121)
    ]


def test_progress_as_one_line():
    """A line of progress has counts, total, speed and remaining time, as far as known."""
    little = Progress(sent=10)
    much = Progress(sent=1_000, expected=5_000, numbers_per_minute=9_800.4, eta=24.4)

    assert spoken(little).startswith("has 10: 10 sent")
    assert spoken(much).startswith("has 1,000 of 5,000: 1,000 sent")
    assert spoken(much).endswith(", 9,800 a minute, 24 s to go")
