"""Lists of recipients: rows, columns, texts, and what is refused."""

import pytest

from customersms_async import Message
from customersms_async.errors import ConfigurationError, InvalidMessage, InvalidPhone
from customersms_async.plan import plan_messages
from customersms_async.recipients import Problems, RecipientsError, Refusal, read

A, B, C = "+12125551234", "+13235554567", "+442071838750"


@pytest.fixture
def write(tmp_path):
    """Write a list and give its path."""

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
    """The number in E.164, the text filled in, and a reference made of the row."""
    path = write(f"Name,Phone\nAnna,{A}\nBob,+1 (323) 555-4567\n")

    assert [
        Message(A, "Hi Anna!", "row-2"),
        Message(B, "Hi Bob!", "row-3"),
    ] == rows(path, text="Hi {name}!")


def test_a_list_can_be_read_again(write):
    """Each iteration begins anew, and says what the file is."""
    people = read(write(f"Name;phone\nAnna;{A}\n"), text="Hi")

    assert list(people) == list(people)
    assert (("Name", "phone"), "phone", "utf-8", ";") == (
        people.columns,
        people.phone_column,
        people.encoding,
        people.delimiter,
    )
    assert repr(people).endswith("people.csv', utf-8, phone='phone')")


def test_the_cells_can_be_had(write):
    """For a file of results, rows are given as they stand there, bad ones included."""
    people = read(write(f"phone,name\n{A}, Anna \n\n555,\n"), text="Hi")

    assert [(2, [A, "Anna "]), (4, ["555", ""])] == list(people.rows())


@pytest.mark.parametrize(
    "name", ["phone number", "PHONE_NUMBER", " Phone-Number ", "\ufeffPhoneNumber"]
)
def test_names_are_compared_without_case_and_spaces(write, name):
    """Nor dashes, underscores and what cannot be seen."""
    path = write(f"id,{name}\n1,{A}\n")

    assert [Message(A, "Hi", "row-2")] == rows(path, phone="Phone Number")
    assert [Message(A, "Hi", "row-2")] == rows(path)


def test_texts_in_a_column(write):
    """Without a text, the column of texts is taken as it is, braces included."""
    path = write(f"Message,phone\nDear {{name}},{A}\n,{B}\n")
    first, second = read(path)

    assert Message(A, "Dear {name}", "row-2") == first
    assert (3, "EMPTY_CELL", "has nothing under 'Message'") == (
        second.row,
        second.code,
        second.reason,
    )


def test_a_text_in_a_file(write):
    """It is read in any encoding, without the line end at its end."""
    text = write("Grüße, {name}\n", "text.txt", "utf-16")
    path = write(f"phone,name\n{A},Anna\n")

    assert [Message(A, "Grüße, Anna", "row-2")] == rows(path, text=None, text_file=text)


def test_a_country(write):
    """Numbers without a country code are read as those of the country that is named."""
    path = write("phone\n(212) 555-1234\n")

    assert [Message(A, "Hi", "row-2")] == rows(path, country="US")
    assert ["INVALID_PHONE"] == [code for _, code, _ in refusals(path)]


def test_a_parser_of_the_callers(write):
    """It reads all numbers."""
    path = write("phone\n555\n")

    assert [Message(A, "Hi", "row-2")] == rows(path, parse_phone=lambda _: A if _ == "555" else "")


# --- Row numbers ----------------------------------------------------------------------------------


def test_rows_are_numbered_as_a_spreadsheet_shows_them(write):
    """A cell of several lines is in one row, and an empty line is a row."""
    path = write(f'\nname,phone\n"An\nna",{A}\n\n , \nBob,{B}\n')

    assert ["row-3", "row-6"] == [row.ref for row in rows(path)]


def test_line_ends_in_a_cell(write):
    """They are one character each, as in a workbook."""
    path = write(f'name,phone\r\n"An\r\nna\rB",{A}\r\n')

    assert ["An\nna\nB"] == [row.text for row in rows(path, text="{name}")]


def test_an_instruction_is_no_row(write):
    """A first line that names the delimiter is not shown by Excel, and not counted."""
    path = write(f"sep=;\nname;phone\nA,b;{A}\n")

    assert [Message(A, "A,b", "row-2")] == rows(path, text="{name}")


# --- Bad rows -------------------------------------------------------------------------------------


def test_bad_rows_never_stop_it(write):
    """Each is refused in its place with its reason, and the next one is read."""
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
    """An empty text is refused at once; what cannot be seen is a text all the same."""
    path = write(f"text,phone\n\u200b,{A}\n")

    assert [Message(A, "\u200b", "row-2")] == rows(path, text=None)
    with pytest.raises(InvalidMessage):
        read(path, text=" ")


def test_half_a_character(write):
    """Some encodings can write what UTF-8 cannot."""
    path = write(b"text,phone\nx+2AA-,00 12125551234\n")
    reason = "text has a lone surrogate at position 1, which UTF-8 cannot encode; remove it"

    assert [(2, "INVALID_MESSAGE", reason)] == refusals(path, text=None, encoding="utf-7")


