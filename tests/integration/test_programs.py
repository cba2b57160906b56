"""Plain programs that make the documented calls, against the sandbox."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[1] / "programs"
PHONES = ("+12125551234", "+13235554567")


def has_curl_extension(php: str) -> bool:
    """Whether PHP has its curl extension."""
    modules = subprocess.run([php, "-m"], capture_output=True, check=False, text=True).stdout
    return "curl" in modules.splitlines()


def interpreter(program: str) -> list[str]:
    """Find the interpreter of a program, or skip the test if there is none."""
    names = {"py": sys.executable, "mjs": "node", "php": "php", "sh": "sh"}
    suffix = program.partition(".")[2]
    found = shutil.which(names[suffix])
    if found is None or (suffix == "sh" and shutil.which("curl") is None):
        pytest.skip(f"nothing on this machine runs {program}")
    if suffix == "php" and not has_curl_extension(found):
        pytest.skip("this PHP has no curl extension")
    return [found]


@pytest.mark.parametrize("program", sorted(path.name for path in PROGRAMS.glob("send.*")))
def test_a_program(sms_sandbox, program):
    """Each form of `phone` (one number, comma-separated, array) is answered as documented."""
    sms_sandbox.credits = 100
    done = subprocess.run(
        [*interpreter(program), str(PROGRAMS / program)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert (0, "") == (done.returncode, done.stderr)
    answers = [json.loads(line.removeprefix("200 ")) for line in done.stdout.splitlines()]
    first = sms_sandbox.messages[0].number

    assert [documented(PHONES[:1], first, 99), documented(PHONES, first + 1, 97)] == answers[:2]
    assert documented(PHONES, first + 3, 95) == answers[2]
    assert [*PHONES[:1], *PHONES, *PHONES] == [message.phone for message in sms_sandbox.messages]
    assert {"Your code is 4711"} == {message.text for message in sms_sandbox.messages}


def documented(phones: tuple[str, ...], first: int, remaining: int) -> dict[str, object]:
    """Return the documented answer for *phones*."""
    return {
        "success": True,
        "message": "SMS sending completed",
        "total_numbers": len(phones),
        "successful_sends": len(phones),
        "failed_sends": 0,
        "remaining_credits": remaining,
        "results": [
            {"phone": phone, "success": True, "message_id": f"msg_{n}"}
            for n, phone in enumerate(phones, first)
        ],
    }
