"""The commands `bulk`, `status`, `pause`, `resume`, `resolve` and `export`."""

import asyncio
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from customersms_async import CustomerSMS, Message
from customersms_async.cli import main
from customersms_async.cli.exits import Exit
from customersms_async.cli.manage import summary
from customersms_async.cli.progress import shown
from customersms_async.outbox import CampaignStatus, Outbox, enqueue
from customersms_async.outbox._export import EVIDENCE
from tests.support.commands import numbers, start, wait_for

A, B, C = "+12125551234", "+13235554567", "+442071838750"
REJECTED, LOST = "+12126660001", "+12126660002"
TEXT = ("--text", "Hi {name}")
SENT_AGAIN = (
    "the next customersms bulk sends again, once the first request can no longer be in progress"
)
NAME_ONE = "name a list, like people.csv, or an outbox and a campaign: --outbox URL --campaign NAME"


pytestmark = pytest.mark.usefixtures("memory_of_the_limit")


@pytest.fixture
def write(tmp_path):
    """Write a list of numbers with names."""

    def write_list(*phones, name="people.csv"):
        path = tmp_path / name
        rows = (f"{phone},n{number}\n" for number, phone in enumerate(phones, 2))
        path.write_text("phone,name\n" + "".join(rows))
        return path

    return write_list


def test_a_list_is_sent(run, write, sms_sandbox):
    """Plan and notices are printed on stderr, the result on stdout."""
    status, out, err = run("bulk", write(A, B), *TEXT, "--yes")

    assert Exit.OK == status
    assert ["2 sent, 0 rejected, 0 unknown, 0 not sent, 0 waiting, 98 credits left"] == [
        line.replace("9,998", "98") for line in out
    ]
    assert "people.csv: utf-8 with commas, numbers in 'phone'" == err[0]
    assert {(A, "Hi n2"), (B, "Hi n3")} == {(m.phone, m.text) for m in sms_sandbox.messages}


def test_repeating_the_command_sends_nothing_again(run, write, sms_sandbox):
    """A confirmation stays valid, and numbers that were sent to are known."""
    people = write(A, B)
    _, (token_line,), _ = run("check", people, *TEXT, "--json")
    token = json.loads(token_line)["token"]

    assert Exit.OK == run("bulk", people, *TEXT, "--confirm", token)[0]
    assert Exit.OK == run("bulk", people, *TEXT)[0]
    assert 2 == len(sms_sandbox.messages)


def test_a_list_that_has_grown(run, write, sms_sandbox):
    """A list with new rows must be confirmed again, and only these are sent."""
    run("bulk", write(A), *TEXT, "--yes")
    people = write(A, B)
    status, out, err = run("bulk", people, *TEXT)
    token = err[-1].split()[-1]

    assert (Exit.CHANGED, []) == (status, out)
    assert Exit.OK == run("bulk", people, *TEXT, "--confirm", token)[0]
    assert [A, B] == [message.phone for message in sms_sandbox.messages]


