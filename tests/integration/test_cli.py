"""The command `customersms`: its output and its exit status."""
# ruff: noqa: RUF001  # characters that force UCS-2 are what is tested

import contextlib
import csv
import io
import json
import os
import resource
import shlex
import shutil
import stat
import subprocess
import sys

import openpyxl
import pytest

from customersms_async import Message
from customersms_async import __main__ as module
from customersms_async.cli import main
from customersms_async.cli.app import make_app
from customersms_async.cli.commands import COMMANDS
from customersms_async.cli.connection import Connection
from customersms_async.cli.exits import Exit, worst
from customersms_async.cli.selection import ListOptions, Selection
from customersms_async.cli.send import send_samples
from customersms_async.cli.table_files import write_table
from customersms_async.outbox._export import harmless
from customersms_async.plan import plan_messages
from tests.support.commands import in_a_process

REJECTED, LOST = "+12126660001", "+12126660002"
A, B, C = "+12125551234", "+13235554567", "+442071838750"

MESSY = f"""\
Name;Mobile;Day
Anna;{A};Monday
Jürgen;+1 (323) 555-4567;Tuesday
Bob;1.21256E+10;Monday
;{C};Monday
"Two
lines";{C};Friday;surplus
Anna;{A};Monday
"""


pytestmark = pytest.mark.usefixtures("memory_of_the_limit")


@pytest.fixture
def people(tmp_path):
    """Write a messy list."""
    path = tmp_path / "people.csv"
    path.write_text(MESSY, "cp1252")
    return path


# --- The command itself ---------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_lists_all_commands(run, words):
    """Each command is listed with a description."""
    status, out, err = run(*words)

    assert (Exit.OK, []) == (status, err)
    for name, command in COMMANDS.items():
        assert f"  {name:10} {command.about}" in out


def test_no_command(run):
    """Without a command, the help is shown."""
    status, out, _ = run()

    assert Exit.USAGE == status
    assert "Usage: customersms COMMAND ..." == out[0]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"sandbox"}))
def test_each_command_has_help(run, name):
    """The help of each command has its name and the description from the list."""
    status, out, _ = run(name, "--help")

    assert 0 == status
    assert out[0].startswith(f"Usage: customersms {name} ")
    assert COMMANDS[name].about in out


def test_the_sandbox_has_its_own_help(run, capsys):
    """The usage line of the sandbox has the name of the command that was typed."""
    with pytest.raises(SystemExit) as caught:
        run("sandbox", "--help")

    assert 0 == caught.value.code
    assert capsys.readouterr().out.startswith("usage: customersms sandbox ")


def test_the_sandbox_is_a_command():
    """The sandbox is among the commands, and has its own options."""
    app = make_app()

    assert set(COMMANDS) <= set(app)
    assert 2 == app(["sandbox", "--port", "0", "--credits", "-1"], exit_on_error=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], 'Unknown command "chekc". Did you mean "check"?'),
        (["segments"], "parameter TEXT requires an argument"),
        (
            ["send", A, "--text", "Hi", "--timeout", "0"],
            'Invalid value "0.0" for --timeout. Must be > 0.',
        ),
        (["segments", "Hi", "--jsn"], "Unknown option: --jsn. Did you mean --json?"),
    ],
)
def test_an_invalid_command_line(run, words, said):
    """The error is printed on stderr with a hint."""
    status, out, err = run(*words)

    assert (Exit.USAGE, []) == (status, out)
    assert said in " ".join(" ".join(err).replace("│", " ").split())


def test_python_dash_m(people):
    """`python -m customersms_async` is the same command."""
    command = [sys.executable, "-m", "customersms_async", "segments", "Grüße"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "1 segment, GSM-7, 5 of 160\n" == done.stdout
    assert main is module.main


def test_a_stream_that_cannot_show_a_character():
    """A character that the stream's encoding lacks is escaped."""
    command = [sys.executable, "-m", "customersms_async", "segments", "’"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )

    assert "\\u2019 RIGHT SINGLE QUOTATION MARK: write '" in done.stdout


def test_a_closed_pipe():
    """A pipe that its reader has closed causes no traceback."""
    command = [sys.executable, "-m", "customersms_async", "segments", "Hi"]
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)

    assert (Exit.ERROR, b"") == (done.returncode, done.stderr)


