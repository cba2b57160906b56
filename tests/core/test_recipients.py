"""Lists of recipients: rows, columns, texts, and refused rows."""

import pytest

from customersms_async import Message
from customersms_async.errors import ConfigurationError, InvalidMessage, InvalidPhone
from customersms_async.plan import plan_messages
from customersms_async.recipients import Problems, RecipientsError, Refusal, read

A, B, C = "+12125551234", "+13235554567", "+442071838750"


@pytest.fixture
def write(tmp_path):
    """Write a list to a file and return its path."""

    def write_file(content, name="people.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write_file


def rows(path, **options):
    return list(read(path, **{"text": "Hi", **options}))


def refusals(path, **options):
    return [(r.row, r.code, r.reason) for r in rows(path, **options) if isinstance(r, Refusal)]


def error(path, **options):
    with pytest.raises(RecipientsError) as caught:
        read(path, **{"text": "Hi", **options})
    return str(caught.value)


# --- Good rows ------------------------------------------------------------------------------------


def test_a_row_is_a_message(write):
    """A row gives a message with the number in E.164, the filled text and a reference."""
    path = write(f"Name,Phone\nAnna,{A}\nBob,+1 (323) 555-4567\n")

    assert [
        Message(A, "Hi Anna!", "row-2"),
        Message(B, "Hi Bob!", "row-3"),
    ] == rows(path, text="Hi {name}!")


def test_a_list_can_be_read_again(write):
    """A list can be iterated over more than once, and describes its file."""
    people = read(write(f"Name;phone\nAnna;{A}\n"), text="Hi")

    assert list(people) == list(people)
    assert (("Name", "phone"), "phone", "utf-8", ";") == (
        people.columns,
        people.phone_column,
        people.encoding,
        people.delimiter,
    )
    assert repr(people).endswith("people.csv', utf-8, phone='phone')")


def test_raw_rows(write):
    """`rows` gives all cells as they are in the file, bad rows included."""
    people = read(write(f"phone,name\n{A}, Anna \n\n555,\n"), text="Hi")

    assert [(2, [A, "Anna "]), (4, ["555", ""])] == list(people.rows())


@pytest.mark.parametrize(
    "name", ["phone number", "PHONE_NUMBER", " Phone-Number ", "\ufeffPhoneNumber"]
)
def test_column_names_are_compared_loosely(write, name):
    """Case, spaces, dashes, underscores and invisible characters in names are ignored."""
    path = write(f"id,{name}\n1,{A}\n")

    assert [Message(A, "Hi", "row-2")] == rows(path, phone="Phone Number")
    assert [Message(A, "Hi", "row-2")] == rows(path)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Phone No.",
            "Phone #",
            "Mobile Phone",
            "Phone (mobile)",
            "Cell.",
            "Tel.",
            "Contact number",
        ),
        *(
            "N\u00b0 cellulare",
            "Numero di telefono",
            "Recapito telefonico",
            "Handy-Nr.",
            "Telefonnr.",
        ),
        *("Mobiltelefon", "Rufnummer", "Num\u00e9ro de portable", "N\u00b0 de t\u00e9l\u00e9phone"),
        *(
            "M\u00f3vil",
            "N\u00famero de tel\u00e9fono",
            "Celular",
            "Telefone",
            "Mobiel",
            "Nr telefonu",
        ),
        "Nummer",
    ],
)
def test_names_of_the_column_of_numbers(write, name):
    """Common names in several languages are recognised, with or without accents."""
    assert name == read(write(f"Name,{name}\nAnna,{A}\n"), text="Hi").phone_column


@pytest.mark.parametrize("name", ["Phoneme", "Ruf", "Contact", "Portal", "Cellar", "Numbers"])
def test_other_columns_are_not_taken_for_numbers(write, name):
    """A name that only resembles a known one is not recognised."""
    assert "say which column has the numbers with phone=" in error(write(f"Name,{name}\nA,b\n"))