def test_another_campaign_of_the_same_list(run, write, sms_sandbox):
    """Another campaign has its own confirmation and its own fates."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    other = ("--text", "Ho", "--campaign", "second")

    assert Exit.CHANGED == run("bulk", people, "--text", "Ho")[0]
    assert Exit.OK == run("bulk", people, *other, "--yes")[0]
    assert Exit.OK == run("bulk", people, *other)[0]
    assert ["Hi n2", "Ho"] == [message.text for message in sms_sandbox.messages]


def test_without_a_confirmation(run, write, sms_sandbox):
    """Nothing is sent, and the error shows the token."""
    status, _, err = run("bulk", write(A), *TEXT)

    assert Exit.USAGE == status
    assert "there is no terminal to confirm on; use --yes, or --confirm " in err[-1]
    assert 0 == len(sms_sandbox.requests)


# --- Exit statuses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        ((A, "555"), (), Exit.PARTIAL, "1 sent, 0 rejected, 0 unknown, 1 not sent, 0 waiting"),
        ((A, REJECTED), (), Exit.PARTIAL, "1 sent, 1 rejected, 0 unknown, 0 not sent, 0 waiting"),
        ((A, LOST), (), Exit.UNKNOWN, "1 sent, 0 rejected, 1 unknown, 0 not sent, 0 waiting"),
        ((A, A), (), Exit.OK, "2 sent, 0 rejected, 0 unknown, 0 not sent, 0 waiting"),
        ((A, B, C), ("--max-credits", "2"), Exit.STOPPED, "2 sent, 0 rejected, 0 unknown"),
        ((A, B), ("--until", "2020-01-01T00:00"), Exit.STOPPED, "0 sent, 0 rejected, 0 unknown"),
    ],
)
@pytest.mark.usefixtures("sms_sandbox")
def test_the_exit_status_of_a_list(run, write, case):
    """The exit status is that of the worst fate."""
    phones, options, status, said = case
    found, out, _ = run("bulk", write(*phones), *TEXT, "--yes", *options)

    assert status == found
    assert out[0].startswith(said)


def test_rejected_rows_are_explained(run, write, sms_sandbox):
    """After the run, the command that lists them with the gateway's codes is named."""
    people = write(A, REJECTED)
    _, _, err = run("bulk", people, *TEXT, "--yes")
    command = f"customersms export {people} --only rejected"
    _, out, _ = run(*command.split()[1:])

    assert err[-1] == f"the gateway refused the rejected; list them with its codes: {command}"
    assert ["rejected,NUMBER_BLOCKED"] == [",".join(row.split(",")[3:5]) for row in out[1:]]


def test_a_refused_key(run, write, sms_sandbox, tmp_path, request):
    """A refused key ends the run at the first answer; with the right key it continues."""
    (tmp_path / "key").write_text("cspro_nobody")
    people = write(*numbers(30))
    status, _, err = run("bulk", people, *TEXT, "--yes", "--key-file", tmp_path / "key")

    assert Exit.KEY == status
    said = "the gateway refused the key; set the right one, then run the same command again"
    assert f"stopped: INVALID_API_KEY: {said}" == err[-1]
    assert 5 > len(sms_sandbox.requests)
    assert Exit.OK == run("bulk", people, *TEXT)[0]
    assert 30 == len(sms_sandbox.messages)
    forget(request, "cspro_nobody")


def test_a_changed_key(run, write, sms_sandbox, tmp_path, request):
    """A list that was started with another key is held until `resume --new-key`."""
    sms_sandbox.credits = 3
    people = write(*numbers(6))
    key = ("--key-file", tmp_path / "key")
    key[1].write_text("cspro_nobody")

    assert Exit.STOPPED == run("bulk", people, *TEXT, "--yes")[0]
    status, _, err = run("bulk", people, *TEXT, *key)
    assert Exit.STOPPED == status
    assert f"customersms resume {people} --new-key" in err[-1]
    assert Exit.OK == run("resume", people, "--new-key", *key)[0]
    assert Exit.KEY == run("bulk", people, *TEXT, *key)[0]
    forget(request, "cspro_nobody")


def forget(request, key):
    """Remove the requests of a key from the sandbox, as no test may leave any behind."""
    thread = request.getfixturevalue("_sms_sandbox_thread")
    thread.call(lambda: thread.sandbox.clear(key))


def test_a_refused_key_in_the_middle_of_a_list(run, write, sms_sandbox, tmp_path, request):
    """With another key the campaign is held, and the error shows `resume --new-key`."""
    people = write(*numbers(3))
    run("bulk", people, *TEXT, "--yes", "--max-credits", "1")
    (tmp_path / "key").write_text("cspro_nobody")
    other = ("--key-file", tmp_path / "key")
    held = run("bulk", people, *TEXT, *other)
    asked = run("status", people, *other)
    resumed = run("resume", people, *other)
    run("resume", people, "--new-key", *other)
    status, _, err = run("bulk", people, *TEXT, *other)
    thread = request.getfixturevalue("_sms_sandbox_thread")
    thread.call(lambda: thread.sandbox.clear("cspro_nobody"))
    again = f"customersms resume {people} --new-key"

    assert (Exit.STOPPED, Exit.OK, Exit.STOPPED) == (held[0], asked[0], resumed[0])
    assert held[2][-1] == resumed[2][-1]
    assert [f"held: {held[2][-1].removeprefix('customersms: ')}"] == asked[2]
    assert again in held[2][-1]
    assert Exit.KEY == status
    assert err[-1].endswith(f"set the right one, type {again}, then run the same command again")