def test_a_stream_that_is_not_a_terminal():
    """A caller in Python may replace stdout with any stream."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        main(["segments", "Hi"])

    assert "1 segment, GSM-7, 2 of 160\n" == stream.getvalue()


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra(missing):
    """The error names the extra to install; help and the sandbox work without it."""
    program = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from customersms_async.cli import main\n"
        "print(main(['--help']), main(['segments', 'Hi']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    if missing == "cyclopts":
        install = "pip install 'customersms-async[cli]'"
        expected = f"customersms needs its extra: {install} (there is no cyclopts)"
        assert ("0 1", expected) == (done.stdout.splitlines()[-1], done.stderr.strip())
    assert "Usage" in done.stdout


def cpu_of(*command):
    """Return the lowest CPU time of three runs, in seconds."""

    def once():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


def test_help_is_cheap():
    """`--help` takes at most 0.2 s of CPU time more than a program with argparse."""
    plain = "import argparse; argparse.ArgumentParser().parse_args(['--help'])"
    ours = cpu_of(sys.executable, "-m", "customersms_async", "--help")

    assert cpu_of(sys.executable, "-c", plain) + 0.2 > ours


@pytest.mark.parametrize(
    ("exits", "told"),
    [
        ([], Exit.OK),
        ([Exit.OK, Exit.PARTIAL, Exit.OK], Exit.PARTIAL),
        ([Exit.PARTIAL, Exit.UNKNOWN, Exit.KEY], Exit.KEY),
        ([Exit.UNKNOWN, Exit.INTERRUPTED], Exit.INTERRUPTED),
        (list(Exit), Exit.CHANGED),
    ],
)
def test_the_worst_exit_status(exits, told):
    """The exit status is the most important of several."""
    assert told == worst(exits)


# --- segments -------------------------------------------------------------------------------------


def test_segments_of_a_text(run):
    """The output has size, parts, what makes the text long, and the size without that."""
    status, out, err = run("segments", "It’s 5 o’clock\u2009" + "a" * 60)

    assert (0, []) == (status, err)
    assert [
        "2 segments, UCS-2, 75 of 134; 1 with other characters",
        f"  part 1: {('It’s 5 o’clock' + chr(0x2009) + 'a' * 52)!r}",
        "  part 2: 'aaaaaaaa'",
        "  ’ RIGHT SINGLE QUOTATION MARK, 2 times: write '",
        "    THIN SPACE: write SPACE",
        f"  then it is 1 segment, GSM-7, 75 of 160: \"It's 5 o'clock {'a' * 60}\"",
    ] == out


def test_an_empty_text(run):
    """An empty text has no segments, since it cannot be sent."""
    said = "customersms: the text is empty, and an empty text cannot be sent"

    assert (Exit.USAGE, [], [said]) == run("segments", "")


def test_segments_as_json(run):
    """`--json` prints one line with the same facts."""
    status, (line,), _ = run("segments", "--json", "a–b")

    assert 0 == status
    assert {
        "segments": 1,
        "encoding": "UCS-2",
        "units": 3,
        "joints": [],
        "forcing": [{"char": "–", "name": "EN DASH", "count": 1, "swap": "-"}],
        "swapped": "a-b",
        "segments_swapped": 1,
    } == json.loads(line)


# --- check ----------------------------------------------------------------------------------------


def test_check(run, people):
    """`check` shows what is in a list, what is wrong with it, and sample texts."""
    status, out, err = run("check", people, "--text", "Hi {name} – {day}")

    assert (Exit.PARTIAL, []) == (status, err)
    token = out[-1].split()[-1]
    assert [
        "people.csv: cp1252 with semicolons, numbers in 'Mobile'",
        "2 messages, 2 requests, 1 min, 2 segments, 3 bad, 1 double",
        "credits: at least 2",
        "",
        "Rows that cannot be sent to:",
        (
            "  row 6: has 4 cells under 3 columns; "
            "name each column, or quote cells with separators in them"
        ),
        "  row 4: was changed by a spreadsheet; format the column as text and enter it again",
        "  row 5: has nothing under 'Name'",
        "",
        "The first, the dearest (row-2; 1 segment, UCS-2, 16 of 70):",
        "    Hi Anna – Monday",
        "The longest (row-3; 1 segment, UCS-2, 19 of 70):",
        "    Hi Jürgen – Tuesday",
        "",
        "Characters for which a segment holds 70, not 160, in 2 of them:",
        "  – EN DASH in 2, write '-'",
        "",
        "To send exactly this:",
        f"  customersms bulk {people} --text 'Hi {{name}} – {{day}}' --confirm {token}",
    ] == out


def test_check_of_a_list_without_good_rows(run, tmp_path):
    """If nothing can be sent, no command for sending is shown."""
    path = tmp_path / "bad.csv"
    path.write_text("phone,name\n2125551234,Anna\n")
    status, out, err = run("check", path, "--text", "Hi {name}")

    assert (Exit.PARTIAL, []) == (status, err)
    assert "0 messages, 0 requests, 0 min, 0 segments, 1 bad, 0 doubles" == out[1]
    assert "  or name the country of such numbers, like --country US" == out[-1]


def test_bulk_of_a_list_without_good_rows(run, tmp_path):
    """No confirmation and no key is needed if there is nothing to send."""
    path = tmp_path / "bad.csv"
    path.write_text("phone,name\n2125551234,Anna\n")
    status, _, err = run("bulk", path, "--text", "Hi {name}")

    assert (Exit.PARTIAL, "customersms: there is nobody to send to") == (status, err[-1])
    assert [path] == list(tmp_path.iterdir())


def test_check_of_hidden_rows(run, tmp_path):
    """For a workbook with several sheets, the sheet and its hidden rows are named."""
    path = tmp_path / "people.xlsx"
    book = openpyxl.Workbook()
    for row in (["phone", "name"], [A, "Anna"], [A, "Anna"], ["555", "Bob"]):
        book.active.append(row)
    for number in (2, 4):
        book.active.row_dimensions[number].hidden = True
    book.create_sheet("Old")
    book.save(path)
    _, out, _ = run("check", path, "--text", "Hi {name}")

    assert "people.xlsx: sheet 'Sheet' of 2 in a workbook, numbers in 'phone'" == out[0]
    assert "hidden in the workbook, but sent to as well: 1 row" == out[3]


def test_check_of_a_good_list(run, tmp_path):
    """A list without problems is shown without any."""
    path = tmp_path / "good.csv"
    path.write_text(f"phone\tname\n{A}\tAnna\n")
    status, out, err = run("check", path, "--text", "Hi {name}")

    assert (Exit.OK, []) == (status, err)
    assert "good.csv: utf-8 with tabs, numbers in 'phone'" == out[0]
    assert "The first, the longest, the dearest (row-2; 1 segment, GSM-7, 7 of 160):" == out[4]


def test_more_bad_rows_than_are_named(run, tmp_path):
    """The option that writes all bad rows is shown below the last one."""
    path = tmp_path / "bad.csv"
    path.write_text("phone\n" + "call me\n" * 11)
    _, out, _ = run("check", path, "--text", "Hi")

    assert "  check --bad FILE writes all of them to a table" == out[-1]
    assert out[-2].startswith("  rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 1 more: each has letters")


def test_numbers_without_a_country(run, tmp_path):
    """The option for numbers of a country is shown below the reason."""
    path = tmp_path / "local.csv"
    path.write_text("phone\n(212) 555-1234\n")
    _, out, _ = run("check", path, "--text", "Hi")

    assert "  or name the country of such numbers, like --country US" in out
    assert Exit.OK == run("check", path, "--text", "Hi", "--country", "US")[0]


def test_the_command_that_check_suggests(run, people, tmp_path, sms_sandbox):
    """The suggested command works as printed, with all options of the list."""
    (tmp_path / "stop.csv").write_text(f"{A}\n")
    options = ("--text", "It's {day}", "--skip", tmp_path / "stop.csv", "--batch-size", "7")
    _, out, _ = run("check", people, *options)
    status, *_ = run(*shlex.split(out[-1])[1:])

    assert Exit.PARTIAL == status
    assert ["It's Tuesday", "It's Monday"] == [message.text for message in sms_sandbox.messages]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion(tmp_path):
    """One command installs completion, and a new shell completes commands and options."""
    mine = {"HOME": str(tmp_path), "SHELL": shutil.which("bash")}
    done = in_a_process("--install-completion", **mine)
    ask = (
        '. "$HOME/.bashrc"; COMP_WORDS=(customersms bu); COMP_CWORD=1; '
        '$(complete -p customersms | sed "s/.*-F \\([^ ]*\\).*/\\1/"); echo "${COMPREPLY[@]}"'
    )
    shell = ["bash", "--norc", "--noprofile", "-c", ask]
    found = subprocess.run(
        shell, env={**os.environ, **mine}, capture_output=True, text=True, check=False
    )

    assert (Exit.OK, "") == (done.returncode, done.stderr)
    assert ("bulk", "") == (found.stdout.strip(), found.stderr)


def test_check_of_an_empty_list(run, tmp_path):
    """An empty list has no samples and no command for sending, and creates no file."""
    path = tmp_path / "nobody.csv"
    path.write_text("phone\n")
    status, out, _ = run("check", path, "--text", "Hi")

    assert Exit.OK == status
    assert ["0 messages, 0 requests, 0 min, 0 segments, 0 bad, 0 doubles"] == out[1:2]
    assert ["credits: at least 0", "there is no row below the header"] == out[2:]
    assert Exit.OK == run("bulk", path, "--text", "Hi")[0]
    assert [path] == list(tmp_path.iterdir())


def test_check_of_a_workbook(run, tmp_path):
    """A workbook is shown as one, with its sheet."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["phone"], [A]):
        book.active.append(row)
    book.save(tmp_path / "people.xlsx")
    _, out, _ = run("check", tmp_path / "people.xlsx", "--text", "Hi")

    assert "people.xlsx: a workbook, numbers in 'phone'" == out[0]


