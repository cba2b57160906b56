"""Which fault is applied when, and how long an answer takes."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox import Fault
from customersms_async.sandbox._gateway.fault_engine import FaultEngine
from customersms_async.sandbox._gateway.fault_script import (
    LONGEST,
    FaultStep,
    make_steps,
    read_script,
    read_step,
)
from customersms_async.sandbox._gateway.fault_settings import KeyFaults
from customersms_async.sandbox._gateway.latency import Latency, read_latency

PLAIN = ["+12125551234"]
LOST = ["+12126660002"]
KEY = "cspro_one"


def met(faults: FaultEngine, times: int = 1, phones: list[str] = PLAIN, key: str | None = None):
    return [faults.plan(phones, key).fault for _ in range(times)]


def common(**settings: object) -> FaultEngine:
    faults = FaultEngine()
    faults.common.change(settings)
    return faults


@pytest.mark.parametrize(
    ("script", "steps"),
    [
        ("", []),
        ("ok", [FaultStep()]),
        ("500, reset, ok", [FaultStep(Fault.HTTP_500), FaultStep(Fault.RESET_BEFORE), FaultStep()]),
        (
            "429,503,504",
            [FaultStep(Fault.RATE_LIMITED), FaultStep(Fault.HTTP_503), FaultStep(Fault.HTTP_504)],
        ),
        (" html * 2 ,", [FaultStep(Fault.HTML)] * 2),
        ("rate-limited(7)*2", [FaultStep(Fault.RATE_LIMITED, "7")] * 2),
        (
            "http-503(Wed, 21 Oct 2026 07:28:00 GMT), ok",
            [FaultStep(Fault.HTTP_503, "Wed, 21 Oct 2026 07:28:00 GMT"), FaultStep()],
        ),
        (
            ["html", Fault.BOM, FaultStep()],
            [FaultStep(Fault.HTML), FaultStep(Fault.BOM), FaultStep()],
        ),
    ],
)
def test_a_script(script, steps):
    """A script has names, short names, counts and Retry-After, as one string or as a list."""
    assert steps == read_script(script)


@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        ("ok, nonsense", "nonsense"),
        ("html html", "html html"),
        ("html*0", "0"),
        (f"ok*{LONGEST},ok", str(LONGEST + 1)),
        (f"ok*{LONGEST + 1}", str(LONGEST + 1)),
        ("html(7)", "not with html"),
        ("rate-limited(sp\u00e4ter)", "sp\u00e4ter"),
        ([500], "500"),
        (7, "7"),
        (b"ok", "ok"),
        (None, "None"),
    ],
)
def test_an_invalid_script(script, wrong):
    """The error names the part that cannot be parsed."""
    with pytest.raises(ValueError, match=r"must|goes with") as caught:
        read_script(script)

    assert wrong in str(caught.value)


@pytest.mark.parametrize("times", [0, -1, 1.5, True, "2", LONGEST + 1])
def test_invalid_counts(times):
    """A count is an integer within bounds."""
    with pytest.raises(ValueError, match="times must be a whole number from 1 to 10000"):
        make_steps("html", times)


def test_a_step_can_be_read_back():
    """A step can be written as text and parsed back."""
    steps = [FaultStep(), FaultStep(Fault.HTML), FaultStep(Fault.RATE_LIMITED, "7")]

    assert steps == read_script(", ".join(map(str, steps)))


@pytest.mark.parametrize(
    ("given_as", "step"),
    [
        (None, None),
        ("", None),
        ("ok", None),
        ("html", FaultStep(Fault.HTML)),
        ("429(7)", FaultStep(Fault.RATE_LIMITED, "7")),
    ],
)
def test_a_standing_fault(given_as, step):
    """A standing fault is one step, or none."""
    assert step == read_step(given_as)


def test_a_standing_fault_has_no_count():
    """A standing fault cannot have a count."""
    with pytest.raises(ValueError, match="no count"):
        read_step("html*2")


def test_a_standing_fault_stays():
    """A standing fault applies to every request until it is switched off."""
    faults = common(standing="html")
    while_on = met(faults, 3)
    faults.common.change({"standing": None})

    assert ([Fault.HTML] * 3, [None]) == (while_on, met(faults))


def test_precedence_of_faults():
    """A script precedes a standing fault, then magic numbers, then probabilities."""
    faults = common(script="bom", standing="html", probabilities={"empty": 1})

    by_script, standing = met(faults, 2, LOST)
    faults.common.change({"standing": None})
    by_number, by_dice = met(faults, 1, LOST), met(faults)

    assert (Fault.BOM, Fault.HTML, [Fault.ANSWER_LOST], [Fault.EMPTY]) == (
        by_script,
        standing,
        by_number,
        by_dice,
    )


def test_one_key_and_all():
    """The faults of one key affect no other key, and precede those set for all keys."""
    faults = common(script="bom", standing="html", latency=2)
    faults.of(KEY).change({"script": "empty", "standing": "slow", "latency": 1})

    assert [Fault.EMPTY, Fault.BOM, Fault.SLOW] == met(faults, 3, key=KEY)
    assert [Fault.HTML] == met(faults, key="cspro_other")
    assert (1, 2) == (faults.delay(KEY), faults.delay("cspro_other"))


def test_clearing_one_key_and_all():
    """Clearing one key leaves all others, and clearing all leaves none."""
    faults = common(standing="html")
    faults.of(KEY).change({"standing": "slow"})
    faults.of("cspro_other").change({"standing": "bom"})

    faults.clear(KEY)
    after_one = met(faults, key=KEY) + met(faults, key="cspro_other")
    faults.clear()

    assert [Fault.HTML, Fault.BOM] == after_one
    assert [None, None] == met(faults, key=KEY) + met(faults, key="cspro_other")


PROBABLE = {"answer-lost": 0.3, "http-500": 0.2}


def test_the_same_seed_gives_the_same_run():
    """The same seed gives the same faults and latencies; another seed gives different ones."""

    def run(seed: int) -> list[object]:
        faults = common(probabilities=PROBABLE, seed=seed, latency="uniform(0, 1)")
        return [(faults.plan(PLAIN).fault, faults.delay()) for _ in range(50)]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_a_script_does_not_shift_random_faults():
    """Requests after a script get the random faults that they would get without it."""
    plain = met(common(probabilities=PROBABLE, seed=7), 50)
    scripted = met(common(probabilities=PROBABLE, seed=7, script="ok*10"), 50)

    assert plain[10:] == scripted[10:]
    assert [None] * 10 == scripted[:10]


def test_latencies_do_not_shift_random_faults():
    """Drawing latencies changes no fault."""
    faults = common(probabilities=PROBABLE, seed=7, latency="exponential(1)")
    drawn = [faults.delay() for _ in range(10)]

    assert met(common(probabilities=PROBABLE, seed=7), 50) == met(faults, 50)
    assert 10 == len(set(drawn))


def test_setting_the_seed_starts_over():
    """Setting the same seed again repeats the sequence."""
    faults = common(probabilities=PROBABLE, seed=7)
    first = met(faults, 20)
    faults.common.change({"seed": 7})

    assert first == met(faults, 20)


def test_fault_frequencies():
    """In the long run, faults occur with their probabilities."""
    seen = met(common(probabilities=PROBABLE, seed=1), 10_000)

    assert 2_850 <= seen.count(Fault.ANSWER_LOST) <= 3_150
    assert 1_850 <= seen.count(Fault.HTTP_500) <= 2_150


def test_a_random_rejection_applies_to_every_number():
    """A random rejection, like a scripted one, rejects each number of the request."""
    plan = common(probabilities={"reject": 1}).plan([*PLAIN, "+13235554567"])

    assert {PLAIN[0]: Fault.REJECT, "+13235554567": Fault.REJECT} == plan.rejected


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"standing": "lost"}, "'lost'"),
        ({"probabilities": {"html": 1.5}}, "1.5"),
        ({"probabilities": {"html": True}}, "True"),
        ({"probabilities": {"html": 0.7, "bom": 0.6}}, "1.3"),
        ({"probabilities": {"ok": 0.5}}, "the rest up to 1"),
        ({"probabilities": {"lost": 0.5}}, "'lost'"),
        ({"probabilities": 0.5}, "0.5"),
        ({"seed": "seven"}, "'seven'"),
        ({"seed": True}, "True"),
        ({"latency": "soon"}, "'soon'"),
        ({"script": "lost"}, "'lost'"),
        ({"fault": "html"}, "'fault'"),
    ],
)
def test_invalid_settings(settings, wrong):
    """The error names the invalid value, and none of the settings is changed."""
    switches = KeyFaults()
    with pytest.raises(ValueError, match=r"must be|are for faults") as caught:
        switches.change({"standing": "html", **settings})

    assert wrong in str(caught.value)
    assert switches.standing is None


def test_no_probabilities_and_no_script():
    """None removes probabilities, script and latency."""
    faults = common(probabilities={"html": 1}, script="bom*3", latency=3)
    faults.common.change({"probabilities": None, "script": None, "latency": None})

    assert ([None], 0) == (met(faults), faults.delay())


@pytest.mark.parametrize(
    ("written", "latency"),
    [
        (0, Latency("fixed", (0.0,))),
        ("0.2", Latency("fixed", (0.2,))),
        ("fixed(0.2)", Latency("fixed", (0.2,))),
        (" uniform( 0.1 , 0.5 ) ", Latency("uniform", (0.1, 0.5))),
        ("normal(0.2, 0.05)", Latency("normal", (0.2, 0.05))),
        ("exponential(0.3)", Latency("exponential", (0.3,))),
    ],
)
def test_a_latency(written, latency):
    """A latency is a number or a distribution, and is written as it is parsed."""
    assert latency == read_latency(written) == read_latency(str(latency)) == read_latency(latency)


@pytest.mark.parametrize(
    "written",
    [
        -0.1,
        3601,
        True,
        float("nan"),
        "nan",
        "",
        "uniform(0.5, 0.1)",
        "uniform(0.5)",
        "normal(1, 2, 3)",
        "exponential(-1)",
        "gauss(1, 2)",
        "uniform(a, b)",
        [1],
        None,
    ],
)
def test_an_invalid_latency(written):
    """The error names the value and shows how a latency is written."""
    with pytest.raises(ValueError, match=r"uniform\(low, high\)") as caught:
        read_latency(written)

    assert repr(written) in str(caught.value)


@pytest.mark.parametrize(
    ("written", "mean"),
    [
        ("0.3", 0.3),
        ("uniform(0.1, 0.5)", 0.3),
        ("normal(0.3, 0.05)", 0.3),
        ("exponential(0.3)", 0.3),
    ],
)
def test_the_mean_of_a_latency(written, mean):
    """In the long run, each distribution has the mean of its definition."""
    latency, dice = read_latency(written), random.Random(1)

    assert pytest.approx(mean, rel=0.05) == statistics.mean(
        latency.draw(dice) for _ in range(10_000)
    )


@given(st.sampled_from(["normal(0, 3600)", "exponential(3600)"]), st.integers())
def test_latencies_are_within_bounds(written, seed):
    """No latency is below 0 or above an hour."""
    assert 0 <= read_latency(written).draw(random.Random(seed)) <= 3600


def test_a_latency_from_a_function():
    """A function is called for each answer; a negative result counts as 0."""
    given_out = iter([0.5, -1.0])
    faults = common(latency=given_out.__next__)

    assert [0.5, 0.0] == [faults.delay(), faults.delay()]