def test_another_endpoint(run, write, sms_sandbox):
    """A campaign that has sent something is held for another endpoint, with the remedy."""
    people = write(*numbers(3))
    elsewhere = ("--endpoint", "http://127.0.0.1:9/api.php")
    run("bulk", people, *TEXT, "--yes", *elsewhere, "--until", "2020-01-01T00:00")
    status, out, _ = run("bulk", people, *TEXT, "--max-credits", "1")
    held = run("resume", people, *elsewhere)
    _, (line,), _ = run("status", people, *elsewhere, "--json")

    assert (Exit.STOPPED, "1 sent") == (status, out[0][:6])
    assert Exit.STOPPED == held[0]
    assert f"it was started at {sms_sandbox.endpoint}, and now it would go to http" in held[2][-1]
    assert held[2][-1].endswith(
        "; set CUSTOMERSMS_ENDPOINT (or --endpoint) to the first, "
        "or start another campaign with --campaign NAME"
    )
    assert "OTHER_ENDPOINT" == json.loads(line)["held"]


@pytest.mark.parametrize("rows", [1, 300])
def test_a_wrong_address(run, write, sms_sandbox, rows):
    """A server without an API refuses nobody: at the right address, all are sent."""
    people = write(*numbers(rows))
    wrong = ("--endpoint", sms_sandbox.endpoint.replace("api.php", "nothing.php"))
    status, out, err = run("bulk", people, "--text", "Hi", "--yes", *wrong)

    assert (Exit.STOPPED, f"0 sent, 0 rejected, 0 unknown, 0 not sent, {rows} waiting") == (
        status,
        out[0],
    )
    assert err[-1].startswith("stopped: HTTP_404: there is no gateway at this address; correct")
    assert Exit.OK == run("bulk", people, "--text", "Hi")[0]
    assert rows == len(sms_sandbox.messages)


def test_a_suggested_command_names_outbox_and_campaign(run, write, sms_sandbox, tmp_path):
    """The suggested command works as printed."""
    people = write(*numbers(2))
    place = ("--outbox", tmp_path / "shared.db", "--campaign", "both")
    run("bulk", people, *TEXT, "--yes", "--max-credits", "1", *place)
    _, _, paused = run("pause", people, *place)
    _, _, err = run("bulk", people, *TEXT, *place)
    command = f"customersms resume {people} --outbox {tmp_path / 'shared.db'} --campaign both"

    assert [f"paused; continue with: {command}"] == paused
    assert err[-1].endswith(f"it was paused; {command}")


def test_a_continued_list_shows_what_is_left(run, write, sms_sandbox):
    """A second run shows the rest of the plan instead of the whole."""
    people = write(A, LOST, *numbers(3))
    _, _, first = run("bulk", people, *TEXT, "--yes", "--max-credits", "2")
    _, _, err = run("bulk", people, *TEXT)
    _, _, last = run("bulk", people, *TEXT)

    assert any(line.startswith("5 messages, ") for line in first)
    assert [
        "people.csv: utf-8 with commas, numbers in 'phone'",
        "continuing: 1 sent before, 1 unknown, 3 left, 3 requests, 1 min",
    ] == err[:2]
    assert "continuing: 4 sent before, 1 unknown, nothing is left" == last[1]


def test_no_credits(run, write, sms_sandbox):
    """Lack of credits stops the run; after a top-up the same command continues."""
    sms_sandbox.credits = 3
    people = write(*numbers(6))

    assert Exit.STOPPED == run("bulk", people, *TEXT, "--yes")[0]
    sms_sandbox.credits = 100
    assert Exit.OK == run("bulk", people, *TEXT)[0]
    assert sorted(numbers(6)) == sorted(message.phone for message in sms_sandbox.messages)


