"""The command never shows its key, and says what will be paid before anything leaves."""

import shutil
import subprocess

import pytest

from customersms_async.cli import main
from customersms_async.cli.exits import Exit
from tests.support.commands import in_a_process, numbers, start, wait_for


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, in which everything is searched that a command leaves behind."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


def write(folder, *phones):
    path = folder / "people.csv"
    rows = (f"{phone},n{number}\n" for number, phone in enumerate(phones, 2))
    path.write_text("phone,name\n" + "".join(rows))
    return path


def is_shown_in(content, key):
    """Whether the key stands there, as it is or as a program might have written it."""
    found = content if isinstance(content, bytes) else content.encode()
    return any(
        form in found.lower() for form in (key.lower().encode(), key.encode().hex().encode())
    )


def processes():
    """What everyone on this machine sees of all processes: their command lines."""
    command = ["ps", "-eww", "-o", "args"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_the_net_has_no_holes():
    """What is searched for is found."""
    assert is_shown_in("Bearer cspro_Canary42", "cspro_Canary42")
    assert is_shown_in(b"cspro_Canary42".hex(), "cspro_Canary42")
    assert not is_shown_in("cspro_", "cspro_Canary42")


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps")
def test_the_key_is_nowhere(home, sms_sandbox):
    """Neither in the list of processes, nor in a file, nor in anything that a command says."""
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
def test_the_key_is_no_option(sms_sandbox, capsys, option):
    """So that no shell keeps it in its history: who tries it is refused."""
    status = main(["send", "+12125551234", "--text", "Hi", option, sms_sandbox.key])
    shown = "".join(capsys.readouterr())

    assert Exit.USAGE == status
    assert not is_shown_in(shown, sms_sandbox.key)
    assert 0 == len(sms_sandbox.requests)


# --- What will be paid ----------------------------------------------------------------------------


def test_the_real_gateway_is_named_before_anything_leaves(home, monkeypatch):
    """With no endpoint set, `bulk` says how many messages will be paid for, and then asks."""
    monkeypatch.delenv("CUSTOMERSMS_ENDPOINT", raising=False)
    monkeypatch.delenv("CUSTOMERSMS_API_KEY", raising=False)
    people = write(home, *numbers(3), "call me")
    done = in_a_process("bulk", people, "--text", "Hi {name}")
    lines = done.stderr.splitlines()

    assert (Exit.USAGE, "") == (done.returncode, done.stdout)
    assert "customersms.pro is a real gateway: 3 messages will cost money." == lines[-2]
    assert "there is no terminal to confirm on; use --yes, or --confirm " in lines[-1]
    assert not people.with_name("people.csv.sms.db").exists()


def test_what_is_left_is_what_will_be_paid(home, sms_sandbox, capsys):
    """A list that goes on says how many of its messages are left."""
    words = ["bulk", str(write(home, *numbers(3))), "--text", "Hi {name}", "--yes"]
    assert Exit.STOPPED == main([*words, "--max-credits", "1"])
    capsys.readouterr()
    status = main([*words, "--endpoint", "https://gateway.invalid/api"])
    lines = capsys.readouterr().err.splitlines()

    assert Exit.STOPPED == status  # it is bound to the other gateway, so that nothing leaves
    assert "gateway.invalid is a real gateway: 2 messages will cost money." in lines
