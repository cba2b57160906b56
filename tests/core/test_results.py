"""Merging the fates of a run into counts, a report or a stream of outcomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async import codes
from customersms_async._bulk.reader import Chunk, RefusedInput
from customersms_async._bulk.results import ResultCollector
from customersms_async._delivery.result import DeliveryResult
from customersms_async._ports.journal import Batch
from customersms_async._values.columns import Columns
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async.outcomes import Outcome, Progress, Report

ANN, BEN = "+12125551234", "+13235554567"
INVALID = Verdict(Status.NOT_SENT, codes.INVALID_PHONE, "is empty")
DUPLICATE = Verdict(Status.NOT_SENT, codes.DUPLICATE, "appeared earlier in the same run")
BLOCKED = Verdict(Status.REJECTED, "BLOCKED", "no")
LOST = Verdict(Status.UNKNOWN, codes.ANSWER_LOST)
NO_CREDIT = Verdict(Status.REJECTED, "INSUFFICIENT_CREDITS", "no credit")

CHUNK = Chunk(
    first=0,
    numbers=[12125551234, 0, 12125551234, 13235554567],
    refused=[RefusedInput(1, "junk", INVALID), RefusedInput(2, ANN, DUPLICATE, 0)],
    refs=[(1, "row 1"), (3, "row 3")],
)
BATCH = Batch([0, 3], [ANN, BEN], "Hi", (None, "row 3"))
OUTCOMES = [
    Outcome(0, ANN, Status.SENT, "msg_1", request="ab-7"),
    Outcome(1, "junk", Status.NOT_SENT, None, "INVALID_PHONE", "is empty", "row 1"),
    Outcome(
        2,
        ANN,
        Status.NOT_SENT,
        None,
        "DUPLICATE",
        "appeared earlier in the same run",
        duplicate_of=0,
    ),
    Outcome(3, BEN, Status.REJECTED, None, "BLOCKED", "no", "row 3", "ab-7"),
]
DELIVERED = DeliveryResult([SENT, BLOCKED], ["msg_1", None], request=7)


def test_a_report_of_all():
    """A run with a report records refusals when read, and fates when known."""
    columns = Columns()
    ledger = ResultCollector("ab", columns)
    ledger.read(CHUNK)
    ledger.decide(BATCH, DELIVERED)

    assert OUTCOMES == list(Report(columns, Progress(), "ab"))
    assert not ledger.ready
    assert not ledger.is_handing_over


def test_outcomes_of_a_stream():
    """A streamed run hands over refusals when read, and other outcomes when known."""
    ledger = ResultCollector("ab", None)
    ledger.read(CHUNK)
    assert [OUTCOMES[1], OUTCOMES[2]] == list(ledger.ready)

    ledger.decide(BATCH, DELIVERED)

    assert [OUTCOMES[1], OUTCOMES[2], OUTCOMES[0], OUTCOMES[3]] == list(ledger.ready)


def test_one_verdict_for_a_whole_request():
    """A verdict about the whole request applies to each number, without message ids."""
    ledger = ResultCollector("ab", None)
    ledger.decide(Batch([4, 5], [ANN, BEN], "Hi"), DeliveryResult(LOST, request=2))

    assert [
        Outcome(4, ANN, Status.UNKNOWN, None, "ANSWER_LOST", request="ab-2"),
        Outcome(5, BEN, Status.UNKNOWN, None, "ANSWER_LOST", request="ab-2"),
    ] == list(ledger.ready)


def test_discarding_outcomes():
    """After `discard`, pending outcomes are dropped and only counts are kept."""
    ledger = ResultCollector("ab", None)
    ledger.read(CHUNK)

    ledger.discard()
    ledger.discard()
    ledger.read(Chunk(4, [0], [RefusedInput(4, "", INVALID)]))
    ledger.decide(BATCH, DELIVERED)

    assert not ledger.ready
    assert {Status.NOT_SENT: 3, Status.SENT: 1, Status.REJECTED: 1} == ledger.fates


@pytest.mark.parametrize("make_columns", [Columns, lambda: None], ids=["report", "stream"])
def test_counts(make_columns):
    """Counts are the same with and without a report."""
    ledger = ResultCollector("ab", make_columns())
    ledger.read(CHUNK)
    ledger.decide(BATCH, DELIVERED)

    assert {Status.NOT_SENT: 2, Status.SENT: 1, Status.REJECTED: 1} == ledger.fates
    assert (4, 1) == (ledger.read_count, ledger.duplicates)


@pytest.mark.parametrize(
    ("delivered", "texts"),
    [
        (DeliveryResult([SENT, NO_CREDIT], ["msg_1", None]), [None, "Hi"]),
        (DeliveryResult(NO_CREDIT), ["Hi", "Hi"]),
        (DeliveryResult(BLOCKED), [None, None]),
        (DeliveryResult([LOST, BLOCKED]), [None, None]),
    ],
)
def test_texts_are_kept_for_resending(delivered, texts):
    """A report over messages keeps the texts of those that are safe to resend, and no others."""
    columns = Columns()
    columns.extend([12125551234, 13235554567])
    batch = Batch([0, 1], [ANN, BEN], "Hi", is_personal=True)
    for results in (ResultCollector("ab", columns), stream := ResultCollector("ab", None)):
        results.decide(batch, delivered)

    assert texts == [outcome.text for outcome in Report(columns, Progress(), "ab")]
    assert texts == [outcome.text for outcome in stream.ready]


@given(st.lists(st.sampled_from([SENT, BLOCKED, LOST, INVALID, DUPLICATE]), max_size=30))
def test_report_and_stream_agree(verdicts):
    """A report and a stream of the same run have the same outcomes."""
    columns = Columns()
    ledgers = [ResultCollector("ab", columns), ResultCollector("ab", None)]
    for index, verdict in enumerate(verdicts):
        is_refused = verdict in (INVALID, DUPLICATE)
        given_item = "junk" if verdict is INVALID else ANN
        number = 0 if verdict is INVALID else 12125551234
        first = 0 if verdict is DUPLICATE else None
        refused = [RefusedInput(index, given_item, verdict, first)] if is_refused else []
        ids = [f"msg_{index}"] if verdict is SENT else None
        for ledger in ledgers:
            ledger.read(Chunk(index, [number], refused))
            if not is_refused:
                ledger.decide(Batch([index], [ANN], "Hi"), DeliveryResult(verdict, ids, index + 1))

    assert list(ledgers[1].ready) == list(Report(columns, Progress(), "ab"))
    assert ledgers[0].fates == ledgers[1].fates


def test_leftovers():
    """After `leave`, outcomes that may have been sent are kept as leftovers, and no others."""
    lost = Batch([4, 5], [ANN, BEN], "Hi")
    ledger = ResultCollector("ab", None)
    ledger.read(CHUNK)
    ledger.decide(BATCH, DELIVERED)
    first = ledger.ready.popleft()

    ledger.leave()
    ledger.decide(lost, DeliveryResult(LOST, request=8))
    ledger.decide(Batch([6], [ANN], "Hi"), DeliveryResult(DUPLICATE))

    assert OUTCOMES[1] == first
    assert [0, 3, 4, 5] == [outcome.index for outcome in ledger.leftovers]
    assert not ledger.ready


def test_no_leftovers_with_a_report():
    """A run with a report has no leftovers."""
    columns = Columns()
    ledger = ResultCollector("ab", columns)
    ledger.read(CHUNK)
    ledger.leave()
    ledger.decide(BATCH, DELIVERED)

    assert [] == ledger.leftovers
    assert OUTCOMES == list(Report(columns, Progress(), "ab"))