def test_long_texts_and_many_characters(run, tmp_path):
    """Long texts and many characters are abbreviated."""
    path = tmp_path / "long.csv"
    path.write_text(f"phone\n{A}\n", "utf-8")
    text = "…" + "абвгдежзи\u200b" + "a" * 600 + "\nb"
    _, out, _ = run("check", path, "--text", text)

    assert f"    {text[:480]}..." in out
    assert "  … HORIZONTAL ELLIPSIS in 1, write '...'" in out
    assert "  and 3 others" in out


def test_savings_are_shown(run, people):
    """The number of segments with replacements is shown if that saves some."""
    _, out, _ = run("check", people, "--text", "Hi {name} –" + "a" * 70)

    assert "  With these changes: 2 segments." in out


def test_a_character_that_can_be_omitted(run, people):
    """The advice says to leave the character out."""
    _, out, _ = run("check", people, "--text", "Hi\u200b я")

    assert "    ZERO WIDTH SPACE in 3, leave it out" in out
    assert "  я CYRILLIC SMALL LETTER YA in 3" in out


def test_check_as_json(run, people):
    """`--json` prints one line, with the token for `bulk --confirm`."""
    status, (line,), _ = run("check", people, "--text", "Hi {name}", "--json")
    found = json.loads(line)

    assert Exit.PARTIAL == status
    assert (2, 3, 1) == (found["recipients"], found["bad"], found["doubles"])
    assert 8 == len(found["token"])