def test_a_better_name_for_the_column_of_numbers(write):
    """A column named "number" does not compete with one that is named for phones."""
    assert "Mobile" == read(write(f"Number,Mobile\n1,{A}\n"), text="Hi").phone_column


def test_texts_in_a_column(write):
    """Without a text, the column of texts is used as it is, braces included."""
    path = write(f"Message,phone\nDear {{name}},{A}\n,{B}\n")
    first, second = read(path)

    assert Message(A, "Dear {name}", "row-2") == first
    assert (3, "EMPTY_CELL", "has nothing under 'Message'") == (
        second.row,
        second.code,
        second.reason,
    )


def test_a_text_in_a_file(write):
    """A text file is read in any encoding, without its final line break."""
    text = write("Grüße, {name}\n", "text.txt", "utf-16")
    path = write(f"phone,name\n{A},Anna\n")

    assert [Message(A, "Grüße, Anna", "row-2")] == rows(path, text=None, text_file=text)


def test_a_country(write):
    """With `country`, numbers without a country code are read as national."""
    path = write("phone\n(212) 555-1234\n")

    assert [Message(A, "Hi", "row-2")] == rows(path, country="US")
    assert ["INVALID_PHONE"] == [code for _, code, _ in refusals(path)]


def test_a_custom_parser(write):
    """With `parse_phone`, all numbers are parsed by it."""
    path = write("phone\n555\n")

    assert [Message(A, "Hi", "row-2")] == rows(path, parse_phone=lambda _: A if _ == "555" else "")


# --- Row numbers ----------------------------------------------------------------------------------


def test_rows_are_numbered_as_a_spreadsheet_shows_them(write):
    """A cell of several lines belongs to one row, and an empty line counts as a row."""
    path = write(f'\nname,phone\n"An\nna",{A}\n\n , \nBob,{B}\n')

    assert ["row-3", "row-6"] == [row.ref for row in rows(path)]


def test_line_ends_in_a_cell(write):
    """A line break in a cell becomes one line feed, as in a workbook."""
    path = write(f'name,phone\r\n"An\r\nna\rB",{A}\r\n')

    assert ["An\nna\nB"] == [row.text for row in rows(path, text="{name}")]


def test_a_delimiter_line_is_not_a_row(write):
    """A first line `sep=;`, which Excel hides, is not counted as a row."""
    path = write(f"sep=;\nname;phone\nA,b;{A}\n")

    assert [Message(A, "A,b", "row-2")] == rows(path, text="{name}")


# --- Bad rows -------------------------------------------------------------------------------------


def test_bad_rows_are_refused_in_place(write):
    """Each bad row is refused in its place with a reason, and reading continues."""
    path = write(
        "name,phone\n"
        "Anna,\n"
        "Bob,1.21256E+10\n"
        f",{A}\n"
        f"Dan,{A},surplus\n"
        f"Eve,{A},\n"
        "Fay\n"
        "Name,Phone\n"
        "name,phone\n"
        "#N/A,+12125551234\n"
        "Gus,#REF!\n"
        f"H\0al,{A}\n"
        f"Ida,{A}\n"
    )
    spoilt = "was changed by a spreadsheet; format the column as text and enter it again"

    assert [
        (2, "NO_PHONE", "has nothing under 'phone'"),
        (3, "INVALID_PHONE", spoilt),
        (4, "EMPTY_CELL", "has nothing under 'name'"),
        (
            5,
            "ROW_TOO_LONG",
            "has 3 cells under 2 columns; name each column, or quote cells with separators in them",
        ),
        (7, "NO_PHONE", "has nothing under 'phone'"),
        (8, "HEADER_AGAIN", "is the header again; remove it"),
        (9, "HEADER_AGAIN", "is the header again; remove it"),
        (
            10,
            "SPREADSHEET_ERROR",
            "has #N/A under 'name', an error of the spreadsheet; fix the formula",
        ),
        (
            11,
            "SPREADSHEET_ERROR",
            "has #REF! under 'phone', an error of the spreadsheet; fix the formula",
        ),
        (
            12,
            "NUL_CHARACTER",
            "has a NUL character: the file is damaged, or in another encoding; save it again",
        ),
    ] == refusals(path, text="Hi {name}")
    good = ["row-4", "row-6", "row-10", "row-13"]
    assert good == [row.ref for row in rows(path) if isinstance(row, Message)]


