"""How a command ends: exit statuses with their messages, and Ctrl-C once and twice."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from customersms_async import Message
from customersms_async.cli.exits import Exit
from customersms_async.outbox import enqueue
from tests.support.commands import numbers, start, wait_for

A, B = "+12125551234", "+13235554567"
TEXT = ("--text", "Hi {name}")


pytestmark = pytest.mark.usefixtures("memory_of_the_limit")


@pytest.fixture
def people(tmp_path):
    """Write a list of two."""
    return write(tmp_path, A, B)


def write(folder, *phones):
    path = folder / "people.csv"
    rows = (f"{phone},n{number}\n" for number, phone in enumerate(phones, 2))
    path.write_text("phone,name\n" + "".join(rows))
    return path


# --- 1: something failed before anything was sent -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("people.csv.sms.json", "{", "is damaged; delete it, and confirm the list again"),
        ("people.csv.sms.json", "[]", "is damaged; delete it, and confirm the list again"),
        (
            "people.csv.sms.json",
            '{"people.csv": {}}',
            "is damaged; delete it, and confirm the list again",
        ),
        ("people.csv.sms.db", "no database" * 99, "the outbox's database file "),
    ],
)
@pytest.mark.usefixtures("sms_sandbox")
def test_damaged_files_beside_the_list(run, people, name, content, said):
    """The error names the file and what to do."""
    people.with_name(name).write_text(content)
    status, out, err = run("bulk", people, *TEXT, "--yes")

    assert (Exit.ERROR, []) == (status, out)
    assert said in err[-1]


def test_a_key_file_without_a_key(run, people, sms_sandbox):
    """The content of the file is not shown."""
    key = people.with_name("key")
    key.write_bytes(b"cspro_\xff\xfe")
    status, _, err = run("bulk", people, *TEXT, "--yes", "--key-file", key)

    assert Exit.ERROR == status
    assert (
        "customersms: api_key must be printable ASCII without spaces or line breaks; "
        "use the key as the gateway shows it"
    ) == err[-1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_key_file_of_any_editor(run, people, sms_sandbox, encoding):
    """A byte-order mark and a line break in a key file are ignored."""
    key = people.with_name("key")
    key.write_text(f"{sms_sandbox.key}\r\n", encoding=encoding)

    assert Exit.OK == run("send", A, "--text", "Hi", "--key-file", key)[0]


@pytest.mark.parametrize("key_file", [None, "nowhere"])
def test_a_status_without_a_usable_key(run, people, sms_sandbox, monkeypatch, key_file):
    """`status` needs no key, and does not end because of a bad one."""
    run("bulk", people, *TEXT, "--yes", "--until", "2020-01-01T00:00")
    monkeypatch.delenv("CUSTOMERSMS_API_KEY")
    options = [] if key_file is None else ["--key-file", people.with_name(key_file)]

    status, out, _ = run("status", people, *options)

    assert Exit.OK == status
    assert "2 waiting" in out[0]


def test_an_invalid_endpoint(run, people):
    """An invalid endpoint is refused before the list counts as confirmed."""
    status, _, err = run("bulk", people, *TEXT, "--yes", "--endpoint", "nonsense")

    assert Exit.ERROR == status
    assert err[-1].startswith("customersms: endpoint must be a URL like https://host/path")
    assert not people.with_name("people.csv.sms.json").exists()


def test_a_missing_key_file(run, people):
    """The error names the file in the package's own words."""
    nowhere = people.with_name("nowhere")

    assert (Exit.ERROR, [], [f"customersms: {nowhere}: there is no such file"]) == run(
        "check", people, "--text-file", nowhere
    )


