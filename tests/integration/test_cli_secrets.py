"""The command never shows its key, and says what will cost money before sending."""

import shutil
import subprocess

import pytest

from customersms_async.cli import main
from customersms_async.cli.exits import Exit
from tests.support.commands import in_a_process, numbers, start, wait_for


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home directory, in which all files are searched afterwards."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


def write(folder, *phones):
    path = folder / "people.csv"
    rows = (f"{phone},n{number}\n" for number, phone in enumerate(phones, 2))
    path.write_text("phone,name\n" + "".join(rows))
    return path


def is_shown_in(content, key):
    """Whether a text contains the key, literally or encoded."""
    found = content if isinstance(content, bytes) else content.encode()
    return any(
        form in found.lower() for form in (key.lower().encode(), key.encode().hex().encode())
    )


def processes():
    """Return the command lines of all processes, which every user can see."""
    command = ["ps", "-eww", "-o", "args"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_the_search_finds_keys():
    """The search finds the key in each encoding."""
    assert is_shown_in("Bearer cspro_Canary42", "cspro_Canary42")
    assert is_shown_in(b"cspro_Canary42".hex(), "cspro_Canary42")
    assert not is_shown_in("cspro_", "cspro_Canary42")


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps")
def test_the_key_appears_nowhere(home, sms_sandbox):
    """The key is in no command line, file or output."""
    sms_sandbox.set_faults(latency="1")
    people = write(home, "+12126660001", "+12126660002", *numbers(3), "call me")
    process = start(people, sms_sandbox, "--out", str(home / "out.csv"))
    wait_for(lambda: sms_sandbox.requests)
    seen = [processes(), *process.communicate(timeout=60)]
    sms_sandbox.clear_faults()
    for words in (
        ("status", people, "--json"),
        ("export", people),
        ("bulk", people, "--text", "Ho"),
        ("bulk", people, "--text", "Hi {name}", "--json"),
        ("send", "+12126660001", "--text", "Hi", "--json"),
        ("--help",),
    ):
        done = in_a_process(*words)
        seen += [done.stdout, done.stderr]
    files = [path for path in home.rglob("*") if path.is_file()]

    assert "bulk" in seen[0]
    assert [] == [text for text in seen if is_shown_in(text, sms_sandbox.key)]
    assert {"people.csv.sms.db", "people.csv.sms.json", "out.csv", "limit.db"} <= {
        path.name for path in files
    }
    assert [] == [path for path in files if is_shown_in(path.read_bytes(), sms_sandbox.key)]


@pytest.mark.parametrize("option", ["--key", "--api-key"])
def test_there_is_no_option_for_the_key(sms_sandbox, capsys, option):
    """A key as an option is refused, so that no shell history contains it."""
    status = main(["send", "+12125551234", "--text", "Hi", option, sms_sandbox.key])
    shown = "".join(capsys.readouterr())

    assert Exit.USAGE == status
    assert not is_shown_in(shown, sms_sandbox.key)
    assert 0 == len(sms_sandbox.requests)


# --- Costs --------------------------------------------------------------------------------------


def test_the_real_gateway_is_announced_first(home, monkeypatch):
    """Without an endpoint, `bulk` says how many messages will cost money, then prompts."""
    monkeypatch.delenv("CUSTOMERSMS_ENDPOINT", raising=False)
    monkeypatch.delenv("CUSTOMERSMS_API_KEY", raising=False)
    people = write(home, *numbers(3), "call me")
    done = in_a_process("bulk", people, "--text", "Hi {name}")
    lines = done.stderr.splitlines()

    assert (Exit.USAGE, "") == (done.returncode, done.stdout)
    assert "customersms.pro is a real gateway: 3 messages will cost money." == lines[-2]
    assert "there is no terminal to confirm on; use --yes, or --confirm " in lines[-1]
    assert not people.with_name("people.csv.sms.db").exists()


def test_the_cost_of_a_continued_list(home, sms_sandbox, capsys):
    """A continued list shows how many messages are left to be paid for."""
    words = ["bulk", str(write(home, *numbers(3))), "--text", "Hi {name}", "--yes"]
    assert Exit.STOPPED == main([*words, "--max-credits", "1"])
    capsys.readouterr()
    status = main([*words, "--endpoint", "https://gateway.invalid/api"])
    lines = capsys.readouterr().err.splitlines()

    assert Exit.STOPPED == status  # held for another gateway, so nothing is sent
    assert "gateway.invalid is a real gateway: 2 messages will cost money." in lines
