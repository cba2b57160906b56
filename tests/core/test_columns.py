"""The columns of a report, against a plain list; and how much memory they take."""

import pickle
import sys

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from customersms_async._values.columns import PENDING, Columns, Row
from customersms_async._values.status import SENT, Status, Verdict

REJECTED = Verdict(Status.REJECTED, "BLOCKED", "no")
UNKNOWN = Verdict(Status.UNKNOWN, "ANSWER_LOST")

VERDICTS = st.one_of(
    st.sampled_from([SENT, REJECTED, UNKNOWN]),
    st.builds(Verdict, st.just(Status.REJECTED), st.just("X"), st.text(max_size=3)),
)
IDS = st.one_of(
    st.none(),
    st.sampled_from(["", "msg_1", "msg_2" * 20, "ünï", "😀", "a\0b", "\0", "\0\0"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6),
)
NUMBERS = st.integers(1_000_000, 999_999_999_999_999)


@define
class Line:
    """The model's record of one number: an object with all its fields."""

    phone: str
    verdict: Verdict = PENDING
    message_id: str | None = None
    ref: object = None
    request: int = 0
    first: int | None = None
    pending: bool = field(default=True, eq=False)

    def row(self):
        return Row(
            phone=self.phone,
            verdict=self.verdict,
            message_id=self.message_id or None,
            ref=self.ref,
            request=self.request,
            text=None,
            duplicate_of=self.first,
        )


class Model(RuleBasedStateMachine):
    """Numbers are added in input order and get their fates request by request, in any order."""

    def __init__(self):
        super().__init__()
        self.columns = Columns()
        self.lines = []

    @rule(numbers=st.lists(NUMBERS, max_size=8))
    def read(self, numbers):
        self.columns.extend(numbers)
        self.lines += [Line(f"+{number}") for number in numbers]

    @rule(given=st.text(max_size=5), ref=st.sampled_from([None, "ref", 7]))
    def read_a_refused_one(self, given, ref):
        index = len(self.lines)
        self.columns.extend([0])
        self.columns.keep_given(index, given)
        if ref is not None:
            self.columns.keep_ref(index, ref)
        self.columns.decide((index,), REJECTED)
        first = index // 2 if ref else None
        if first is not None:
            self.columns.keep_double(index, first)
        self.lines.append(Line(given, REJECTED, ref=ref, first=first, pending=False))

    @precondition(lambda self: any(line.pending for line in self.lines))
    @rule(data=st.data())
    def decide(self, data):
        at = self.some_pending(data)
        verdicts = data.draw(VERDICTS | st.lists(VERDICTS, min_size=len(at), max_size=len(at)))
        ids = data.draw(st.none() | st.lists(IDS, min_size=len(at), max_size=len(at)))
        request = data.draw(st.integers(0, 9))
        self.columns.decide(at, verdicts, ids, request)
        for place, index in enumerate(at):
            line = self.lines[index]
            line.pending = False
            line.verdict = verdicts if isinstance(verdicts, Verdict) else verdicts[place]
            line.message_id = ids and ids[place]
            line.request = request

    def some_pending(self, data):
        """Take a contiguous range of lines, or a set of single ones."""
        pending = [index for index, line in enumerate(self.lines) if line.pending]
        if data.draw(st.booleans()):
            first = last = data.draw(st.sampled_from(pending))
            while last + 1 in pending:
                last += 1
            return range(first, data.draw(st.integers(first, last)) + 1)
        return sorted(data.draw(st.sets(st.sampled_from(pending))))

    @rule()
    def trim(self):
        self.columns.trim()

    @rule()
    def travel(self):
        self.columns = pickle.loads(pickle.dumps(self.columns))

    @invariant()
    def says_the_same(self):
        assert len(self.lines) == len(self.columns)
        rows = [self.columns.row(index) for index in range(len(self.lines))]
        assert [line.row() for line in self.lines] == rows

    @invariant()
    def finds_the_same(self):
        for status in Status:
            wanted = [i for i, line in enumerate(self.lines) if line.verdict.status is status]
            assert wanted == list(self.columns.where(lambda v, s=status: v.status is s))


def test_against_a_model():
    """Columns agree with a list of lines, whatever the order of reading and deciding."""
    run_state_machine_as_test(Model, settings=settings(max_examples=40, stateful_step_count=20))


@pytest.mark.parametrize("odd", ["ünï", "a\0b", "", None])
def test_an_unusual_id_among_plain_ones(odd):
    """Any message id is kept, even beside plain ones of the same request."""
    columns = Columns()
    columns.extend([1_000_000, 1_000_001, 1_000_002])
    columns.decide(range(3), SENT, ["msg_1", odd, "msg_3"])

    assert ["msg_1", odd or None, "msg_3"] == [columns.row(n).message_id for n in range(3)]


def test_more_verdicts_than_a_column_can_index():
    """No verdict is lost if 70,000 numbers each have a different error text."""
    count = 70_000
    columns = Columns()
    columns.extend(range(1_000_000, 1_000_000 + count))
    verdicts = [Verdict(Status.REJECTED, "X", str(n)) for n in range(count)]
    columns.decide(range(count), verdicts)

    assert all(columns.row(n).verdict == verdicts[n] for n in (0, 65_533, 65_534, 65_535, 69_999))
    assert list(range(count)) == list(columns.where(lambda v: v.status is Status.REJECTED))
    assert [69_999] == list(columns.where(lambda v: v.detail == "69999"))


def test_a_late_verdict_for_a_whole_request():
    """Once the column's index is exhausted, a verdict for a whole request is still kept."""
    columns = Columns()
    columns.extend(range(1_000_000, 1_070_000))
    columns.decide(range(65_535), [Verdict(Status.REJECTED, "X", str(n)) for n in range(65_535)])

    columns.decide(range(65_535, 70_000), UNKNOWN)

    assert list(range(65_535, 70_000)) == list(columns.where(lambda v: v == UNKNOWN))
    assert UNKNOWN == columns.row(69_999).verdict


@pytest.mark.parametrize(
    ("ids", "by_request"),
    [
        ([f"msg_{n:06}" for n in range(100)], True),
        ([None if n % 2 else f"msg_{n}" for n in range(100)], False),
    ],
    ids=["documented", "half of them without"],
)
def test_weight(ids, by_request):
    """A million numbers take at most 24 bytes each, plus their message ids."""
    columns, count = Columns(), 1_000_000
    numbers = list(range(12_000_000_000, 12_000_000_100))
    for request in range(count // 100):
        columns.extend(numbers)
        columns.decide(range(100 * request, 100 * request + 100), SENT, ids, request + 1)
    columns.trim()

    parts = [getattr(columns, name) for name in Columns.__slots__]
    length_of_ids = sum(len(message_id) + 1 for message_id in ids if message_id) * (count // 100)
    weight = sum(map(sys.getsizeof, parts)) - length_of_ids
    assert weight <= 24 * count
    assert ids[-1] == columns.row(count - 1).message_id


def test_too_few_verdicts_or_ids_are_an_error():
    """A list of verdicts or ids that is shorter than the request raises ValueError."""
    columns = Columns()
    columns.extend([1_000_000, 1_000_001])

    with pytest.raises(ValueError, match="zip"):
        columns.decide([0, 1], [SENT])
    with pytest.raises(ValueError, match="zip"):
        columns.decide([0, 1], SENT, ["msg_1"])