def test_a_mark_within_a_file(write):
    """Files that were put together have byte-order marks inside."""
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
    """A quote that is not closed costs its row, and not the rows behind it."""
    path = write(f"name,phone\n{line}\nBob,{B}\nCy,{C}\n")
    found = rows(path)

    assert codes == [row.code for row in found if isinstance(row, Refusal)]
    assert [B, C] == [row.phone for row in found if isinstance(row, Message)][-2:]


def test_a_quote_that_is_never_closed_is_bounded(write):
    """Reading goes on behind it, however long the file is."""
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
    ],
)
def test_the_header_and_the_text_are_checked_first(write, header, options, reason):
    """One class of error at a time says what is wrong, before the first row is read."""
    assert f"people.csv: {reason}" == error(write(f"{header}\n"), **options)


def test_duplicates_that_nobody_asks_for(write):
    """A header may stand twice where nothing is taken from it."""
    assert 1 == len(rows(write(f"phone,x,x\n{A},1,2\n")))


def test_columns_far_to_the_right(write):
    """They are named as a spreadsheet does."""
    header = ",".join([*(f"c{n}" for n in range(26)), "phone", "phone"])

    assert "appears more than once (AA and AB)" in error(write(f"{header}\n"))


def test_an_error_shows_twenty_problems(tmp_path):
    """It keeps all of them, and shows a person what can be read."""
    found = RecipientsError(tmp_path / "x.csv", *(f"row {n}" for n in range(1_025)))

    assert str(found).endswith("row 19; and 1,005 more")
    assert 1_025 == len(found.problems)


@pytest.mark.parametrize(
    "options",
    [{"text": "a", "text_file": "b"}, {"country": "US", "parse_phone": str}, {"country": "Narnia"}],
)
def test_options_that_make_no_sense(write, options):
    """They are refused before the file is read."""
    with pytest.raises(ConfigurationError):
        read(write("phone\n"), **{"text": None, **options})


def test_a_file_that_is_not_there(tmp_path):
    """The error is Python's own."""
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.csv", text="Hi")


# --- Those who want nothing -----------------------------------------------------------------------


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
    """A column of numbers, with a header or without, is skipped."""
    skip = write(content, "stop.csv")
    path = write(f"phone\n{A}\n{B}\n")
    skipped, kept = rows(path, skip=skip)

    reason = "is on the opt-out list"
    assert (2, "SKIPPED", reason) == (skipped.row, skipped.code, skipped.reason)
    assert B == kept.phone
    assert 1 == plan_messages(rows(path, skip=str(skip))).skipped


@pytest.mark.parametrize("content", ["", "\n", "phone\n"])
def test_nobody_has_opted_out(write, content):
    """An empty list skips nobody."""
    assert 1 == len(rows(write(f"phone\n{A}\n"), skip=write(content, "stop.csv")))


def test_opt_outs_of_the_caller(write):
    """Any iterable of numbers will do; a bad one is an error."""
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
        (f"{A}\n2125551234\n", f"row 2 {NO_COUNTRY}"),
        (f"{A}\n" + "555\n" * 3, f"rows 2, 3, 4: each {NO_COUNTRY}"),
        (
            f"{A}\n" + "555\n" * 30,
            f"rows {', '.join(map(str, range(2, 22)))} and 10 more: each {NO_COUNTRY}",
        ),
        (f'phone\n"{A}\n{B}\n', f"row 2 {BAD_QUOTES}"),
        ("a,b\n1,2\n", "say which column has the numbers with phone=; the columns are 'a', 'b'"),
        ("555\n", f"row 1 {NO_COUNTRY}"),
        ("name,phone\nAnna\n", "row 2 is empty; write it like +12125551234"),
    ],
)
def test_opt_outs_that_cannot_be_read(write, content, reason):
    """Then nobody knows who wants no messages, and nothing is read."""
    path = write(f"phone\n{A}\n")

    assert f"stop.csv: {reason}" == error(path, skip=write(content, "stop.csv"))


# --- What is shown --------------------------------------------------------------------------------


def test_one_class_of_problems_at_a_time():
    """That which hides others comes first, with at most twenty rows."""
    problems = Problems()
    for row in range(2, 30):
        problems.add(Refusal(row, "ROW_TOO_LONG", "has 3 cells"))
        problems.add(Refusal(row + 100, "INVALID_PHONE", "has letters"))
        problems.add(Refusal(row + 200, "SKIPPED", "is on the list"))
    lines = problems.lines()

    assert 56 == problems.count
    assert [
        f"rows {', '.join(map(str, range(2, 22)))}: each has 3 cells",
        "and 8 more like these",
        "and 28 with something else, shown once these are fixed",
    ] == lines


def test_rows_with_the_same_reason():
    """They stand in one line, in the order in which the reasons were met."""
    problems = Problems()
    for row, reason in [(2, "has letters"), (5, "is too long"), (7, "has letters")]:
        problems.add(Refusal(row, "INVALID_PHONE", reason))

    assert ["rows 2, 7: each has letters", "row 5: is too long"] == problems.lines()


def test_few_problems():
    """All are shown where there are few, and none where there are none."""
    problems = Problems()

    assert [] == problems.lines()
    problems.add(Refusal(2, "INVALID_PHONE", "has letters"))
    assert ["row 2: has letters"] == problems.lines()