# --- 2: invalid command line ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--batch-size", "0"), "Must be >= 1"),
        (("--max-credits", "0"), "Must be >= 1"),
        (("--delimiter", "xx"), "--delimiter must be one character, like ';', or tab, not 'xx'"),
        (("--delimiter", '"'), "--delimiter must be one character"),
        (("--text-file", "{}"), "use --text or --text-file, not both"),
        (("--hours", "8-21"), "--hours must be like 08:00-21:00, not '8-21'"),
        (("--hours", "25:00-26:00"), "--hours "),
        (("--hours", "08:00-21:00 Europe/Nowhere"), "--hours "),
        (("--until", "soon"), "--until must be like 2026-12-24T20:00, not 'soon'"),
        (("--out", "{}"), "--out would overwrite {}; choose another name"),
        (("--out", "{}.sms.db"), "--out would overwrite {}.sms.db; choose another name"),
        (("--out", "{}/.."), "is a folder; name a file"),
        (("--out", "{}.d/out.csv"), "is in {}.d, which is not a folder; name a file"),
        (("--campaign", "x" * 999), "--campaign: name must be a text of 1 to 200 characters"),
    ],
)
def test_invalid_options(run, people, sms_sandbox, options, said):
    """Invalid options are refused before anything is sent."""
    people.with_name("people.csv.sms.db").touch()
    words = [option.format(people.parent if option == "{}/.." else people) for option in options]
    status, out, err = run("bulk", people, *TEXT, "--yes", *words)

    assert (Exit.USAGE, []) == (status, out)
    assert said.format(people) in re.sub(r"[\s│]+", " ", " ".join(err))
    assert 0 == len(sms_sandbox.requests)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("resolve", "{}", "--sent", "20-17"),
            "rows must be like 17,20-25, or all, or @FILE, not '20-17'",
        ),
        (
            ("resolve", "{}", "--sent", "@{}"),
            "rows must be like 17,20-25, or all, or @FILE, not the contents of {}",
        ),
        (("export", "{}", "--out", "{}"), "--out would overwrite {}; choose another name"),
        (("status", "{}"), "nothing of people.csv was sent yet; start with: customersms bulk {}"),
    ],
)
def test_nothing_is_created_by_looking(run, people, words, said):
    """A command that fails creates no file."""
    status, _, err = run(*(word.format(people) for word in words))

    assert (Exit.USAGE, [f"customersms: {said.format(people)}"]) == (status, err)
    assert [people] == list(people.parent.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("status", "{}.none"),
        ("status", "--outbox", "{}.none", "--campaign", "a"),
        ("status", "--outbox", "sqlite:///{}.none", "--campaign", "a"),
        ("check", "{}.none"),
        ("bulk", "{}.none", *TEXT),
        ("resolve", "{}", "--sent", "@{}.none"),
    ],
)
def test_a_missing_file(run, people, words):
    """The error and the exit status are the same for every command."""
    status, _, err = run(*(word.format(people, name="{name}") for word in words))

    assert (Exit.ERROR, [f"customersms: {people}.none: there is no such file"]) == (status, err)
    assert [people] == list(people.parent.iterdir())


@pytest.mark.parametrize("written", ["tab", "\\t", "\t"])
def test_a_tab_as_delimiter(run, tmp_path, written):
    """A tab can be given by name, as an escape sequence, or literally."""
    (tmp_path / "people").write_text(f"phone\tname\n{A}\tA;n;n;a\n")
    status, out, _ = run("check", tmp_path / "people", *TEXT, "--delimiter", written)

    assert (Exit.OK, "    Hi A;n;n;a") == (status, out[5])


# --- 4: the gateway refused the key; 6: the run was stopped ---------------------------------------


def test_a_wrong_key_ends_it_at_the_first_answer(run, people, sms_sandbox, tmp_path, request):
    """With a wrong key and 30 numbers, one request is made."""
    (tmp_path / "key").write_text("cspro_nobody\n")
    write(tmp_path, *numbers(30))
    thread = request.getfixturevalue("_sms_sandbox_thread")
    before = thread.call(lambda: len(thread.sandbox.requests))  # from wrong keys of other tests
    status, _, err = run("bulk", people, *TEXT, "--yes", "--key-file", tmp_path / "key")
    arrived = thread.call(lambda: len(thread.sandbox.requests)) - before
    thread.call(lambda: thread.sandbox.clear("cspro_nobody"))

    assert Exit.KEY == status
    assert (
        "stopped: INVALID_API_KEY: the gateway refused the key; set the right one, "
        "then run the same command again"
    ) == err[-1]
    assert 1 == arrived


@pytest.mark.parametrize(
    ("fault", "said"), [("answer-lost", "TOO_MANY_UNKNOWN"), ("refuse", "MESSAGE_BLOCKED")]
)
def test_too_many_failures_in_a_row(run, tmp_path, sms_sandbox, fault, said):
    """A run stops after three failed requests in a row, and the rest stays queued."""
    people = write(tmp_path, *numbers(30))
    sms_sandbox.set_faults(standing=fault)
    status, _, err = run("bulk", people, *TEXT, "--yes")
    sms_sandbox.clear_faults()

    assert Exit.STOPPED == status
    assert any(line.startswith(f"stopped: {said}: ") for line in err)
    assert 6 > len(sms_sandbox.requests)


# --- 5: some fates are unknown --------------------------------------------------------------------


def test_unknown_says_where_to_look(run, tmp_path, sms_sandbox):
    """The command that lists unknown messages is shown below the counts."""
    people = write(tmp_path, "+12126660002")
    status, _, err = run("bulk", people, *TEXT, "--yes")

    assert Exit.UNKNOWN == status
    assert (
        "the unknown may or may not have been sent; list them: "
        f"customersms export {people} --only unknown"
    ) == err[-1]


