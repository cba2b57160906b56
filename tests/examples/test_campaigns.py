"""The campaign recipes as users run them: killed, stopped, started again."""

from __future__ import annotations

import ast
import asyncio
import configparser
import contextlib
import csv
import os
import shlex
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.support.messy_lists import messy_rows, write_as
from tests.support.outbox_gateway import KEY, Ledger
from tests.support.postgres import PostgresServer
from tests.support.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

#: Each name occurs twice, so that two texts share a request.
NAMES = ["Ann", "Bob", "Cid", "Dee", "Eve", "Fay", "Gus", "Hal"]
FATES = ("sent", "unknown")

#: Requests that may be in flight when a process is killed at the third.
AT_ONCE = 3

PHONES = [f"+1212555{n:04}" for n in range(2 * len(NAMES))]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="Windows has neither cron nor signals"),
]


class Killing:
    """A hook of the gateway that sends signals to the last process's group at some requests."""

    def __init__(self, signs):
        self.signs = signs
        self.running = []

    async def __call__(self, point, number):
        if point == "received" and number in self.signs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running[-1].pid, self.signs[number])


def fill(folder, program="campaign.py"):
    """Put the list and the program into a folder."""
    rows = zip(NAMES * 2, PHONES, strict=True)
    lines = ["name,phone", *(f"{name},{phone}" for name, phone in rows)]
    (folder / "people.csv").write_text("\n".join(lines), encoding="utf-8")
    shutil.copy(EXAMPLES / program, folder)


async def begin(folder, ledger, *words, **environment):
    """Start a program in its own process group, with the Python of the tests first on PATH."""
    own = {
        "CUSTOMERSMS_API_KEY": KEY,
        "CUSTOMERSMS_ENDPOINT": ledger.endpoint,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{folder}",
    }
    return await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=os.environ | own | environment,
        start_new_session=True,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(ledger, killing, folder, *words, **environment):
    """Run a program to its end; return its exit status and output."""
    process = await begin(folder, ledger, *words, **environment)
    killing.running.append(process)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def judge(ledger):
    """Everyone got one message at most, and all but those in flight at one kill got it."""
    assert {1} == set(ledger.sent.values())
    assert set(PHONES) >= set(ledger.sent)


async def test_cron(tmp_path):
    """The line of the crontab continues after a kill; a second one beside it does not start."""
    fill(tmp_path)
    line = (EXAMPLES / "campaign.crontab").read_text().splitlines()[-1]
    schedule, command = line.split(" cd ")
    command = f"cd {command}".replace("/srv/school", str(tmp_path))
    killing = Killing({3: signal.SIGKILL})
    async with Ledger(killing, takes=0.1) as ledger:
        (tmp_path / "sms.env").write_text(
            f"CUSTOMERSMS_API_KEY={KEY}\nCUSTOMERSMS_ENDPOINT={ledger.endpoint}\n"
        )
        await run(ledger, killing, tmp_path, "sh", "-c", command)
        # The shell is gone, but the killed program may take a moment to end and release the lock.
        await run(ledger, killing, tmp_path, "flock", "tonight.lock", "true")
        status, *_ = await run(ledger, killing, tmp_path, "sh", "-c", command)
        again = await run(ledger, killing, tmp_path, "sh", "-c", f"flock tonight.lock {command}")

    assert ["*/5", "18-20", "*", "*", "*"] == schedule.split()
    assert 0 == status
    assert 0 != again[0]
    assert "0 queued, 16 known" in (tmp_path / "campaign.log").read_text()
    judge(ledger)


