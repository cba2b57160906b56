"""Results as JSON and CSV, and as printed text in ASCII."""

import ast
import csv
import datetime as dt
import enum
import io
import json
import uuid
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import customersms_async
from customersms_async import (
    Batch,
    Credits,
    InvalidPhone,
    Message,
    Outcome,
    Progress,
    Receipt,
    Rejected,
    Report,
    RequestRecord,
    Status,
    Usage,
)
from customersms_async._values.columns import Columns
from customersms_async._values.status import SENT, Verdict
from customersms_async.outbox import Added, CampaignStatus
from customersms_async.recipients import Refusal

ANN = "+12125551234"
BLOCKED = Verdict(Status.REJECTED, "NUMBER_BLOCKED", "Il numero è bloccato")


def report_of(*refs):
    """Make a report with one sent and one rejected number for each reference."""
    columns = Columns()
    for index, ref in enumerate(refs):
        columns.extend([12125551234 + index])
        if ref is not None:
            columns.keep_ref(index, ref)
        verdict = BLOCKED if index % 2 else SENT
        columns.decide([index], verdict, [None if index % 2 else f"msg_{index}"], 1)
    sent, rejected = (len(refs) + 1) // 2, len(refs) // 2
    progress = Progress(sent=sent, rejected=rejected, remaining_credits=98, complete=True)
    return Report(columns, progress, "ab")


RECEIPT = Receipt(ANN, "msg_1", 98)
OUTCOME = Outcome(0, "número", Status.REJECTED, "né", "NO", "è bloccato", "Zoë", "ab-1", "Olé")
RECORD = RequestRecord(
    account="0123456789ab",
    request="ab-1",
    kind="bulk",
    numbers=3,
    fates={Status.SENT: 2, Status.UNKNOWN: 1},
    code=None,
    is_final=True,
    waited=0.0,
    took=0.25,
    credits=98,
)
USAGE = Usage(
    limit=100,
    busy=3,
    in_flight=1,
    waiting=0,
    next_free_at=float("inf"),
    paused_until=None,
    refused_by_others=0,
    share=100.0,
)
REFUSAL = Refusal(3, "EMPTY_CELL", "has nothing under 'Name'")
ADDED = Added(queued=2, bad=1)
STATUS = CampaignStatus(
    state="open",
    queued=1,
    claimed=0,
    sending=0,
    sent=5,
    rejected=0,
    not_sent=0,
    unknown=0,
    duplicates=0,
    requests=1,
    credits=98,
    price=1.5,
)
CREDITS = Credits(98, dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC))

# --- JSON -----------------------------------------------------------------------------------------


def names(kind):
    return [field.name for field in attrs.fields(kind)]


@pytest.mark.parametrize(
    "value",
    [RECEIPT, CREDITS, RECORD, USAGE, Progress(sent=2), REFUSAL, ADDED, STATUS],
)
def test_a_value_as_json(value):
    """`to_dict` has all attributes of a value by name, in types that JSON supports."""
    said = value.to_dict()

    assert said == json.loads(json.dumps(said, allow_nan=False))
    assert names(type(value)) == list(said)[: len(names(type(value)))]


def test_fates_instants_and_infinities_in_json():
    """Fates are strings, times are ISO 8601, and infinite values are null."""
    assert {"sent": 2, "unknown": 1} == RECORD.to_dict()["fates"]
    assert {"amount": 98, "heard_at": "2026-11-28T12:00:00+00:00"} == CREDITS.to_dict()
    assert USAGE.to_dict()["next_free_at"] is None
    assert (2, True) == (
        Progress(sent=2).to_dict()["total"],
        Progress(complete=True).to_dict()["ok"],
    )


def test_an_outcome_as_json_has_no_text():
    """`Outcome.to_dict` has all fields except the text of the message."""
    said = OUTCOME.to_dict()

    assert [name for name in names(Outcome) if name != "text"] == list(said)
    assert ("rejected", "número", "Zoë") == (said["status"], said["phone"], said["ref"])
    assert "Olé" not in json.dumps(said, ensure_ascii=False)


class Colour(enum.IntEnum):
    RED = 7


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        (None, None),
        (7, 7),
        (True, True),
        (0.5, 0.5),
        (float("nan"), None),
        ("row 7", "row 7"),
        (("a", 1), ["a", 1]),
        ({"id": 7, 8: [None]}, {"id": 7, "8": [None]}),
        (Colour.RED, 7),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (dt.date(2026, 11, 28), "2026-11-28"),
        (b"x", "b'x'"),
    ],
)
def test_a_reference_as_json(ref, said):
    """A caller's reference is kept if JSON has its type, and converted to a string otherwise."""
    shown = Outcome(0, ANN, Status.SENT, ref=ref).to_dict()["ref"]

    assert (said, type(said)) == (shown, type(shown))


def test_a_report_as_json():
    """`Report.to_dict` has the counts, and the outcomes on request."""
    report = report_of("a", "b", None)

    assert (3, 2, 1, 98, False) == tuple(
        report.to_dict()[name] for name in ("total", "sent", "rejected", "remaining_credits", "ok")
    )
    assert "outcomes" not in report.to_dict()
    assert [one.to_dict() for one in report] == report.to_dict(outcomes=True)["outcomes"]