# --- 7: the confirmation does not match -----------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("the list", TEXT),
        ("the text", ("--text", "Ho {name}")),
        ("the opt-out list", (*TEXT, "--skip", "{}.stop")),
        ("the options", (*TEXT, "--batch-size", "7")),
        ("the text and the options", ("--text", "Ho", "--phone", "phone")),
    ],
)
def test_changes_since_the_confirmation_are_named(run, people, sms_sandbox, what, options):
    """Nothing is sent, and the error names what has changed."""
    run("bulk", people, *TEXT, "--yes")
    people.with_name("people.csv.stop").write_text(f"{A}\n")
    if what == "the list":
        write(people.parent, A, B, "+12125550123")
    words = [option.format(people) if option.endswith(".stop") else option for option in options]
    status, out, err = run("bulk", people, *words, "--yes")

    assert (Exit.CHANGED, []) == (status, out)
    assert err[-1].startswith(f"customersms: since it was confirmed, changed: {what}; ")
    assert 2 == len(sms_sandbox.messages)


def test_a_wrong_token(run, people, sms_sandbox):
    """A token for something else confirms nothing."""
    status, _, err = run("bulk", people, *TEXT, "--confirm", "00000000")

    assert Exit.CHANGED == status
    assert "00000000 confirms another list, text or options than these" in err[-1]
    assert 0 == len(sms_sandbox.requests)


# --- 130: interrupted -----------------------------------------------------------------------------


def test_the_first_ctrl_c(run, tmp_path, sms_sandbox):
    """The notice says how many answers are awaited and for how long; the command continues."""
    sms_sandbox.set_faults(latency="1")
    people = write(tmp_path, *numbers(12))
    process = start(people, sms_sandbox)
    wait_for(lambda: sms_sandbox.messages)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    sms_sandbox.clear_faults()

    assert Exit.INTERRUPTED == process.returncode
    assert re.search(
        r"^waiting for 1 answer, up to \d\d s; Ctrl-C again gives up \(1 unknown\)$",
        err,
        re.MULTILINE,
    )
    assert f"interrupted; continue with the same command: customersms bulk {people} ..." in err
    assert ", 0 unknown, " in out
    assert Exit.OK == run("bulk", people, *TEXT)[0]
    assert sorted(numbers(12)) == sorted(message.phone for message in sms_sandbox.messages)


def test_the_second_ctrl_c(run, tmp_path, sms_sandbox):
    """The second Ctrl-C ends at once; requests without an answer are unknown and not repeated."""
    sms_sandbox.set_faults(latency="60")
    people = write(tmp_path, *numbers(12))
    process = start(people, sms_sandbox)
    wait_for(lambda: sms_sandbox.messages)
    process.send_signal(signal.SIGINT)
    while "waiting for 1 answer" not in process.stderr.readline():
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    took = time.monotonic() - began
    sms_sandbox.clear_faults()

    assert Exit.INTERRUPTED == process.returncode
    assert 10 > took
    assert out.startswith("0 sent, 0 rejected, 1 unknown, 0 not sent, 11 waiting")
    assert Exit.UNKNOWN == run("bulk", people, *TEXT)[0]
    assert sorted(numbers(12)) == sorted(message.phone for message in sms_sandbox.messages)