def test_a_text_that_cannot_be_sent(write):
    """An empty text is refused immediately; an invisible character counts as text."""
    path = write(f"text,phone\n\u200b,{A}\n")

    assert [Message(A, "\u200b", "row-2")] == rows(path, text=None)
    with pytest.raises(InvalidMessage):
        read(path, text=" ")


def test_a_lone_surrogate(write):
    """A text that UTF-8 cannot encode is refused, in encodings that can represent it."""
    path = write(b"text,phone\nx+2AA-,00 12125551234\n")
    reason = "text has a lone surrogate at position 1, which UTF-8 cannot encode; remove it"

    assert [(2, "INVALID_MESSAGE", reason)] == refusals(path, text=None, encoding="utf-7")


def test_byte_order_marks_within_a_file(write):
    """Byte-order marks inside a file, as left by concatenation, are ignored."""
    path = write(f"\ufeff\ufeffphone,name\n\ufeff{A},\ufeffAnna\n")

    assert [Message(A, "Hi Anna", "row-2")] == rows(path, text="Hi {name}")


BAD_QUOTES = (
    "has a quotation mark that is not closed, or not doubled within quotes; fix it in the file"
)


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (f'"Anna,{A}', ["BAD_QUOTES"]),
        (f'"Anna" B,{A}', ["BAD_QUOTES"]),
        (f'An"na,{A}', []),
        (f'"An""na",{A}', []),
        (f'"Two\nlines" x,{A}', ["BAD_QUOTES"]),
    ],
)
def test_quotes(write, line, codes):
    """An unclosed quote spoils its own row only."""
    path = write(f"name,phone\n{line}\nBob,{B}\nCy,{C}\n")
    found = rows(path)

    assert codes == [row.code for row in found if isinstance(row, Refusal)]
    assert [B, C] == [row.phone for row in found if isinstance(row, Message)][-2:]


def test_an_unclosed_quote_in_a_long_file(write):
    """Reading continues after a quote that is never closed, in a file of any length."""
    many = "".join(f"Bob,+1323{n:07}\n" for n in range(20_000))
    path = write(f'name,phone\n"Anna,{A}\n{many}')
    found = rows(path)

    assert (2, "BAD_QUOTES", BAD_QUOTES) == (found[0].row, found[0].code, found[0].reason)
    assert 20_000 == sum(isinstance(row, Message) for row in found)
    assert "row-20002" == found[-1].ref


