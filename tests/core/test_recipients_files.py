"""Lists of recipients: types of files, encodings, delimiters."""
# typographic marks are what is tested

import datetime as dt
import re
import subprocess
import sys
import tracemalloc
import zipfile

import openpyxl
import pytest

from customersms_async import Message
from customersms_async.plan import plan_messages
from customersms_async.recipients import RecipientsError, Refusal, read
from tests.support.messy_lists import as_csv, messy_rows, write_workbook
from tests.support.sizes import sized

A, B = "+12125551234", "+13235554567"


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""

    def write_file(content, name="people.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


@pytest.fixture
def workbook(tmp_path):
    """Write a workbook of one sheet and return its path."""

    def write_one(rows, name="people.xlsx"):
        write_workbook(tmp_path / name, rows)
        return tmp_path / name

    return write_one


def error(path, **options):
    with pytest.raises(RecipientsError) as caught:
        read(path, **{"text": "Hi", **options})
    return str(caught.value)


def test_the_same_rows_give_the_same_plan(write, workbook):
    """Messy rows give the same plan from every type of file."""
    count = sized(1_000, 5_000)
    rows = list(messy_rows(count))
    files = [
        write(as_csv(rows, "utf-8-sig", ","), "bom.csv"),
        write(as_csv(rows, "utf-8", "\t"), "tabs.txt"),
        write(as_csv(rows, "utf-16", "\t"), "unicode.txt"),
        write(as_csv(rows, "cp1252", ";"), "german.csv"),
        workbook(rows),
    ]
    people = [read(file, text="Hi {name}, we meet on {day}") for file in files]
    plans = [plan_messages(one) for one in people]

    assert ["utf-8-sig", "utf-8", "utf-16", "cp1252", "xlsx"] == [one.encoding for one in people]
    assert [",", "\t", "\t", ";", None] == [one.delimiter for one in people]
    assert [plans[0]] * 5 == plans
    assert count > plans[0].total > 0.95 * count
    assert {"NO_PHONE", "INVALID_PHONE", "EMPTY_CELL", "ROW_TOO_LONG", "SPREADSHEET_ERROR"} == {
        reason.code for reason in plans[0].reasons
    }
    assert list(people[0]) == list(people[-1])


# --- Encodings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
        ("ascii", "utf-8"),
    ],
)
def test_encodings_are_detected(write, encoding, found):
    """An encoding is detected by its mark, then by zero bytes, then by validity."""
    name = "Anna" if encoding == "ascii" else "Jürgen"
    people = read(write(f"phone,name\n{A},{name}\n".encode(encoding)), text="Hi {name}")

    assert found == people.encoding
    assert [Message(A, f"Hi {name}", "row-2")] == list(people)


@pytest.mark.parametrize("mark", [b"\xfe\xff", b"\xff\xfe"])
def test_both_byte_orders(write, mark):
    """UTF-16 with a mark is read in the byte order that the mark indicates."""
    order = "utf-16-be" if mark == b"\xfe\xff" else "utf-16-le"
    content = mark + f"phone,name\n{A},Jürgen\n".encode(order)

    assert ["Jürgen"] == [row.text for row in read(write(content), text="{name}")]


def test_a_given_encoding(write):
    """A given encoding overrides detection."""
    path = write(f"phone,name\n{A},Иван\n".encode("cp1251"))

    assert ["Иван"] == [row.text for row in read(path, text="{name}", encoding="cp1251")]


@pytest.mark.parametrize(
    ("encoding", "names", "text"),
    [("cp1251", "Имя;Телефон", "Hi"), ("cp1250", "Imię;Telefon", "Hi {imię}")],
)
def test_a_guessed_encoding_is_doubted(write, encoding, names, text):
    """If a column is missing whose name depends on a guess, the error says how to correct it."""
    path = write(f"{names}\nX;+12125550123\n".encode(encoding))

    with pytest.raises(RecipientsError, match="if names look wrong, encoding= says what it is"):
        read(path, text=text)
    assert ["X"] == [row.text for row in read(path, text="X", phone=names[-7:], encoding=encoding)]


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        (b"", {}, "is empty"),
        (
            b"phone,name\n+12125551234,\xe9\x81\n",
            {},
            (
                "is neither utf-8 near byte 24 nor cp1252 near byte 25; "
                "say which with encoding=, or save it again as CSV UTF-8"
            ),
        ),
        (
            "phone\nJürgen".encode("cp1252"),
            {"encoding": "utf-8"},
            "is not utf-8 near byte 7; say which with encoding=, or save it again as CSV UTF-8",
        ),
        (
            b"phone",
            {"encoding": "utf-9"},
            (
                "cannot be read as 'utf-9': there is no such encoding; "
                "say which with encoding=, or save it again as CSV UTF-8"
            ),
        ),
        (
            b"phone",
            {"encoding": "hex"},
            (
                "cannot be read as 'hex': there is no such encoding; "
                "say which with encoding=, or save it again as CSV UTF-8"
            ),
        ),
        (
            b"phone\n",
            {"encoding": "utf-16"},
            "is not utf-16 near byte 0; say which with encoding=, or save it again as CSV UTF-8",
        ),
        (
            "phone".encode("utf-16") + b"x",
            {},
            "is not utf-16 near byte 13; say which with encoding=, or save it again as CSV UTF-8",
        ),
    ],
)
def test_encodings_that_fail(write, content, options, reason):
    """The error says where decoding fails and what to do."""
    assert f"people.csv: {reason}" == error(write(content), **options)