def test_a_terminal_that_is_closed(run, tmp_path, sms_sandbox):
    """After the terminal was closed, answers are still awaited and nothing is unknown."""
    sms_sandbox.set_faults(latency="1")
    people = write(tmp_path, *numbers(12))
    ours, theirs = os.openpty()
    process = start(people, sms_sandbox, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    wait_for(lambda: sms_sandbox.messages)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    process.wait(30)
    sms_sandbox.clear_faults()
    _, out, _ = run("status", people)

    assert out[0].startswith("1 sent, 0 rejected, 0 unknown, 0 not sent, 11 waiting")
    assert Exit.OK == run("bulk", people, *TEXT)[0]
    assert sorted(numbers(12)) == sorted(message.phone for message in sms_sandbox.messages)


def test_a_closed_stderr(tmp_path, sms_sandbox):
    """A run continues if the reader of its stderr, such as ``head``, has ended."""
    process = start(write(tmp_path, *numbers(12)), sms_sandbox)
    process.stderr.readline()
    process.stderr.close()
    out = process.stdout.read()
    process.stdout.close()

    assert Exit.OK == process.wait(30)
    assert out.startswith("12 sent, ")


@pytest.mark.parametrize("command", ["send", "bulk", "worker"])
def test_ctrl_c_at_the_prompt_for_the_key(people, command):
    """Ctrl-C ends a command that asks for the key."""
    words = {
        "send": ("send", A, "--text", "Hi"),
        "bulk": ("bulk", people, *TEXT, "--yes"),
        "worker": ("worker", "--outbox", people.with_name("queue.db")),
    }[command]
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "customersms_async", *map(str, words)],
        env={
            **os.environ,
            "CUSTOMERSMS_API_KEY": "",
            "CUSTOMERSMS_ENDPOINT": "http://127.0.0.1:9/",
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"API key: " not in shown:
            shown += os.read(ours, 1000)
        process.send_signal(signal.SIGINT)
        timer = threading.Timer(10, process.kill)
        timer.start()
        process.wait()
        timer.cancel()
    os.close(ours)

    assert Exit.INTERRUPTED == process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup(tmp_path, sms_sandbox, number):
    """SIGTERM and SIGHUP have the effect of Ctrl-C."""
    sms_sandbox.set_faults(latency="1")
    process = start(write(tmp_path, *numbers(12)), sms_sandbox)
    wait_for(lambda: sms_sandbox.messages)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert Exit.INTERRUPTED == process.returncode
    assert "waiting for 1 answer, up to " in err
    assert out.startswith("1 sent, ")


def test_ctrl_c_before_anything_is_sent(run, people, sms_sandbox):
    """Ctrl-C ends a command that waits for a locked outbox."""
    run("bulk", people, *TEXT, "--yes")
    with contextlib.closing(sqlite3.connect(f"{people}.sms.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        status, out, err = run("bulk", people, *TEXT)
        timer.join()

    assert (Exit.INTERRUPTED, []) == (status, out)
    assert err[-1].startswith("interrupted; continue with the same command: ")
    assert 2 == len(sms_sandbox.messages)


def test_results_that_cannot_be_written(run, people, sms_sandbox):
    """Messages stay sent; the error says how to export the results."""
    people.with_name(".out.csv.part").mkdir()
    status, out, err = run("bulk", people, *TEXT, "--yes", "--out", people.with_name("out.csv"))

    assert Exit.ERROR == status
    assert out[0].startswith("2 sent, ")
    told = (
        f"{people.with_name('out.csv')}: Is a directory; write the results by: customersms export"
    )
    assert f"customersms: {told} {people} --out FILE" == err[-1]
    assert 2 == len(sms_sandbox.messages)


def test_a_folder_that_cannot_be_written_to(run, people, sms_sandbox):
    """Nothing is sent, and the error names the file that cannot be created."""
    people.with_name(".people.csv.sms.json.part").mkdir()
    status, _, err = run("bulk", people, *TEXT, "--yes")

    assert Exit.ERROR == status
    assert (
        f"customersms: {people.parent} cannot be written to (Is a directory), and what was sent is "
        "recorded beside the list; copy it to another folder"
    ) == err[-1]
    assert 0 == len(sms_sandbox.requests)


def start_command(sandbox, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "customersms_async", *words],
        env={
            **os.environ,
            "CUSTOMERSMS_API_KEY": sandbox.key,
            "CUSTOMERSMS_ENDPOINT": sandbox.endpoint,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_during_a_single_message(sms_sandbox, times):
    """The first Ctrl-C waits and prints the fate; the second does not wait."""
    sms_sandbox.set_faults(latency="2" if times == 1 else "60")
    process = start_command(sms_sandbox, "send", A, "--text", "Hi", "--timeout", "70")
    wait_for(lambda: sms_sandbox.messages)
    process.send_signal(signal.SIGINT)
    first = process.stderr.readline()
    if times == 2:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    sms_sandbox.clear_faults()

    assert "waiting for requests in flight; Ctrl-C again gives up\n" == first
    assert (Exit.INTERRUPTED, "") == (process.returncode, out)
    assert ("sent" if times == 1 else "unknown") in err
    assert A not in err


def test_ctrl_c_twice_in_a_worker(sms_sandbox, tmp_path):
    """A worker ends at once, with the exit status of an interrupt."""
    url = tmp_path / "queue.db"
    sms_sandbox.set_faults(latency="60")
    process = start_command(sms_sandbox, "worker", "--outbox", str(url))
    process.stderr.readline()
    with sqlite3.connect(url) as connection:
        enqueue(connection, Message(A, "Hi", ref="order-7"))
    connection.close()
    wait_for(lambda: sms_sandbox.messages)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    process.communicate(timeout=20)
    sms_sandbox.clear_faults()

    assert Exit.INTERRUPTED == process.returncode