# --- Results --------------------------------------------------------------------------------------


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_results_in_a_file(run, write, sms_sandbox, tmp_path):
    """The list's own columns are unchanged, followed by the fate of each row."""
    people = write(A, "555", A, LOST)
    _, _, err = run("bulk", people, "--text", "Hi {phone}", "--yes", "--out", tmp_path / "out.csv")
    header, *lines = table(tmp_path / "out.csv")

    assert f"4 rows are in {tmp_path / 'out.csv'}" in err
    assert ["phone", "name", *EVIDENCE] == header
    assert [A, "n2", "2", "sent", ""] == lines[0][:5]
    assert ["555", "n3", "3", "not_sent", "INVALID_PHONE"] == lines[1][:5]
    assert [A, "n4", "4", "not_sent", "DUPLICATE"] == lines[2][:5]
    assert [LOST, "n5", "5", "unknown", "ANSWER_LOST"] == lines[3][:5]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert ["", "", "2", ""] == [row["duplicate_of"] for row in rows]
    assert ["9999", "", "", "9999"] == [row["credits_after"] for row in rows]
    assert rows[0]["left_at"] < rows[0]["ended_at"]


def test_results_have_the_columns_of_the_library(run, write, sms_sandbox, tmp_path):
    """`bulk --out` adds the same columns as `Campaign.export`."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes", "--out", tmp_path / "ours.csv")

    async def export():
        async with Outbox(f"{people}.sms.db") as outbox:
            await outbox.campaign("people.csv").export(tmp_path / "theirs.csv")

    asyncio.run(export())
    (ours, mine), (theirs, yours) = table(tmp_path / "ours.csv"), table(tmp_path / "theirs.csv")

    assert (["phone", "name"], ["ref", "phone"]) == (ours[:2], theirs[:2])
    assert list(EVIDENCE) == ours[2:] == theirs[2:]
    assert mine[3:] == yours[3:]


def test_results_as_json(run, write, sms_sandbox):
    """`--json` prints one object per row on stdout, and nothing else."""
    status, out, err = run("bulk", write(A, B), *TEXT, "--yes", "--json")
    found = [json.loads(line) for line in out]

    assert Exit.OK == status
    assert [("row-2", "sent"), ("row-3", "sent")] == [(one["ref"], one["status"]) for one in found]
    assert err[-1].startswith("2 sent, ")


def test_export(run, write, sms_sandbox):
    """`export` prints all rows or those of one fate to stdout."""
    people = write(A, LOST)
    run("bulk", people, *TEXT, "--yes")
    status, out, _ = run("export", people, "--only", "unknown")

    assert Exit.OK == status
    assert [["phone", "name", "row", "status"], [LOST, "n3", "3", "unknown"]] == [
        row[:4] for row in csv.reader(out)
    ]
    assert 3 == len(run("export", people)[1])


def test_rows_that_were_added_or_removed_later(run, write, sms_sandbox):
    """New rows have no fate yet, and removed rows are appended to the table."""
    run("bulk", write(A, B, C), *TEXT, "--yes")
    _, out, _ = run("export", write(A, B))
    people = write(A, B, C, "+12025550123")

    assert [A, B, f"'{C}"] == [row[0] for row in csv.reader(out)][1:]
    fates = [row[3] for row in csv.reader(run("export", people)[1])][1:]
    assert ["sent", "sent", "sent", ""] == fates


def test_export_of_an_outbox_without_a_list(run, tmp_path):
    """Without a list, an export has the references and numbers of the campaign."""
    url = tmp_path / "other.db"

    async def fill():
        async with Outbox(url) as outbox:
            messages = [Message(A, "Hi", "=1+1"), Message(B, "Hi", "b"), Message(B, "Ho", "b")]
            await outbox.campaign("mine").add(messages)

    asyncio.run(fill())
    status, out, _ = run("export", "--outbox", url, "--campaign", "mine")

    assert Exit.OK == status
    assert 1 == len(run("export", "--outbox", url, "--campaign", "mine", "--only", "sent")[1])
    assert [["ref", "phone", "row", "status"], ["'=1+1", f"'{A}", "1", "queued"]] == [
        row[:4] for row in csv.reader(out)
    ][:2]
    assert 3 == len(out)


# --- status, pause, resume, resolve ---------------------------------------------------------------


def test_pause_and_resume(run, write, sms_sandbox):
    """A paused list shows the command that continues it."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    _, _, paused = run("pause", people)
    status, out, err = run("bulk", people, *TEXT)

    assert [f"paused; continue with: customersms resume {people}"] == paused
    assert Exit.STOPPED == status
    assert out[0].endswith(", paused")
    assert f"it was paused; customersms resume {people}" in err[-1]
    assert ["it may continue; the same customersms bulk sends the rest"] == run("resume", people)[2]
    assert Exit.OK == run("bulk", people, *TEXT)[0]