def test_a_bad_byte_at_the_end_of_a_long_file(write):
    """The whole file is checked before any row is returned."""
    rows = f"{A},Anna\n" * 50_000
    path = write(b"phone,name\n" + rows.encode() + "+13235554567,Jürgen\n".encode("cp1252"))

    assert "cp1252" == read(path, text="Hi").encoding


# --- Delimiters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        (f"phone\n{A}\n", ","),
        (f"name,phone\nAnna;B,{A}\n", ","),
        (f"name;phone\nAnna,{A}\n".replace(",+", ";+"), ";"),
        (f"name\tphone\nA,b\t{A}\n", "\t"),
        (f"name|phone\nA,b|{A}\n", "|"),
        (f"name, first;phone\nAnna;{A}\nBob;{B}\n", ";"),
        (f'"name;x",phone\nAnna,{A}\n', ","),
        (f"sep=;\nname,x;phone\nAnna;{A}\n", ";"),
        (f"name;phone;a,b,c,d\nAnna;{A};x\nBob;{B};y\n", ";"),
    ],
)
def test_delimiters_are_detected(write, content, delimiter):
    """The delimiter is the one that gives the header and first rows equal numbers of cells."""
    people = read(write(content.encode()), text="Hi")

    assert delimiter == people.delimiter
    assert A in [row.phone for row in people]


def test_a_given_delimiter(write):
    """A given delimiter overrides detection."""
    people = read(write(f"name:phone\nAnna:{A}\n".encode()), text="Hi", delimiter=":")

    assert [Message(A, "Hi", "row-2")] == list(people)


def test_spaces_before_a_quote(write):
    """Spaces before a quoted cell, as in hand-written lists, are ignored."""
    path = write(f'name, phone\n"Doe, J", "{A}"\n'.encode())

    assert ["Doe, J"] == [row.text for row in read(path, text="{name}")]


def test_line_ends_of_all_systems(write):
    """Line breaks of all systems are read, old Macs' included."""
    path = write(f"phone\r{A}\r{B}\r".encode())

    assert ["row-2", "row-3"] == [row.ref for row in read(path, text="Hi")]


def test_an_endless_line(write):
    """A file without line breaks is refused without being read into memory."""
    path = write(b"phone\n" + b"x" * (1 << 21))

    with pytest.raises(RecipientsError) as caught:
        list(read(path, text="Hi"))

    expected = "people.csv: has a line of more than 1,048,576 characters; it is not a list of rows"
    assert expected == str(caught.value)


def test_an_oversized_cell(write):
    """A row with an oversized cell is refused, and reading continues."""
    path = write(f'phone,x\n{A},"{"x" * 200_000}"\n{B},y\n'.encode())
    first, second = read(path, text="Hi")

    assert ("BAD_QUOTES", B) == (first.code, second.phone)


def test_memory_is_bounded(write):
    """Reading a long list does not take memory in proportion to it."""
    path = write(b"phone,name\n" + f"{A},Anna\n".encode() * 15_000)
    people = read(path, text="Hi {name}")
    tracemalloc.start()
    total = sum(1 for _ in people)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 15_000 == total
    assert 1_000_000 > peak


# --- Workbooks ------------------------------------------------------------------------------------


def test_cells_of_a_workbook(workbook):
    """Cells are formatted as a spreadsheet shows them, and numbers have all digits."""
    values = [
        A,
        7,
        7.0,
        0.5,
        True,
        None,
        dt.datetime.fromisoformat("2026-12-24"),
        dt.date(2026, 12, 24),
    ]
    values += [dt.datetime.fromisoformat("2026-12-24T19:30"), dt.time(9, 5)]
    header = ["phone", *(f"c{n}" for n in range(1, len(values)))]
    people = read(workbook([header, values]), text="x")

    assert [
        (
            2,
            [
                A,
                "7",
                "7",
                "0.5",
                "TRUE",
                "",
                "2026-12-24",
                "2026-12-24",
                "2026-12-24 19:30",
                "09:05:00",
            ],
        )
    ] == list(people.rows())


def test_numeric_cells(workbook):
    """A numeric cell keeps all digits; a phone number needs a country code."""
    path = workbook([["phone"], [12125551234], [2125551234.0]])

    assert ["INVALID_PHONE"] * 2 == [row.code for row in read(path, text="Hi")]
    assert [A, A] == [row.phone for row in read(path, text="Hi", country="US")]


