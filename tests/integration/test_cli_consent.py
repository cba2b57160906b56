"""Confirmations: what is confirmed and for how long; parsing of hours; interrupts."""

import asyncio
import datetime as dt
import io
import logging
import os
import signal
import stat
from pathlib import Path

import pytest

from customersms_async.cli.campaign_location import CampaignLocation
from customersms_async.cli.confirmation import Changed, agree, check_unchanged
from customersms_async.cli.confirmation_file import Confirmation
from customersms_async.cli.console import fitted
from customersms_async.cli.exits import UsageError
from customersms_async.cli.hold_reasons import held_line
from customersms_async.cli.interrupts import interruptible
from customersms_async.cli.log_lines import log_shown
from customersms_async.cli.selection import ListOptions, Selection
from customersms_async.cli.stop_reasons import stop_line
from customersms_async.cli.time_parsing import read_hours, read_until
from customersms_async.outbox import CampaignHeld
from customersms_async.outbox._core.guards import CURES
from customersms_async.plan import Plan

PLAN = Plan(recipients=2_000)
NAME = "people.csv"


@pytest.fixture
def people(tmp_path):
    """Write a list."""
    path = tmp_path / "people.csv"
    path.write_text("phone\n+12125551234\n")
    return path


def wanted(people, **options):
    chosen = ListOptions(**{"text": "Hi", **options})
    return Confirmation(Selection.of(people, chosen), chosen)


def confirm(people, *, yes=False, token=None, **options):
    agree(people, NAME, wanted(people, **options), PLAN, yes=yes, token=token)


def answer_at_a_terminal(monkeypatch, line):
    terminal = {"isatty": staticmethod(lambda: True), "readline": staticmethod(lambda: line)}
    monkeypatch.setattr("sys.stdin", type("Terminal", (), terminal))


def test_a_confirmation_is_stored(people, tmp_path):
    """A confirmation is stored and can be read by its owner only."""
    (tmp_path / "stop.csv").write_text("+13235554567\n")
    confirmation = wanted(people, skip=tmp_path / "stop.csv", phone="phone", batch_size=7)
    confirmation.write(people, NAME)
    wanted(people).write(people, "another")
    file = tmp_path / "people.csv.sms.json"

    assert confirmation == Confirmation.read(people, NAME)
    assert wanted(people) == Confirmation.read(people, "another")
    assert Confirmation.read(people, "a third") is None
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert {"people.csv", "stop.csv", file.name} == {path.name for path in tmp_path.iterdir()}


def test_a_confirmation_holds_until_something_changes(people):
    """Repeating the same command needs no confirmation."""
    confirm(people, yes=True)
    confirm(people)

    with pytest.raises(Changed):
        confirm(people, text="Ho")


def test_a_token_is_valid_for_one_list_text_and_options(people):
    """A wrong token is refused, and the error shows the right one."""
    token = wanted(people).selection.token
    with pytest.raises(Changed) as caught:
        confirm(people, token="00000000")

    assert (
        "00000000 confirms another list, text or options than these; "
        f"check them with customersms check, then --confirm {token}"
    ) == str(caught.value)
    confirm(people, token=token)
    confirm(people)


def test_a_list_that_has_grown_is_confirmed_again(people):
    """The error says what has changed, and the new token is accepted."""
    confirm(people, yes=True)
    people.write_text("phone\n+12125551234\n+13235554567\n")
    token = wanted(people).selection.token
    for how in ({}, {"yes": True}):
        with pytest.raises(Changed) as caught:
            confirm(people, **how)

    assert (
        "since it was confirmed, changed: the list; "
        f"check it with customersms check {people}, then confirm it: --confirm {token}"
    ) == str(caught.value)
    confirm(people, token=token)
    confirm(people)


def test_a_list_that_is_saved_while_being_read(people):
    """The list is checked once more before anything is sent."""
    confirmation = wanted(people)
    check_unchanged(people, confirmation)
    people.write_text("phone\n+13235554567\n")

    with pytest.raises(
        Changed, match=r"people\.csv was changed while it was being read; nothing was sent"
    ):
        check_unchanged(people, confirmation)


