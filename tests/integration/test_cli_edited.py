"""A list that was edited and sent again: rows are identified by number and text."""

import csv
import json

import pytest

from customersms_async.cli.exits import Exit
from tests.support.commands import numbers

A, B, C, D = "+12125551234", "+13235554567", "+442071838750", "+12025550123"
LOST = "+12126660002"


@pytest.fixture
def send(run, tmp_path, sms_sandbox):
    """Write a list, confirm and send it; return status, output and messages."""
    people = tmp_path / "people.csv"

    def send_rows(*rows, options=()):
        people.write_text("phone,name\n" + "".join(f"{row}\n" for row in rows))
        before = len(sms_sandbox.messages)
        _, (line,), _ = run("check", people, "--text", "Hi {name}", "--json")
        words = ("--text", "Hi {name}", "--confirm", json.loads(line)["token"], *options)
        status, out, err = run("bulk", people, *words)
        sent = [(one.phone, one.text) for one in sms_sandbox.messages[before:]]
        return status, out, err, sorted(sent)

    return send_rows


@pytest.fixture
def results(run, tmp_path):
    """Export the list; return name, status, detail and duplicate of each row."""

    def rows():
        table = csv.DictReader(run("export", tmp_path / "people.csv")[1])
        return [(row["name"], row["status"], row["detail"], row["duplicate_of"]) for row in table]

    return rows


def test_bad_rows_that_were_fixed(send, results):
    """Fixed rows are sent, and do not count as bad any more."""
    first = send(f"{A},Anna", "1.2E+10,Bob", f"{C},")
    second = send(f"{A},Anna", f"{B},Bob", f"{C},Cy")

    assert (Exit.PARTIAL, [(A, "Hi Anna")]) == (first[0], first[3])
    assert first[1][0].startswith("1 sent, 0 rejected, 0 unknown, 2 not sent, 0 waiting")
    assert (Exit.OK, [(B, "Hi Bob"), (C, "Hi Cy")]) == (second[0], second[3])
    assert second[1][0].startswith("3 sent, 0 rejected, 0 unknown, 0 not sent, 0 waiting")
    assert [(name, "sent", "", "") for name in ("Anna", "Bob", "Cy")] == results()


def test_bad_rows_are_counted_and_exported(send, results, run, tmp_path):
    """Bad rows are exported with their reason as CSV and JSON."""
    options = ("--json",)
    _, out, err, _ = send(f"{A},Anna", "call me,Bob", options=options)
    _, (line,), _ = run("status", tmp_path / "people.csv", "--json")

    assert ["row-2", "row-3"] == [json.loads(one)["ref"] for one in out]
    assert ("not_sent", "INVALID_PHONE") == tuple(
        json.loads(out[1])[name] for name in ("status", "code")
    )
    assert err[-1].startswith("1 sent, 0 rejected, 0 unknown, 1 not sent, 0 waiting")
    assert 1 == json.loads(line)["bad"]
    assert ["sent", "not_sent"] == [status for _, status, *_ in results()]


def test_rows_that_moved(send, results):
    """Inserting a row above others does not change their fates."""
    send(f"{A},Anna", f"{B},Bob")
    _, _, _, sent = send(f"{D},New", f"{B},Bob", f"{A},Anna", f"{A},Anna")

    assert [(D, "Hi New")] == sent
    assert [
        ("New", "sent", "", ""),
        ("Bob", "sent", "", ""),
        ("Anna", "sent", "", ""),
        ("Anna", "not_sent", "the same phone and text under another ref", "4"),
    ] == results()


def test_a_row_that_was_edited_after_it_was_sent(send, results, run, tmp_path):
    """A row that was sent or is unknown is not sent again after an edit, with a notice."""
    send(f"{A},Ana", f"{LOST},Bob", options=())
    status, _, err, sent = send(f"{A},Anna", f"{LOST},Bobby", options=("--json",))

    assert (Exit.UNKNOWN, []) == (status, sent)
    assert "edited after they were sent, so not sent again: 2" in err
    said = "with the text that the row had before"
    assert [("Anna", "sent", said, ""), ("Bobby", "unknown", said, "")] == results()
    assert (Exit.OK, ["1 row resolved"]) == run("resolve", tmp_path / "people.csv", "--sent", "3")[
        ::2
    ]


def test_two_texts_to_one_number(send, results):
    """Both texts are sent once, in any order of rows."""
    send(f"{A},Monday", f"{A},Tuesday")
    _, _, _, sent = send(f"{A},Tuesday", f"{A},Monday", f"{A},Friday")

    assert [(A, "Hi Friday")] == sent
    assert ["sent"] * 3 == [status for _, status, *_ in results()]


def test_a_queued_row_that_was_removed(send, results):
    """A queued row that was removed from the list is not sent."""
    rows = [f"{number},n{number[-1]}" for number in numbers(4)]
    send(*rows, options=("--max-credits", "2"))
    _, out, err, sent = send(*rows[:2], rows[2].replace("n2", "Cy"))

    assert [(numbers(3)[2], "Hi Cy")] == sent
    assert "no longer in the list, so not sent: 2 queued" in err
    assert out[0].startswith("3 sent, 0 rejected, 0 unknown, 2 not sent, 0 waiting")
    assert ["sent"] * 3 == [status for _, status, *_ in results()]


def test_rows_that_were_not_added_yet(send, results, run, tmp_path):
    """New rows have no fate and cannot be resolved."""
    send(f"{A},Anna")
    people = tmp_path / "people.csv"
    people.write_text(f"phone,name\n{A},Anna\n{B},Bob\n")

    assert [("Anna", "sent", "", ""), ("Bob", "", "", "")] == results()
    status, _, err = run("resolve", people, "--sent", "3")
    assert (Exit.PARTIAL, "left unchanged, since not found or not unknown: row 3") == (
        status,
        err[1],
    )


def test_another_list_in_the_same_campaign(send, run, tmp_path):
    """Rows of another list in the same campaign are not affected."""
    place = ("--outbox", str(tmp_path / "shared.db"), "--campaign", "both")
    rows = [f"{number},n{number[-1]}" for number in numbers(3)]
    send(*rows, options=(*place, "--max-credits", "1"))
    other = tmp_path / "other.csv"
    other.write_text(f"phone,name\n{D},Dora\n")
    run("bulk", other, "--text", "Hi {name}", "--yes", *place)
    _, out, _ = run("export", other, *place)

    assert [["Dora", "2", "sent"], ["", "", "sent"]] == [row[1:4] for row in csv.reader(out)][1:3]
    assert 5 == len(out)