# --- The header and the text ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "options", "reason"),
    [
        (
            "name,city",
            {},
            "say which column has the numbers with phone=; the columns are 'name', 'city'",
        ),
        (
            "mobile,tel",
            {},
            (
                "'mobile' and 'tel' could each be it: "
                "say which column has the numbers with phone=; the columns are 'mobile', 'tel'"
            ),
        ),
        (
            "phone,Phone",
            {},
            "the column 'phone' appears more than once (A and B); rename all but one",
        ),
        (
            "phone,nmae",
            {"text": "{name}"},
            "there is no column 'name' (did you mean 'nmae'?); the columns are 'phone', 'nmae'",
        ),
        (
            "phone,x",
            {"text": "{name}{day}{name}"},
            (
                "there is no column 'name'; the columns are 'phone', 'x'; "
                "there is no column 'day'; the columns are 'phone', 'x'"
            ),
        ),
        (
            "phone,x,X",
            {"text": "{x}"},
            "the column 'x' appears more than once (B and C); rename all but one",
        ),
        ("phone,x", {"phone": "y"}, "there is no column 'y'; the columns are 'phone', 'x'"),
        (
            "phone,x",
            {"text": None},
            "give the text with text= or text_file=; the columns are 'phone', 'x'",
        ),
        (
            "phone,x",
            {"text": "Hi {x"},
            (
                "the { at position 3 opens no placeholder; "
                "write {name of a column}, or {{ for the character itself"
            ),
        ),
        (
            A,
            {},
            (
                "has a number in row 1, where the names of the columns should be; "
                "add a line like phone,name above it"
            ),
        ),
        ('"phone', {}, f"row 1 {BAD_QUOTES}"),
        ("\n \n", {}, "has no rows"),
        (
            "Phone,Mobile",
            {},
            (
                "'Phone' and 'Mobile' could each be it: "
                "say which column has the numbers with phone=; the columns are 'Phone', 'Mobile'"
            ),
        ),
        (
            "Members,\n,\nname,phone",
            {},
            (
                "say which column has the numbers with phone=; the columns are 'Members'; "
                "row 3 looks like the header: remove the rows above it"
            ),
        ),
        (
            "Members,\n,\nname,where",
            {"phone": "Where"},
            (
                "there is no column 'Where'; the columns are 'Members'; "
                "row 3 looks like the header: remove the rows above it"
            ),
        ),
        (
            "name,WhatsApp\nAnna,2025-12-24\nBob,212 555 1234",
            {},
            (
                "say which column has the numbers with phone=; the columns are 'name', 'WhatsApp'; "
                "there are numbers under 'WhatsApp'"
            ),
        ),
        (
            "Anna,(212) 555-1234",
            {},
            (
                "has a number in row 1, where the names of the columns should be; "
                "add a line like phone,name above it"
            ),
        ),
    ],
)
def test_the_header_and_the_text_are_checked_first(write, header, options, reason):
    """Header and text are checked before the first row, one class of errors at a time."""
    assert f"people.csv: {reason}" == error(write(f"{header}\n"), **options)


def test_duplicate_columns_that_are_not_used(write):
    """A column name may appear twice if it is not used."""
    assert 1 == len(rows(write(f"phone,x,x\n{A},1,2\n")))


def test_columns_beyond_z(write):
    """Columns are named as in a spreadsheet, such as AA."""
    header = ",".join([*(f"c{n}" for n in range(26)), "phone", "phone"])

    assert "appears more than once (AA and AB)" in error(write(f"{header}\n"))


def test_an_error_shows_twenty_problems(tmp_path):
    """The str of an error shows twenty problems; `problems` has all."""
    found = RecipientsError(tmp_path / "x.csv", *(f"row {n}" for n in range(1_025)))

    assert str(found).endswith("row 19; and 1,005 more")
    assert 1_025 == len(found.problems)


@pytest.mark.parametrize(
    "options",
    [{"text": "a", "text_file": "b"}, {"country": "US", "parse_phone": str}, {"country": "Narnia"}],
)
def test_invalid_options(write, options):
    """Invalid options are refused before the file is read."""
    with pytest.raises(ConfigurationError):
        read(write("phone\n"), **{"text": None, **options})


