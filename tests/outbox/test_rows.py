"""Which rows are new, and what happens to the others."""

import pytest

from customersms_async import Message, Status
from customersms_async._values.status import Verdict
from customersms_async.outbox._core.rows import (
    Added,
    Existing,
    Row,
    content_of,
    shown_ref,
    sort_out,
)
from customersms_async.outbox._row_reader import read_rows
from customersms_async.phones import normalize_phone

BAD = Verdict(Status.NOT_SENT, "INVALID_PHONE", "is empty")
OUT = Verdict(Status.NOT_SENT, "SKIPPED", None)


def row(ref, phone="+12125550001", text="hi", verdict=None, row_id=1):
    return Row(ref, phone, text, verdict, content_of(phone, text), id=row_id)


def decide(*rows, refs=None, contents=None):
    for number, one in enumerate(rows, 1):
        one.id = number
    return sort_out(rows, refs or {}, contents or {})


@pytest.mark.parametrize("ref", ["a", None])
@pytest.mark.parametrize("verdict", [None, BAD, OUT])
def test_a_repeated_row_adds_nothing(ref, verdict):
    """A repeated row adds nothing, with or without a ref, good or bad."""
    new, added = decide(row(ref, verdict=verdict), row(ref, verdict=verdict))

    assert 1 == len(new)
    assert (1, 2) == (added.known, added.total)


def test_a_second_ref_with_the_same_content_is_a_duplicate():
    """The row is kept, and names the row that it duplicates."""
    new, added = decide(row("a"), row("b"))

    assert (1, 1) == (added.queued, added.duplicates)
    assert (1, "DUPLICATE") == (new[1].duplicate_of, new[1].verdict.code)


def test_the_same_ref_with_other_content_is_a_conflict():
    """The row is kept under another ref, which is shown as it was given."""
    new, added = decide(row("a"), row("a", text="other"))

    assert (1, 1) == (added.queued, added.conflicts)
    assert (1, "REF_CONFLICT") == (new[1].duplicate_of, new[1].verdict.code)
    assert "a" == shown_ref(new[1].ref) != new[1].ref


def test_a_purged_row_is_found_by_its_ref():
    """A purge has removed what a row said; its ref alone decides."""
    new, added = decide(row("a"), refs={"a": Existing(7, None)})

    assert ([], 1) == (new, added.known)


def test_a_repeated_conflict_adds_nothing():
    """A conflict that was added before counts as known."""
    new, added = decide(row("a"), row("a", text="other"), row("a", text="other"))

    assert (2, 1) == (len(new), added.known)


def test_a_conflict_is_not_a_duplicate_of_a_later_row():
    """A conflict, which is never sent, does not make a later row a duplicate."""
    _, added = decide(row("a"), row("a", text="other"), row("b", text="other"))

    assert (2, 1) == (added.queued, added.conflicts)


def test_rows_of_earlier_calls_are_known():
    """Rows of earlier calls are known by ref, and duplicated by content."""
    content = content_of("+12125550001", "hi")
    refs, contents = {"a": Existing(7, content)}, {content: 7}

    new, added = decide(row("a"), row("b"), refs=refs, contents=contents)

    assert (1, 1, 7) == (added.known, added.duplicates, new[0].duplicate_of)


def test_bad_and_skipped_rows_are_counted_separately():
    """A bad row is an error to be fixed, and an opt-out is not."""
    _, added = decide(row("a", "x", verdict=BAD), row("b", verdict=OUT))

    assert Added(bad=1, skipped=1) == added


def test_an_opt_out_does_not_make_the_next_row_a_duplicate():
    """Only a row that will be sent can be duplicated."""
    _, added = decide(row("a", verdict=OUT), row("b"))

    assert Added(queued=1, skipped=1) == added


def test_counts_as_one_line():
    """Counts add up, and those that are zero are left out."""
    added = Added(queued=4000) + Added(queued=483, known=2, bad=1)

    assert "4,483 queued, 2 known, 1 bad" == str(added)


def test_a_missing_ref_is_none():
    """A row without a ref has the ref None."""
    assert shown_ref(None) is None


@pytest.mark.parametrize("is_async", [False, True])
async def test_rows_are_read_in_chunks(is_async):
    """Rows are read in chunks, so that memory does not grow with the list."""
    given = (Message(f"+1212{n:07}", "hi", f"row-{n}") for n in range(25_000))

    async def as_they_come():
        for message in given:
            yield message

    rows = read_rows(as_they_come() if is_async else given, normalize_phone)

    assert [10_000, 10_000, 5_000] == [len(chunk) async for chunk in rows]