def test_a_copy(run, write, sms_sandbox, tmp_path):
    """A copied outbox sends nothing until `resume --moved`."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("people.csv*"):
        (copy / path.name).write_bytes(path.read_bytes())
    people = copy / "people.csv"
    status, _, err = run("bulk", people, *TEXT)

    assert Exit.STOPPED == status
    assert f"customersms resume {people} --moved" in err[-1]
    assert Exit.OK == run("resume", people, "--moved")[0]
    assert Exit.OK == run("bulk", people, *TEXT)[0]


def test_resolve(run, write, sms_sandbox):
    """`resolve` sets the fate of unknown messages."""
    people = write(LOST, A, "+12126660003")
    run("bulk", people, *TEXT, "--yes")
    status, _, err = run("resolve", people, "--sent", "2-3")

    assert (Exit.PARTIAL, "1 row resolved") == (status, err[0])
    assert "left unchanged, since not found or not unknown: row 3" == err[1]
    assert (Exit.OK, ["1 row resolved", SENT_AGAIN]) == run("resolve", people, "--again", "4")[::2]
    _, (line,), _ = run("status", people)
    assert line.startswith("2 sent, 0 rejected, 0 unknown, 0 not sent, 1 waiting")


@pytest.mark.parametrize("chosen", ["all", "ALL", "@{0}.rows", "@{0}.csv", "2-3, 5"])
def test_resolve_many_rows(run, write, sms_sandbox, chosen):
    """Rows can be given as `all`, as ranges, or in a file with rows or an exported table."""
    people = write(LOST, LOST, A, LOST)
    run("bulk", people, *TEXT, "--yes")
    people.with_name("people.csv.rows").write_text("2\n3 , 5-5\n\n")
    run("export", people, "--only", "unknown", "--out", f"{people}.csv")

    assert (Exit.OK, ["3 rows resolved"]) == run(
        "resolve", people, "--sent", chosen.format(people)
    )[::2]
    assert (Exit.OK, ["0 rows resolved"]) == run("resolve", people, "--again", "all")[::2]


def test_resolve_many_rows_that_are_not_unknown(run, write, sms_sandbox):
    """Only some of the rows that are left unchanged are named."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    _, _, err = run("resolve", people, "--sent", "2-30")

    assert err[-1].endswith("row 21 and 9 more")


def test_resolve_without_a_list(run, tmp_path, sms_sandbox):
    """Without a list, rows have the numbers of the export."""
    url, place = tmp_path / "other.db", ("--campaign", "mine")

    async def fill():
        async with Outbox(url) as outbox, CustomerSMS() as sms:
            campaign = outbox.campaign("mine")
            await campaign.add([Message(A, "Hi", "ada"), Message(LOST, "Ho", "bob")])
            await campaign.send(sms)

    asyncio.run(fill())
    _, out, _ = run("export", "--outbox", url, *place, "--only", "unknown")
    row = next(csv.DictReader(out))["row"]

    assert (Exit.OK, ["1 row resolved"]) == run("resolve", "--outbox", url, *place, "--sent", row)[
        ::2
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resolve", "{}"], "name the rows: --sent 17,20-25, or --again 17,20-25"),
        (
            ["resolve", "{}", "--sent", "1", "--again", "2"],
            "name the rows: --sent 17,20-25, or --again 17,20-25",
        ),
        (["resolve", "{}", "--sent", "a"], "rows must be like 17,20-25, or all, or @FILE, not 'a'"),
        (
            ["export", "{}", "--only", "lost"],
            (
                "--only must be one of sent, rejected, not_sent, unknown, queued, claimed, "
                "sending, not 'lost'"
            ),
        ),
        (
            ["status"],
            NAME_ONE,
        ),
        (["status", "--outbox", "{}.db"], "name the campaign as well: --campaign NAME"),
        (
            ["status", "--campaign", "x"],
            NAME_ONE,
        ),
        (["status", "{}"], "nothing of people.csv was sent yet; start with: customersms bulk {}"),
    ],
)
def test_invalid_command_lines(run, write, words, said):
    """The error says what is valid."""
    people = write(A)
    status, _, err = run(*(word.format(people) for word in words))

    assert (Exit.USAGE, f"customersms: {said.format(people)}") == (status, err[0])