async def test_systemd(tmp_path):
    """The unit stops on its signal in time, and its next start finishes the campaign."""
    fill(tmp_path)
    unit = configparser.RawConfigParser(comment_prefixes="#", delimiters="=")
    unit.optionxform = str
    unit.read(EXAMPLES / "campaign.service")
    service = unit["Service"]
    python, *words = shlex.split(service["ExecStart"])
    killing = Killing({3: getattr(signal, service["KillSignal"])})
    async with Ledger(killing, takes=0.1) as ledger:
        async with asyncio.timeout(float(service["TimeoutStopSec"])):
            stopped = await run(ledger, killing, tmp_path, sys.executable, *words)
        sent = ledger.sent.total()
        status, said, _ = await run(ledger, killing, tmp_path, sys.executable, *words)

    assert ("/srv/school/.venv/bin/python", "on-failure") == (python, service["Restart"])
    assert stopped[0] != 0
    assert sent < len(PHONES)
    assert (0, {1}, len(PHONES)) == (status, set(ledger.sent.values()), len(ledger.sent))
    assert "16 sent, 0 rejected, 0 unknown" in said


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
async def test_the_unit_is_valid(tmp_path):
    """`systemd-analyze verify` reports nothing about the unit."""
    unit = (EXAMPLES / "campaign.service").read_text()
    unit = unit.replace("/srv/school/.venv/bin/python", sys.executable)
    (tmp_path / "campaign.service").write_text(unit)
    async with Ledger() as ledger:
        verify = ("systemd-analyze", "verify", str(tmp_path / "campaign.service"))
        _, _, said = await run(ledger, Killing({}), tmp_path, *verify)

    assert [] == [line for line in said.splitlines() if "campaign.service" in line]


async def test_django(tmp_path):
    """The command continues after a kill; a held campaign is a CommandError."""
    commands = tmp_path / "school" / "management" / "commands"
    commands.mkdir(parents=True)
    fill(tmp_path)
    shutil.copy(EXAMPLES / "campaign_django.py", commands / "send_campaign.py")
    (tmp_path / "site_settings.py").write_text(
        f"INSTALLED_APPS = ['school']\nSMS_OUTBOX = {str(tmp_path / 'a.db')!r}\n"
    )
    words = [sys.executable, "-m", "django", "send_campaign", "tonight", "people.csv", "Hi {name}"]
    words.append("--settings=site_settings")
    killing = Killing({3: signal.SIGKILL})
    async with Ledger(killing, takes=0.1) as ledger:
        await run(ledger, killing, tmp_path, *words)
        status, said, problems = await run(ledger, killing, tmp_path, *words)
    async with Ledger() as other:
        held = await run(other, killing, tmp_path, *words)

    assert 0 == status, problems
    assert said.startswith("0 queued, 16 known\n")
    assert 1 == held[0]
    assert "CommandError: campaign 'tonight' (OTHER_ENDPOINT)" in held[2]
    judge(ledger)


def test_fastapi(sms_sandbox, tmp_path, monkeypatch):
    """Each order queues one message, even if it is placed twice."""
    monkeypatch.chdir(tmp_path)
    from examples.campaign_fastapi import app  # noqa: PLC0415  # only this test needs it

    with TestClient(app) as client:
        first = client.post("/orders", json={"id": 17, "phone": PHONES[0]})
        again = client.post("/orders", json={"id": 17, "phone": PHONES[0]})
        bad = client.post("/orders", json={"id": 18, "phone": "n/a"})
        sms_sandbox.wait(phone=PHONES[0])

    assert [201, 201, 422] == [first.status_code, again.status_code, bad.status_code]
    assert [True, False] == [first.json()["is_new"], again.json()["is_new"]]
    assert [PHONES[0]] == [message.phone for message in sms_sandbox.messages]