def test_another_text_is_another_campaign(people):
    """No token confirms a new text, since queued messages have the old one."""
    confirm(people, yes=True)
    token = wanted(people, text="Ho").selection.token
    with pytest.raises(Changed) as caught:
        confirm(people, text="Ho", token=token)

    assert (
        "since it was confirmed, changed: the text; "
        "change it back, or start another campaign with --campaign NAME"
    ) == str(caught.value)


@pytest.mark.parametrize("line", ["yes\n", " Y\n"])
def test_a_prompt_at_a_terminal(people, monkeypatch, capsys, line):
    """The prompt contains the number of messages."""
    answer_at_a_terminal(monkeypatch, line)
    confirm(people)

    assert (
        "\nType yes to send 2,000 messages, anything else to cancel.\n" == capsys.readouterr().err
    )


@pytest.mark.parametrize("line", ["", "\n", "no\n", "yeah\n"])
def test_answering_no(people, monkeypatch, line):
    """Any answer but yes declines."""
    answer_at_a_terminal(monkeypatch, line)

    with pytest.raises(UsageError, match="cancelled; nothing was sent"):
        confirm(people)
    assert Confirmation.read(people, NAME) is None


def test_without_a_terminal(people, monkeypatch):
    """Without a terminal, an option must confirm."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    token = wanted(people).selection.token

    with pytest.raises(UsageError, match=f"use --yes, or --confirm {token}"):
        confirm(people)


# --- Hours and times ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, None),
        ("08:00-21:00 Europe/Rome", ("08:00", "21:00", "Europe/Rome")),
        (" 8:00 - 21:00  UTC ", ("08:00", "21:00", "UTC")),
        ("8:00-21:30", ("08:00", "21:30", "Europe/Berlin")),
    ],
)
def test_hours(monkeypatch, written, read):
    """Hours have a zone, or are in that of the machine."""
    monkeypatch.setenv("TZ", ":Europe/Berlin")

    assert read == read_hours(written)


@pytest.mark.parametrize(
    ("place", "zone"),
    [("/usr/share/zoneinfo/Europe/Rome", "Europe/Rome"), ("/etc/localtime", None)],
)
def test_the_zone_of_this_machine(monkeypatch, place, zone):
    """The zone is the target of the system's link; if unknown, it must be given."""
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr("os.path.realpath", lambda _: place)
    if zone is None:
        with pytest.raises(UsageError, match='name it: --hours "08:00-21:00 Europe/Rome"'):
            read_hours("08:00-21:00")
    else:
        assert ("08:00", "21:00", zone) == read_hours("08:00-21:00")


def test_invalid_hours():
    """The error shows what was given and what is valid."""
    with pytest.raises(UsageError, match="--hours must be like 08:00-21:00, not '8-21'"):
        read_hours("8-21")


def test_a_point_in_time():
    """A time without a zone is in that of the machine."""
    assert read_until(None) is None
    assert dt.datetime(2026, 12, 24, 19, tzinfo=dt.UTC) == read_until("2026-12-24T20:00+01:00")
    assert read_until("2026-12-24 20:00").utcoffset() is not None
    with pytest.raises(UsageError, match="--until must be like 2026-12-24T20:00, not 'soon'"):
        read_until("soon")


# --- Interrupts ---------------------------------------------------------------------------------


async def signals(*, how_many, apart=0.01):
    """Run work that waits once when it is cancelled, and return the events."""
    seen = []

    async def work():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            try:
                await asyncio.sleep(0.05 if how_many == 1 else 20)
                seen.append("waited")
            except asyncio.CancelledError:
                seen.append("given up")
            raise

    def send_next(left):
        os.kill(os.getpid(), signal.SIGINT)
        if left > 1 and apart:
            asyncio.get_running_loop().call_later(apart, send_next, left - 1)
        elif left > 1:
            send_next(left - 1)

    asyncio.get_running_loop().call_later(0.01, send_next, how_many)
    with pytest.raises(asyncio.CancelledError):
        await interruptible(work(), lambda: seen.append("told"))
    return seen


def test_the_first_signal_waits():
    """The first signal cancels the work, which may wait, and prints a notice."""
    assert ["told", "cancelled", "waited"] == asyncio.run(signals(how_many=1))