def test_a_missing_file(tmp_path):
    """A missing file raises Python's own FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.csv", text="Hi")


# --- Opt-outs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        f"{A}\n{C}\n",
        f"phone\n{A}\n",
        "Stop\n+1 212 555 1234\n",
        f"name;Mobile\nAnna;{A}\n;{B[:-1]}8\n",
        f"Anna;{A}\n",
    ],
)
def test_opt_outs_in_a_file(write, content):
    """The numbers of an opt-out file are skipped, with or without a header."""
    skip = write(content, "stop.csv")
    path = write(f"phone\n{A}\n{B}\n")
    skipped, kept = rows(path, skip=skip)

    reason = "is on the opt-out list"
    assert (2, "SKIPPED", reason) == (skipped.row, skipped.code, skipped.reason)
    assert B == kept.phone
    assert 1 == plan_messages(rows(path, skip=str(skip))).skipped


@pytest.mark.parametrize("content", ["", "\n", "phone\n"])
def test_an_empty_opt_out_list(write, content):
    """An empty opt-out list skips nobody."""
    assert 1 == len(rows(write(f"phone\n{A}\n"), skip=write(content, "stop.csv")))


def test_opt_outs_from_an_iterable(write):
    """Opt-outs may be any iterable of numbers; a bad one is an error."""
    path = write(f"phone\n{A}\n")

    assert ["SKIPPED"] == [row.code for row in rows(path, skip=["+1 212 555 1234"])]
    with pytest.raises(InvalidPhone):
        read(path, text="Hi", skip=["555"])


NO_COUNTRY = (
    "has no country code; begin with + or 00, like +12125551234; "
    "or say whose numbers these are with country="
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{A}\n2125551234\n", f"row 2: {NO_COUNTRY}"),
        (f"{A}\n" + "555\n" * 3, f"rows 2, 3, 4: each {NO_COUNTRY}"),
        (
            f"{A}\n" + "555\n" * 30,
            f"rows {', '.join(map(str, range(2, 12)))} and 20 more: each {NO_COUNTRY}",
        ),
        (f'phone\n"{A}\n{B}\n', f"row 2: {BAD_QUOTES}"),
        ("a,b\n1,2\n", "say which column has the numbers with phone=; the columns are 'a', 'b'"),
        ("555\n", f"row 1: {NO_COUNTRY}"),
        ("name,phone\nAnna\n", "row 2: is empty; write it like +12125551234"),
    ],
)
def test_unreadable_opt_outs(write, content, reason):
    """If the opt-outs cannot be read, no row is."""
    path = write(f"phone\n{A}\n")

    assert f"stop.csv: {reason}" == error(path, skip=write(content, "stop.csv"))


# --- What is shown -------------------------------------------------------------------------------


def test_all_problems_are_shown_in_the_order_of_fixing():
    """Each reason is a line with up to ten rows; reasons that may hide others come first."""
    problems = Problems()
    for row in range(2, 30):
        problems.add(Refusal(row + 100, "INVALID_PHONE", "has letters"))
        problems.add(Refusal(row, "ROW_TOO_LONG", "has 3 cells"))
        problems.add(Refusal(row + 200, "SKIPPED", "is on the list"))
    problems.add(Refusal(90, "INVALID_PHONE", "is too long"))
    lines = problems.lines()

    assert (57, 36) == (problems.count, problems.unnamed)
    assert [
        f"rows {', '.join(map(str, range(2, 12)))} and 18 more: each has 3 cells",
        f"rows {', '.join(map(str, range(102, 112)))} and 18 more: each has letters",
        "row 90: is too long",
    ] == lines


def test_rows_with_the_same_reason():
    """Rows with the same reason share a line, in the order in which reasons appeared."""
    problems = Problems()
    for row, reason in [(2, "has letters"), (5, "is too long"), (7, "has letters")]:
        problems.add(Refusal(row, "INVALID_PHONE", reason))

    assert ["rows 2, 7: each has letters", "row 5: is too long"] == problems.lines()
    assert 0 == problems.unnamed


def test_many_reasons():
    """Twenty reasons are shown, the first class before all others, and the rest is counted."""
    problems = Problems()
    for row in range(2, 1_002):
        problems.add(Refusal(row, "INVALID_PHONE", f"was refused with {row}"))
    problems.add(Refusal(2_000, "BAD_QUOTES", "has a quotation mark"))
    lines = problems.lines()

    assert "row 2000: has a quotation mark" == lines[0]
    assert ["row 20: was refused with 20", "and 981 more for other reasons"] == lines[-2:]
    assert (1_001, 981) == (problems.count, problems.unnamed)


def test_few_problems():
    """A few problems are shown in full; without problems, nothing is shown."""
    problems = Problems()

    assert [] == problems.lines()
    problems.add(Refusal(2, "INVALID_PHONE", "has letters"))
    assert ["row 2: has letters"] == problems.lines()