@pytest.mark.parametrize("command", ["status", "pause", "resume", "export", "resolve --sent 2"])
def test_an_unknown_campaign(run, write, command, sms_sandbox):
    """A misspelt campaign is an error, and does not count as empty."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    status, _, err = run(*command.split(), "--outbox", f"{people}.sms.db", "--campaign", "peolpe")

    said = "customersms: there is no campaign 'peolpe' in that outbox; --campaign must name one"
    assert (Exit.USAGE, said) == (status, err[0])


def test_a_list_whose_confirmation_was_deleted(run, write, sms_sandbox):
    """The campaign is found by its content; a list without one was not started."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    people.with_name(f"{people.name}.sms.json").unlink()

    assert Exit.OK == run("status", people)[0]
    other = people.with_name("other.csv")
    other.write_bytes(people.read_bytes())
    people.with_name(f"{people.name}.sms.db").rename(f"{other}.sms.db")
    assert Exit.USAGE == run("status", other)[0]


def test_status(run, write, sms_sandbox):
    """`status` prints one line, or JSON; `--watch` ends when nothing is waiting."""
    people = write(A)
    run("bulk", people, *TEXT, "--yes")
    line = run("status", people, "--watch")[1]

    assert ["1 sent, 0 rejected, 0 unknown, 0 not sent, 0 waiting, 9,999 credits left"] == line
    assert 1 == json.loads(run("status", people, "--json")[1][0])["sent"]


def test_test_to_sends_samples_only(run, write, sms_sandbox):
    """`--test-to` sends samples without a confirmation and without starting the list."""
    people = write(A, B)
    status, _out, _ = run("bulk", people, *TEXT, "--test-to", C)

    assert Exit.OK == status
    assert [(C, "Hi n2")] == [(message.phone, message.text) for message in sms_sandbox.messages]
    assert Exit.USAGE == run("status", people)[0]


NOW = {
    "state": "open",
    "queued": 1,
    "claimed": 1,
    "sending": 1,
    "sent": 1_000,
    "rejected": 0,
    "not_sent": 0,
    "unknown": 0,
    "duplicates": 0,
    "requests": 10,
    "credits": None,
    "price": 1.0,
}


def test_a_summary():
    """The summary counts messages in flight separately, and shows the balance if known."""
    line = "1,000 sent, 0 rejected, 0 unknown, 0 not sent, 2 waiting, 1 in flight"

    assert line == summary(CampaignStatus(**NOW))
    assert f"{line}, 0 credits left, cancelled" == summary(
        CampaignStatus(**{**NOW, "credits": 0, "state": "cancelled"})
    )


def test_a_summary_with_abandoned_messages():
    """Messages that a dead run was sending count as unknown."""
    now = CampaignStatus(**{**NOW, "sending": 8, "abandoned": 7})

    assert "1,000 sent, 0 rejected, 7 unknown, 0 not sent, 2 waiting, 1 in flight" == summary(now)


@pytest.mark.virtual_time
async def test_progress_is_printed_once_a_minute(capsys):
    """Without a terminal, progress is printed once a minute."""

    class Campaign:
        async def status(self):
            return CampaignStatus(**NOW)

    async with shown(Campaign()):
        await asyncio.sleep(150)

    assert 2 == capsys.readouterr().err.count("1,000 sent, 0 rejected, 0 unknown")


def test_watching(write, run, sms_sandbox):
    """`status --watch` prints lines as long as something is waiting."""
    sms_sandbox.set_faults(latency="1")
    people = write(A, B)
    sending = start(people, sms_sandbox)
    wait_for((people.parent / "people.csv.sms.json").exists)
    wait_for(lambda: sms_sandbox.requests)
    _, out, _ = run("status", people, "--watch")
    sending.communicate()

    assert 1 < len(out)
    assert out[-1].startswith("2 sent, 0 rejected, 0 unknown, 0 not sent, 0 waiting")


