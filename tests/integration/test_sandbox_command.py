"""The command that runs the sandbox."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator

import pytest

from customersms_async.sandbox.__main__ import main

COMMAND = (sys.executable, "-m", "customersms_async.sandbox")


@contextlib.asynccontextmanager
async def served(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """Run the command on a free port, and yield the process and the lines that it prints."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--port", "0", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, [(await process.stdout.readline()).decode().strip() for _ in range(6)]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()  # which ends it in an orderly way
        await process.communicate()


def variables(lines: list[str]) -> dict[str, str]:
    """Parse the two variables as a shell would."""
    return dict(line.removeprefix("export ").split("=", 1) for line in lines[4:])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_a_signal(ending):
    """It prints its URLs and two variables for the application, and runs until a signal."""
    options = ("--key", "cspro_mine", "--credits", "3", "--limit", "1")
    async with served(*options) as (process, lines):
        found = variables(lines)
        body = {"api_key": found["CUSTOMERSMS_API_KEY"], "phone": "+12125551234", "message": "Hi"}
        answer = await asyncio.to_thread(post, found["CUSTOMERSMS_ENDPOINT"], body)
        process.send_signal(ending)
        await process.communicate()

    url = lines[0].split()[4]
    assert url.startswith("http://127.0.0.1:")
    assert [f"Inbox  {url}/", f"Help   {url}/_sandbox/", ""] == lines[1:4]
    assert {
        "CUSTOMERSMS_API_KEY": "cspro_mine",
        "CUSTOMERSMS_ENDPOINT": f"{url}/sms_system/api.php",
    } == found
    assert (2, 0) == (answer["remaining_credits"], process.returncode)


def test_a_port_that_is_in_use(capsys):
    """The error says what to do, in the package's own words."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        status = main(["--port", str(port)])

    said = f"port {port} is in use; choose another with --port, or a free one with --port 0\n"
    assert (1, said) == (status, capsys.readouterr().err)


async def test_a_price_by_segment():
    """A price of one credit per segment can be set."""
    async with served("--price", "segment", "--key", "cspro_one=9") as (_, lines):
        url = lines[0].split()[4]
        body = {"api_key": "cspro_one", "phone": "+12125551234", "message": "a" * 307}
        answer = await asyncio.to_thread(post, f"{url}/api.php", body)

    assert 9 - 3 == answer["remaining_credits"]


async def test_every_option_has_an_effect():
    """Accounts, price, limit and faults are those of the command line."""
    options = [
        *("--key", "cspro_one", "--key", "cspro_two=50", "--credits", "9", "--price", "2"),
        *("--limit", "5", "--per", "30", "--rule", "gcra", "--burst", "3"),
        *("--rate-refusal", "http-503", "--retry-after", "date", "--allow-host", "sms"),
        *("--script", "500, ok*2", "--standing", "html", "--latency", "uniform(0, 0.001)"),
        *("--probability", "bom=0.25", "--probability", "empty=0.5", "--seed", "7"),
    ]
    async with served(*options) as (_, lines):
        status = await asyncio.to_thread(get, f"{lines[0].split()[4]}/_sandbox/status")

    assert [9, 50] == [account["credits"] for account in status["accounts"]]
    assert {
        "account": None,
        "script": ["http-500", "ok", "ok"],
        "standing": "html",
        "probabilities": {"bom": 0.25, "empty": 0.5},
        "seed": 7,
        "latency": "uniform(0, 0.001)",
    } == status["faults"]
    assert {
        "account": None,
        "limit": 5,
        "per": 30.0,
        "rule": "gcra",
        "burst": 3,
        "rate_refusal": "http-503",
        "retry_after": "date",
    } == status["limit"]


def get(address: str) -> dict[str, object]:
    """Send a request with a host name that --allow-host allows."""
    request = urllib.request.Request(address, headers={"Host": "sms"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def post(address: str, body: dict[str, str]) -> dict[str, object]:
    with urllib.request.urlopen(address, json.dumps(body).encode(), timeout=5) as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--credits", "-1"], 2, "at least 0, not -1"),
        (["--port", "70000"], 2, "0 to 65535, not 70000"),
        (["--key", "cspro_canary=x"], 2, "the credits of a key must be a number, not 'x'"),
        (["--probability", "html"], 2, "must be like answer-lost=0.05, not 'html'"),
        (["--probability", "html=x"], 2, "the probability of html must be a number, not 'x'"),
        (["--probability", "html=2"], 2, "from 0 to 1, not 2.0"),
        (["--script", "lost"], 2, "not 'lost'"),
        (["--latency", "soon"], 2, "not 'soon'"),
        (["--most-numbers", "10001"], 2, "most_numbers must be at most 10000, not 10001"),
        (["--limit", "0"], 2, "at least 1, or None, not 0"),
        (["--host", "192.0.2.1"], 1, "192.0.2.1"),
        (["--host", "nowhere.invalid"], 1, "cannot listen on nowhere.invalid, port 8025"),
    ],
)
def test_invalid_options(capsys, arguments, status, said):
    """An invalid option or address ends the command with one line, without a traceback."""
    assert status == main(arguments)

    error = capsys.readouterr().err
    assert said in error
    assert "canary" not in error
    assert 1 == error.count("\n")


def test_help(capsys):
    """The help lists every option with its default."""
    with pytest.raises(SystemExit):
        main(["--help"])

    assert "8025" in capsys.readouterr().out
