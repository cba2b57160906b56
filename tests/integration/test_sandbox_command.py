"""The sandbox from the command line."""

import asyncio
import json
import signal
import sys
import urllib.request

import pytest

from customersms_async.sandbox.__main__ import main

COMMAND = (sys.executable, "-m", "customersms_async.sandbox")


async def test_it_serves_until_it_is_interrupted():
    """It prints its address and two variables that point an application at it, and serves."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--port", "0", "--key", "cspro_mine", "--credits", "3", "--limit", "1"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(6)]
    variables = dict(line.removeprefix("export ").split("=", 1) for line in lines[4:])
    body = {"api_key": variables["CUSTOMERSMS_API_KEY"], "phone": "+12125551234", "message": "Hi"}

    answer = await asyncio.to_thread(post, variables["CUSTOMERSMS_ENDPOINT"], body)
    process.send_signal(signal.SIGINT)
    await process.communicate()

    assert "http://127.0.0.1:" in lines[0]
    assert 2 == answer["remaining_credits"]
    assert 0 == process.returncode


def post(address: str, body: dict[str, str]) -> dict[str, object]:
    with urllib.request.urlopen(address, json.dumps(body).encode(), timeout=5) as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--credits", "-1"], 2, "at least 0, not -1"),
        (["--port", "70000"], 2, "0 to 65535, not 70000"),
        (["--host", "192.0.2.1"], 1, "192.0.2.1"),
    ],
)
def test_options_that_cannot_be(capsys, arguments, status, said):
    """A nonsense option or an address that cannot be had ends it with one line, no traceback."""
    assert status == main(arguments)

    error = capsys.readouterr().err
    assert said in error
    assert 1 == error.count("\n")


def test_help(capsys):
    """The help names every option with its default."""
    with pytest.raises(SystemExit):
        main(["--help"])

    assert "8025" in capsys.readouterr().out