# --- Interruptions --------------------------------------------------------------------------------


def test_kill(run, write, sms_sandbox):
    """After `kill -9` the same command continues, and everyone gets one message."""
    sms_sandbox.set_faults(latency="uniform(0, 0.2)")
    people = write(*numbers(24))
    for _ in range(2):
        before = len(sms_sandbox.messages)
        process = start(people, sms_sandbox)
        wait_for(lambda before=before: len(sms_sandbox.messages) > before + 2)
        process.kill()
        process.communicate()
        run("resume", people)
    sms_sandbox.clear_faults()
    time.sleep(0.5)
    run("bulk", people, *TEXT)
    rows = list(csv.reader(run("export", people)[1]))[1:]
    unknown = {row[0] for row in rows if row[3] == "unknown"}
    sent = [message.phone for message in sms_sandbox.messages]

    assert {"sent", "unknown"} >= {row[3] for row in rows}
    assert len(sent) == len(set(sent))
    assert set(numbers(24)) == set(sent) | unknown


def test_status_after_kill(run, write, sms_sandbox):
    """`status` shows messages in flight, and that their process has died."""
    sms_sandbox.set_faults(latency="60")
    people = write(*numbers(3))
    process = start(people, sms_sandbox)
    wait_for(lambda: sms_sandbox.messages)
    alive = run("status", people)
    process.kill()
    process.communicate()
    dead = run("status", people)
    sms_sandbox.clear_faults()

    assert (["0 sent, 0 rejected, 0 unknown, 0 not sent, 2 waiting, 1 in flight"], []) == alive[1:]
    assert ["0 sent, 0 rejected, 1 unknown, 0 not sent, 2 waiting"] == dead[1]
    assert ["left in flight by a process that has died: 1, counted as unknown"] == dead[2]


def read_all(terminal, then=None, when=b""):
    """Read until the terminal is closed; or until *when*, and then call *then*."""
    seen = b""
    while True:
        try:
            seen += os.read(terminal, 1000)
        except OSError:  # the other end was closed
            os.close(terminal)
            return seen
        if then is not None and when in seen:
            then()
            return seen


def test_a_progress_bar_on_a_terminal(write, sms_sandbox):
    """While a run lasts, its progress is shown on stderr."""
    sms_sandbox.set_faults(latency="0.3")
    ours, theirs = os.openpty()
    process = start(write(A, REJECTED), sms_sandbox, stderr=theirs)
    os.close(theirs)
    seen = read_all(ours)
    out, _ = process.communicate()

    assert b" of 2," in seen
    assert out.startswith("1 sent, 1 rejected, ")


def test_pauses_and_unknowns_beside_the_progress_bar(sms_sandbox, tmp_path):
    """The bar shows that a list is paused, and how many are unknown."""
    people = tmp_path / "people.csv"
    people.write_text(f"phone,name\n{LOST},Anna\n{A},Bob\n{B},Cy\n")
    sms_sandbox.set_faults(latency="1")
    ours, theirs = os.openpty()
    process = start(people, sms_sandbox, stderr=theirs)
    os.close(theirs)
    shown_there = read_all(ours, lambda: main(["pause", str(people)]), when=b"1 of 3")
    shown_there += read_all(ours, lambda: process.send_signal(signal.SIGINT), when=b"paused")
    shown_there += read_all(ours)
    process.communicate()

    assert b"1 unknown" in shown_there
    assert b"paused" in shown_there


def test_a_worker(sms_sandbox, tmp_path):
    """`worker` sends what an application has enqueued, and ends at Ctrl-C."""
    url = tmp_path / "queue.db"
    command = (sys.executable, "-m", "customersms_async", "worker", "--outbox", str(url))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert "sending what is enqueued; Ctrl-C stops it\n" == process.stderr.readline()
    with sqlite3.connect(url) as connection:
        enqueue(connection, Message(A, "Your table is ready", ref="order-7"))
    connection.close()
    wait_for(lambda: sms_sandbox.messages)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert (0, "stopping; waiting for requests in flight\n") == (process.returncode, err)
    assert [(A, "Your table is ready")] == [(m.phone, m.text) for m in sms_sandbox.messages]