@pytest.fixture
def store():
    """Start a server for the tasks."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


def beat(folder, store, every):
    """Return the words that start the worker with its beat, and its environment."""
    words = ["-m", "celery", "-A", "examples.campaign_celery", "worker", "--beat"]
    own = {"BROKER_URL": store.url, "OUTBOX": str(folder / "a.db"), "SEND_EVERY": str(every)}
    return (sys.executable, *words, "--concurrency", "1"), own


async def test_celery_beat(tmp_path, store):
    """After the worker was killed, the next beat continues, and later ones do nothing."""
    fill(tmp_path)
    words, own = beat(tmp_path, store, every=1)
    killing = Killing({3: signal.SIGKILL})
    async with Ledger(killing, takes=0.1) as ledger:
        await run(ledger, killing, tmp_path, *words, **own)
        process = await begin(tmp_path, ledger, *words, **own)
        await until_sent(ledger, len(PHONES) - 2 * AT_ONCE)
        os.killpg(process.pid, signal.SIGTERM)
        await process.communicate()

    judge(ledger)


async def test_celery_beat_ended(tmp_path, store):
    """On SIGTERM the worker ends when the next beat is due, not when the campaign has ended."""
    fill(tmp_path)
    words, own = beat(tmp_path, store, every=2)
    reached = asyncio.Event()

    async def at(_, number):
        if number == 2:
            reached.set()

    async with Ledger(at, takes=0.1) as ledger:
        ledger.turns_away, ledger.pause = {2}, 300
        process = await begin(tmp_path, ledger, *words, **own)
        async with asyncio.timeout(60):
            await reached.wait()
        process.terminate()
        async with asyncio.timeout(30):
            _, problems = await process.communicate()

    assert 0 == process.returncode
    assert b"Traceback" not in problems


async def until_sent(ledger, count):
    """Wait until *count* numbers were sent to, and for the next two beats."""
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(2.5)
            if len(ledger.sent) >= count:
                return


async def test_two_machines(tmp_path):
    """Two machines share a campaign; when one is killed, the other finishes it."""
    fill(tmp_path, "campaign_two_machines.py")
    server = PostgresServer()
    server.start()
    program = (sys.executable, "campaign_two_machines.py")
    killing = Killing({3: signal.SIGKILL})
    try:
        async with Ledger(killing, takes=0.3) as ledger:
            other = await begin(tmp_path, ledger, *program, "people.csv", OUTBOX=server.url)
            await asyncio.sleep(1)
            await run(ledger, killing, tmp_path, *program, OUTBOX=server.url)
            async with asyncio.timeout(60):
                out, err = await other.communicate()
    finally:
        server.close()

    assert 0 == other.returncode, err.decode()
    assert "16 queued" in out.decode()
    judge(ledger)


def test_the_example_is_short():
    """The example with a messy list, different texts, crashes and results has at most 15 lines."""
    program = (EXAMPLES / "campaign.py").read_text()
    docstrings = {
        number
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = [
        line
        for number, line in enumerate(program.splitlines(), 1)
        if line.strip() and number not in docstrings
    ]

    assert 15 >= len(lines)


async def test_a_messy_list_of_5000(tmp_path):
    """Killed, interrupted and run again, each row has one fate and nobody gets a message twice."""
    rows = list(messy_rows(5_000))
    write_as(tmp_path / "people.csv", rows, "utf-8-sig")
    killing = Killing({4: signal.SIGKILL, 12: signal.SIGINT})
    words = (sys.executable, str(EXAMPLES / "campaign.py"), "people.csv", "result.csv")
    async with Ledger(killing, takes=0.1) as ledger:
        ended = [await run(ledger, killing, tmp_path, *words) for _ in range(3)]
    with (tmp_path / "result.csv").open(encoding="utf-8-sig", newline="") as file:
        result = [(row["status"], row["phone"].lstrip("'")) for row in csv.DictReader(file)]

    assert (-signal.SIGKILL, 0) == (ended[0][0], ended[2][0]), ended[2][2]
    assert ended[1][0] not in (0, -signal.SIGKILL)
    assert sum(any(row) for row in rows[1:]) == len(result)
    assert {"sent", "unknown", "not_sent"} >= {status for status, _ in result}
    sent, unknown = (Counter(phone for status, phone in result if status == word) for word in FATES)
    assert sent <= ledger.sent <= sent + unknown  # two for a person with two texts
    assert 16 * 100 >= unknown.total()