# --- CSV ------------------------------------------------------------------------------------------


def written(report, **options):
    file = io.StringIO()
    report.to_csv(file, **options)
    return file.getvalue()


def rows(text, **options):
    return list(csv.DictReader(io.StringIO(text, newline=""), **options))


def test_a_report_as_csv():
    """Each outcome is one CSV line under a header of attribute names; texts are left out."""
    found = rows(written(report_of("Ada", "Ben")))

    assert [name for name in names(Outcome) if name != "text"] == list(found[0])
    assert ["Ada", "Ben"] == [row["ref"] for row in found]
    assert ["sent", "rejected"] == [row["status"] for row in found]
    assert ["0", "1"] == [row["index"] for row in found]
    assert ["msg_0", ""] == [row["message_id"] for row in found]


def test_lines_end_with_a_line_feed():
    """Lines end with a line feed, which a file in text mode translates where needed."""
    assert "\r" not in written(report_of("a"))


def test_another_delimiter():
    """The delimiter can be a semicolon, for Excel in locales with decimal commas."""
    found = rows(written(report_of("a;b", "c"), delimiter=";"), delimiter=";")

    assert ["a;b", "c"] == [row["ref"] for row in found]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (ANN, '="+12125551234"'),
        ("12125551234", '="12125551234"'),
        ("007", '="007"'),
        ("1E5", '="1E5"'),
        ("1-2", '="1-2"'),
        ("402", '="402"'),
        (12, "12"),
        (10**15, '="1000000000000000"'),
        ("=1+1", "'=1+1"),
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-A1", "'-A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1+1", "' =1+1"),
        ("\t=1+1", "' =1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("a\nb", "a b"),
        ("Zoë", "Zoë"),
        ("row 7", "row 7"),
        (None, ""),
    ],
)
def test_cells_are_safe_in_a_spreadsheet(value, cell):
    """Digits stay text in a spreadsheet, and no cell is a formula or spans lines."""
    assert cell == rows(written(report_of(value)))[0]["ref"]


def test_exported_numbers_can_be_read_again():
    """A number that was exported is read as the same number."""
    found = rows(written(report_of(None)))

    assert ANN == customersms_async.phones.normalize_phone(found[0]["phone"])


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "utf-8", "utf-8-sig", "utf-16"])
def test_a_file_in_any_encoding(tmp_path, encoding):
    """Characters that the file's encoding lacks are escaped, and the export goes on."""
    path = tmp_path / "report.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        report_of("Zoë 号 \ud800", "b").to_csv(file)

    found = rows(path.read_text(encoding=encoding))
    assert "b" == found[1]["ref"]
    assert found[0]["ref"].startswith("Zo")


@given(st.lists(st.one_of(st.text(), st.integers(), st.none()), min_size=1, max_size=5))
def test_any_reference(refs):
    """With any references, each outcome is one line and no cell is a formula."""
    text = written(report_of(*refs))

    found = rows(text)
    assert len(refs) == len(found) == text.count("\n") - 1
    for row in found:
        assert row["ref"][:1] not in ("+", "-", "@", "\t", "\r") or row["ref"][1:].isdecimal()
        assert not row["ref"].startswith("=") or row["ref"].startswith('="')


# --- Printed text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(RECEIPT, OUTCOME, CREDITS, RECORD, USAGE, report_of("é"), Progress(sent=2)),
        Message("número", "Olé", "Zoë"),
        Batch([0], [ANN], "Olé", ["Zoë"]),
        Receipt(ANN, "né", None),
        Rejected("NO", (ANN,), "Il numero è bloccato: 号"),
        InvalidPhone("número – 5", "non è un numero"),
        customersms_async.ConfigurationError("endpoint 'é'"),
    ],
)
@pytest.mark.parametrize("show", [str, repr])
def test_printed_text_is_ascii(value, show):
    """Values and errors can be printed to any stream, whatever text they contain."""
    assert show(value).isascii()


def test_errors_drop_accents_and_details_keep_them():
    """The str of an error is ASCII; its `detail` is what the gateway wrote."""
    exc = Rejected("NO", (ANN,), "Il numero è bloccato")

    assert "NO (to +12...34, rejected): Il numero e bloccato" == str(exc)
    assert "Il numero è bloccato" == exc.detail


def literals(path):
    """Return the strings of a file that are not docstrings, with their line numbers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


#: Files with tables of characters, which are compared and never printed.
TABLES = {"swaps.py", "_redaction.py", "rows.py"}


def test_our_punctuation_is_ascii():
    """No string of the package has typographic punctuation, except in tables of characters."""
    package = Path(customersms_async.__file__).parent
    files = [path for path in package.rglob("*.py") if "sandbox" not in path.parts]

    assert [] == [
        f"{path.relative_to(package)}:{line}"
        for path in files
        if path.name not in TABLES
        for line, text in literals(path)
        if set(text) & set("\u2026\u00b7\u2013\u2014\u2019\u201c\u2192")
    ]