def test_bad_rows_in_a_file(run, people, tmp_path):
    """Bad rows are written unchanged, followed by row number and reason."""
    status, _, err = run("check", people, "--text", "Hi {name}", "--bad", tmp_path / "bad.csv")
    with (tmp_path / "bad.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, delimiter=";")

    assert (Exit.PARTIAL, [f"3 bad rows are in {tmp_path / 'bad.csv'}"]) == (status, err)
    assert ["Name", "Mobile", "Day", "row", "reason"] == header
    assert [["Bob", "1.21256E+10", "Monday", "4"], ["", C, "Monday", "5"]] == [
        row[:4] for row in rows[:2]
    ]
    assert ["Two\nlines", C, "Friday", "6", "surplus"] == [*rows[2][:4], rows[2][-1]]
    assert {"people.csv", "bad.csv"} == {path.name for path in tmp_path.iterdir()}


def test_a_file_is_replaced_atomically(run, people, tmp_path):
    """A failed write leaves no partial file."""
    (tmp_path / "bad.csv").mkdir()
    with pytest.raises(OSError, match=r"bad\.csv"):
        write_table(tmp_path / "bad.csv", [["phone"]], ",")

    assert {"people.csv", "bad.csv"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_to(tmp_path):
    """A pipe or a device, such as /dev/stdout, is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        write_table(pipe, [["phone"]], ",")
        written = reader.communicate(timeout=10)[0]

    assert (b"\xef\xbb\xbfphone\r\n", True) == (written, pipe.is_fifo())


def test_a_link_is_followed(tmp_path):
    """The file that a link names is replaced, not the link."""
    there, link = tmp_path / "there.csv", tmp_path / "link.csv"
    link.symlink_to(there)
    write_table(link, [["phone"]], ",")

    assert link.is_symlink()
    assert "phone\n" == there.read_text(encoding="utf-8-sig")


def test_the_list_is_never_overwritten(run, people):
    """`--bad` with the path of the list itself is refused."""
    before = people.read_bytes()
    said = f"customersms: --bad would overwrite {people}; choose another name"

    assert (Exit.USAGE, [], [said]) == run("check", people, "--text", "Hi", "--bad", people)
    assert before == people.read_bytes()


def test_the_token_depends_on_list_text_and_options(run, people, tmp_path):
    """The token is the same for equal list, text and options, else different."""
    skip, text = tmp_path / "stop.csv", tmp_path / "text.txt"
    skip.write_text(f"{C}\n")
    text.write_text("Hi {name}")

    def token(*options):
        _, (line,), _ = run("check", people, *options, "--json")
        return json.loads(line)["token"]

    first = token("--text", "Hi {name}")
    others = [
        token("--text", "Ho {name}"),
        token("--text-file", text),
        token("--text", "Hi {name}", "--skip", skip),
        token("--text", "Hi {name}", "--batch-size", "10"),
        token("--text", "Hi {name}", "--country", "US"),
    ]

    assert first == token("--text", "Hi {name}")
    people.write_text(MESSY + "\n", "cp1252")
    assert 7 == len({first, *others, token("--text", "Hi {name}")})


def test_changes_between_selections(people):
    """`changed_from` names the differences between two selections."""
    first = Selection.of(people, ListOptions(text="Hi"))
    second = Selection.of(people, ListOptions(text="Ho", country="US"))

    assert ["the text", "the options"] == second.changed_from(first)
    assert [] == first.changed_from(Selection.of(people, ListOptions(text="Hi")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            [],
            (
                "people.csv: give the text with --text or --text-file; "
                "the columns are 'Name', 'Mobile', 'Day'"
            ),
        ),
        (
            ["--text", "{nam}"],
            (
                "people.csv: there is no column 'nam' (did you mean 'Name'?); "
                "the columns are 'Name', 'Mobile', 'Day'"
            ),
        ),
        (["--text", " "], "text is empty; it needs at least one character that is not white space"),
    ],
)
def test_an_unusable_list(run, people, options, said):
    """The error names the option that helps."""
    assert (Exit.ERROR, [], [f"customersms: {said}"]) == run("check", people, *options)


@pytest.mark.parametrize(
    "words", [["check", "{}", "--text", "Hi"], ["send", A, "--text", "Hi"]], ids=lambda it: it[0]
)
def test_an_unknown_country(run, people, words):
    """An unknown country is a usage error in every command."""
    words = [word.format(people) for word in words]
    said = "--country must be a two-letter ISO 3166 code, like 'US', not 'UK'; did you mean 'GB'?"

    assert (Exit.USAGE, [], [f"customersms: {said}"]) == run(*words, "--country", "UK")


def test_a_folder(run, tmp_path):
    """The error for a folder is the package's own."""
    said = f"customersms: {tmp_path}: is a folder; name a file"

    assert (Exit.ERROR, [], [said]) == run("check", tmp_path, "--text", "Hi")


def test_an_image(run, tmp_path):
    """An image is not a list, whatever its name."""
    (tmp_path / "people.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    status, _, err = run("check", tmp_path / "people.csv", "--text", "Hi")

    assert Exit.ERROR == status
    assert "people.csv: is an image, a program or an archive; save it again" in err[0]


def test_opt_outs_without_a_country(run, people, tmp_path):
    """Rows with the same reason share a line, followed by the option that helps."""
    (tmp_path / "stop.csv").write_text("phone\n0171 1\n0171 2\n")
    status, _, err = run("check", people, "--text", "Hi", "--skip", tmp_path / "stop.csv")

    assert Exit.ERROR == status
    said = "rows 2, 3: each has no country code; begin with + or 00, like +12125551234"
    hint = "or say whose numbers these are with --country"
    assert [f"customersms: stop.csv: {said}; {hint}"] == err


def test_names_that_look_like_arguments(run, tmp_path):
    """Files and columns are named as they are, also if an option of Python is spelled in them."""
    (tmp_path / "country=US.csv").write_text("text=,city\n1,2\n")
    status, _, err = run("check", tmp_path / "country=US.csv", "--text", "Hi")

    assert Exit.ERROR == status
    said = "say which column has the numbers with --phone; the columns are 'text=', 'city'"
    assert [f"customersms: country=US.csv: {said}"] == err


def test_plain_http_to_another_machine(run, sms_sandbox):
    """The error for plain HTTP names no option, since none allows it."""
    status, _, err = run("send", A, "--text", "Hi", "--endpoint", "http://example.com/api.php")

    assert Exit.ERROR == status
    assert err[0].endswith("where anyone on the path could read the key")


def test_a_missing_list(run, tmp_path):
    """The error is Python's own and names the file."""
    status, _, err = run("check", tmp_path / "none.csv", "--text", "Hi")

    assert Exit.ERROR == status
    assert "none.csv" in err[0]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_formulas_are_escaped(text):
    """A cell that the command adds cannot become a formula."""
    assert f"'{text}" == harmless(text)
    assert ["", "a=1"] == [harmless(""), harmless("a=1")]


# --- send -----------------------------------------------------------------------------------------


def test_send(run, sms_sandbox):
    """Each number is printed on a line with its fate."""
    status, out, err = run("send", "+1 212 555 1234", B, "--text", "Hi")

    assert (Exit.OK, []) == (status, err)
    assert [A, B] == [message.phone for message in sms_sandbox.messages]
    assert out[0].startswith(f"{A} sent, msg_")
    assert out[0].endswith(" credits left")


def test_a_number_that_is_given_twice(run, sms_sandbox):
    """Nobody gets the message twice, however the number is written."""
    status, out, err = run("send", A, B, "+1 (212) 555-1234", "--text", "Hi")

    assert (Exit.OK, ["a number that is given twice gets one message"]) == (status, err)
    assert [A, B] == [message.phone for message in sms_sandbox.messages]
    assert 2 == len(out)


def test_send_as_json(run, sms_sandbox):
    """`--json` prints one object per number."""
    _, out, _ = run("send", A, REJECTED, "--text", "Hi", "--json")
    first, second = map(json.loads, out)

    assert ("sent", A) == (first["status"], first["phone"])
    assert ("rejected", REJECTED, 1) == (
        second["status"],
        second["phone"],
        len(sms_sandbox.messages),
    )


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (REJECTED, Exit.PARTIAL, "rejected: "),
        (LOST, Exit.UNKNOWN, "unknown: ANSWER_LOST"),
    ],
)
def test_numbers_that_were_not_sent(run, sms_sandbox, number, status, said):
    """The exit status and the line show the fate."""
    found, out, _ = run("send", number, "--text", "Hi", "--timeout", "3")

    assert status == found
    assert out[0].startswith(f"{number} {said}")


def test_a_refused_key(run, sms_sandbox, tmp_path, request):
    """The key can be read from a file; if the gateway refuses it, the exit status says so."""
    (tmp_path / "key").write_text("cspro_nobody\n")
    status, out, err = run("send", A, "--text", "Hi", "--key-file", tmp_path / "key")

    assert Exit.KEY == status
    assert out[0].startswith(f"{A} rejected: INVALID_API_KEY")
    assert "cspro_nobody" not in str([out, err])
    thread = request.getfixturevalue("_sms_sandbox_thread")
    thread.call(lambda: thread.sandbox.clear("cspro_nobody"))


def test_no_credits(run, sms_sandbox):
    """Without credits the exit status is that of a stopped run, as in `bulk`."""
    sms_sandbox.credits = 0
    status, _, _ = run("send", A, "--text", "Hi")

    assert Exit.STOPPED == status


def test_a_bad_number_sends_nothing(run, sms_sandbox):
    """Nothing is sent if one of the numbers is invalid."""
    status, out, err = run("send", A, "555", "--text", "Hi")

    assert (Exit.USAGE, []) == (status, out)
    said = "'555' has no country code; begin with + or 00, like +12125551234"
    assert f"customersms: {said}; or name its country, like --country US" == err[0]
    assert 0 == len(sms_sandbox.requests)


def test_sample_texts(capsys, sms_sandbox):
    """Each different text of a plan is sent to one number, once."""
    plan = plan_messages([Message(B, "Hi"), Message(C, "Hello"), Message(C, "я" * 71)])
    status = send_samples(Connection(), plan, "(212) 555-1234", "US")

    assert Exit.OK == status
    assert {(A, "Hi"), (A, "я" * 71)} == {(m.phone, m.text) for m in sms_sandbox.messages}
    assert 2 == len(capsys.readouterr().out.splitlines())


def test_a_country(run, sms_sandbox):
    """With `--country`, national numbers are read."""
    run("send", "(212) 555-1234", "--text", "Hi", "--country", "us")

    assert [A] == [message.phone for message in sms_sandbox.messages]


def test_the_limit_is_remembered(sms_sandbox, tmp_path):
    """The limiter's state is kept in a file that only its owner can read."""
    done = in_a_process("send", A, "--text", "Hi", XDG_STATE_HOME=str(tmp_path))
    file = tmp_path / "customersms" / "limit.db"

    assert (Exit.OK, "") == (done.returncode, done.stderr)
    assert (0o700, 0o600) == tuple(stat.S_IMODE(one.stat().st_mode) for one in (file.parent, file))


def test_a_limiter_from_the_environment(sms_sandbox, tmp_path):
    """With CUSTOMERSMS_LIMITER set, no default file is created."""
    mine = tmp_path / "mine.limit"
    elsewhere = {"CUSTOMERSMS_LIMITER": f"file://{mine}", "XDG_STATE_HOME": str(tmp_path)}
    done = in_a_process("send", A, "--text", "Hi", **elsewhere)

    assert (Exit.OK, True) == (done.returncode, mine.exists())
    assert not (tmp_path / "customersms").exists()


def test_no_home(sms_sandbox):
    """A user without a home, as in some containers, gets the same warning."""
    program = """
import pwd, sys
pwd.getpwuid = {}.__getitem__
from customersms_async.cli import main
sys.exit(main(sys.argv[1:]))
"""
    environment = {
        name: it for name, it in os.environ.items() if name not in ("HOME", "XDG_STATE_HOME")
    }
    done = subprocess.run(
        [sys.executable, "-c", program, "send", A, "--text", "Hi"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (Exit.OK, 1) == (done.returncode, len(sms_sandbox.messages))
    assert done.stderr.startswith("later commands will not know what this one sends: Could not")


def test_a_read_only_home(sms_sandbox, tmp_path):
    """The command warns that the limit is not remembered, and continues."""
    (tmp_path / "file").touch()
    done = in_a_process("send", A, "--text", "Hi", XDG_STATE_HOME=str(tmp_path / "file"))

    assert Exit.OK == done.returncode
    assert done.stderr.startswith("later commands will not know what this one sends: ")


def test_a_missing_key(run, monkeypatch):
    """Without a terminal nobody is prompted, and the error says what to set."""
    monkeypatch.delenv("CUSTOMERSMS_API_KEY", raising=False)
    endpoint = ["--endpoint", "http://127.0.0.1:9/"]
    status, _, err = run("send", A, "--text", "Hi", *endpoint)

    assert Exit.ERROR == status
    said = "there is no key; set CUSTOMERSMS_API_KEY, or use --key-file"
    assert [f"customersms: {said}"] == err


def test_the_key_is_prompted_for_at_a_terminal(sms_sandbox):
    """A key that is typed is not echoed."""
    environment = {**os.environ, "CUSTOMERSMS_API_KEY": ""}
    command = [sys.executable, "-m", "customersms_async", "send", A, "--text", "Hi"]
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while b"API key: " not in shown:
            shown += os.read(ours, 100)
        os.write(ours, sms_sandbox.key.encode() + b"\n")
        out, _ = process.communicate()
        os.close(ours)

    assert out.decode().startswith(f"{A} sent")
    assert sms_sandbox.key.encode() not in shown


@pytest.mark.parametrize(
    ("messages", "said"),
    [(1, "1 message"), (2_000, "2,000 messages")],
)
def test_the_real_gateway_is_announced(capsys, monkeypatch, messages, said):
    """A warning says that messages to the default gateway cost money."""
    monkeypatch.delenv("CUSTOMERSMS_ENDPOINT", raising=False)
    Connection().announce(messages)
    Connection(endpoint="http://127.0.0.1:8025/api.php").announce(messages)
    out, err = capsys.readouterr()

    assert "" == out
    assert f"customersms.pro is a real gateway: {said} will cost money.\n" == err


def test_an_interrupt_while_the_command_starts():
    """Ctrl-C in the first moments gives no traceback."""
    program = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'cyclopts': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from customersms_async.cli import main\n"
        "sys.exit(main(['check', 'people.csv']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (Exit.INTERRUPTED, b"") == (ended.returncode, ended.stderr)


def test_an_interrupt(run, monkeypatch):
    """Ctrl-C gives the exit status that shells expect."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", interrupted)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": staticmethod(lambda: True)}))
    monkeypatch.delenv("CUSTOMERSMS_API_KEY", raising=False)

    assert (
        Exit.INTERRUPTED == run("send", A, "--text", "Hi", "--endpoint", "http://127.0.0.1:9/")[0]
    )