def test_the_second_signal_gives_up():
    """The second signal ends the wait without another notice."""
    assert ["told", "cancelled", "given up"] == asyncio.run(signals(how_many=2))


def test_two_signals_at_once():
    """Two signals before the first was handled count as two."""
    assert ["told", "cancelled", "given up"] == asyncio.run(signals(how_many=2, apart=0))


def test_work_that_ends_without_a_signal():
    """The result is returned, and Python's signal handler is restored."""

    async def work():
        return 7

    assert 7 == asyncio.run(interruptible(work(), print))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_system_without_signal_handlers():
    """On Windows, KeyboardInterrupt cancels the task."""

    class Loop(asyncio.SelectorEventLoop):
        def add_signal_handler(self, *_):
            raise NotImplementedError

        remove_signal_handler = add_signal_handler

    async def work():
        return 7

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert 7 == runner.run(interruptible(work(), print))


# --- Terminals ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_long_line_is_wrapped(monkeypatch):
    """On a terminal, a line is wrapped with an indent; elsewhere it is unchanged."""
    monkeypatch.setenv("COLUMNS", "20")
    line = "  rows 2, 3: each has no number"

    assert "  rows 2, 3: each\n    has no number" == fitted(line, Terminal())
    assert line == fitted(line, io.StringIO())


def test_a_wrapped_text_keeps_its_indent(monkeypatch):
    """A message text is wrapped without an additional indent."""
    monkeypatch.setenv("COLUMNS", "16")

    assert "    We open at\n    nine" == fitted("    We open at nine", Terminal())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "NO_CREDITS",
            "the account has too few credits; top it up, then run the same command again",
        ),
        ("INVALID_API_KEY", "the gateway refused the key; set the right one, then"),
        ("HTTP_404", "there is no gateway at this address; correct CUSTOMERSMS_ENDPOINT (or"),
        ("MESSAGE_BLOCKED", "the gateway refused requests in a row; fix what it reports, then"),
    ],
)
def test_why_a_run_stopped(word, said):
    """The line has the code, then what to do."""
    assert stop_line(word).startswith(f"stopped: {word}: {said}")


# --- What the library logs ------------------------------------------------------------------------


def log(level, event, message, *arguments, **facts):
    logging.getLogger("customersms_async").log(
        level, message, *arguments, extra={"event": event, **facts}
    )


@pytest.mark.parametrize("code", CURES)
def test_every_hold_names_a_command(code):
    """Whatever holds a campaign, the command names commands and options, and no call of Python."""
    held = CampaignHeld("list.csv", code, "something happened", CURES[code])

    line = held_line(held, Path("list.csv"), CampaignLocation())

    assert line.startswith(f"campaign 'list.csv' ({code}): something happened; ")
    assert "(" not in line.replace(f"({code})", "").replace("(or --endpoint)", "")
    assert "customersms " in line or "--campaign" in line


def test_log_records_are_printed(capsys):
    """Records about waiting are printed without the hash of the account."""
    with log_shown():
        log(logging.INFO, "bulk.resumed", "bulk run of account %s %s", "a1b2", "goes on after 5 s")
        log(logging.ERROR, "outbox.owed", "campaign %r %s", "x", "cannot write")
        log(logging.WARNING, "limit.shared", "refused below %d", 7)
        facts = {"answers": 2, "numbers": 1_200, "seconds": 84.0}
        log(logging.WARNING, "bulk.draining", "waits", **facts)

    assert [
        "the run goes on after 5 s",
        "the run cannot write",
        "refused below 7",
        "waiting for 2 answers, up to 84 s; Ctrl-C again gives up (1,200 unknown)",
    ] == capsys.readouterr().err.splitlines()


def test_log_records_that_are_not_printed(capsys):
    """Records of fates and progress are not printed, nor are any after the command."""
    with log_shown():
        log(logging.WARNING, "request.unknown", "unknown")
        log(logging.INFO, "bulk.progress", "progress")
    log(logging.INFO, "bulk.resumed", "too late %s", "x")

    assert "" == capsys.readouterr().err