def test_rows_of_a_workbook_are_numbered_as_shown(workbook):
    """Empty rows of a workbook are counted, also those at the top."""
    path = workbook([[], ["phone"], [], [], [A]])

    assert ["row-5"] == [row.ref for row in read(path, text="Hi")]


def test_sheets(workbook):
    """The active sheet is read, or the one that is named."""
    path = workbook([["phone"], [A]])
    book = openpyxl.load_workbook(path)
    other = book.create_sheet("Other")
    other.append(["phone"])
    other.append([B])
    book.save(path)

    assert [A] == [row.phone for row in read(path, text="Hi")]
    assert [B] == [row.phone for row in read(path, text="Hi", sheet="Other")]
    expected = "people.xlsx: has no sheet 'No'; its sheets are 'People', 'Other'"
    assert expected == error(path, sheet="No")


def test_a_sheet_without_numbers(workbook):
    """The error names the sheet that was read, and the others."""
    path = workbook([["This workbook has our members"]])
    book = openpyxl.load_workbook(path)
    book.create_sheet("Members")
    book.create_sheet("Old")
    book.save(path)

    said = "; this is the sheet 'People'; sheet= selects another: 'Members', 'Old'"
    assert error(path).endswith(said)


def test_hidden_rows(workbook):
    """Rows hidden in a workbook are read like others, and marked."""
    path = workbook([["phone"], *([f"+1212555{n:04}"] for n in range(30_000))])
    book = openpyxl.load_workbook(path)
    for row in (3, 29_000):
        book.active.row_dimensions[row].hidden = True
    book.save(path)
    people = read(path, text="Hi")

    assert frozenset([3, 29_000]) == people.hidden
    assert 30_000 == sum(1 for _ in people)


def test_hidden_rows_without_numbers(tmp_path, workbook):
    """Rows whose numbers a program has left out are counted consecutively."""
    path, bare = workbook([["phone"], [A], [B]]), tmp_path / "bare.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bare, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("sheet1.xml"):
                content = re.sub(rb'<row r="\d+"', b"<row", content)
                content = content.replace(b"<row", b'<row hidden="true"', 1)
            new.writestr(name, content)

    assert frozenset([1]) == read(bare, text="Hi").hidden


def test_sums_are_rounded_as_a_spreadsheet_shows_them(workbook):
    """A float has at most 15 digits, so 0.1 + 0.2 is 0.3."""
    path = workbook([["phone", "sum"], [A, 0.1 + 0.2]])

    assert ["0.3"] == [row.text for row in read(path, text="{sum}")]


def test_a_workbook_with_another_extension(workbook):
    """A workbook is recognised by its content, whatever its name."""
    assert [A] == [row.phone for row in read(workbook([["phone"], [A]], "list.csv"), text="Hi")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest",
            (
                "is an old workbook, or one with a password; "
                "save it again as .xlsx or as CSV UTF-8, without a password"
            ),
        ),
        (b"%PDF-1.7", "is a PDF; save it again as .xlsx or as CSV UTF-8"),
        (
            b"PK\x03\x04",
            "is damaged, or is still being written; save it again as .xlsx or as CSV UTF-8",
        ),
        (
            b"\xef\xbb\xbf\n <HTML><table>",
            (
                "is a web page or XML; open it in a spreadsheet, "
                "and save it again as .xlsx or as CSV UTF-8"
            ),
        ),
        (b'[{"phone": "1"}]', "is JSON; export the rows as CSV UTF-8"),
        (b"BEGIN:VCARD\n", "is a file of contacts; export them as CSV UTF-8"),
    ],
)
def test_files_that_are_not_lists(write, content, reason):
    """The error says what the file is and what to do."""
    assert f"people.xlsx: {reason}" == error(write(content, "people.xlsx"))


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("content.xml", "is not an Excel workbook; save it again as .xlsx or as CSV UTF-8"),
        (
            "xl/workbook.xml",
            "cannot be read as a workbook; save it again as .xlsx or as CSV UTF-8",
        ),
    ],
)
def test_archives_that_are_not_workbooks(tmp_path, member, reason):
    """Other archives and damaged workbooks are refused."""
    path = tmp_path / "people.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "<nothing/>")

    assert f"people.ods: {reason}" == error(path)


def test_without_openpyxl(workbook):
    """Without openpyxl, the error names the extra to install."""
    program = (
        "import sys; sys.modules['openpyxl'] = None\n"
        "from customersms_async.recipients import read\n"
        "try: read(sys.argv[1], text='Hi')\n"
        "except ModuleNotFoundError as exc: print(exc)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(workbook([["phone"], [A]]))],
        capture_output=True,
        text=True,
        check=True,
    )

    expected = "reading .xlsx needs openpyxl: pip install 'customersms-async[cli]'"
    assert expected == done.stdout.strip()


def test_a_refusal_shows_no_number(write):
    """A refusal keeps the bad number, and shows only its shape."""
    (refusal,) = read(write(b"phone\n3235554567\n"), text="Hi")

    assert isinstance(refusal, Refusal)
    assert "3235554567" == refusal.phone
    assert "3235554567" not in repr(refusal) + str(refusal)
