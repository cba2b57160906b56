"""Phone numbers: which are accepted, which are refused, and what the error says."""
# ruff: noqa: RUF001  # digits and signs of other scripts are what is tested

import enum
import random
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as COUNTRIES
from phonenumbers.phonemetadata import PhoneMetadata

from customersms_async._values.redaction import mask_phone
from customersms_async.errors import InvalidPhone
from customersms_async.phones import checked, e164_digits, normalize_phone, split_phones

NUMBER = "+12125551234"

E164 = st.from_regex(r"\+(?:39[0-9]{5,13}|[1-9]{4}[0-9]{3,11})", fullmatch=True)
SEPARATORS = st.sampled_from(["", " ", "-", ".", "(", ")", "\u00a0", "\u2011", "\u200e", "\u202c"])
DIGIT_SETS = st.sampled_from(
    ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９", "०१२३४५६७८९"]
)
SCRIBBLES = st.one_of(
    st.text(),
    st.text(alphabet="+0123456789 ().-\n\t'=\"eE,tel:/", max_size=30),
    st.text(alphabet=st.characters(categories=["N", "Cf", "Zs", "Pd", "Sm"])),
)


def reason_for(phone):
    with pytest.raises(InvalidPhone) as caught:
        normalize_phone(phone)
    return caught.value.reason


def is_accepted(phone):
    try:
        normalize_phone(phone)
    except InvalidPhone:
        return False
    return True


@pytest.mark.parametrize(
    "written",
    [
        "+12125551234",
        "+1 212 555 1234",
        "+1-212-555-1234",
        "+1 (212) 555-1234",
        "+1 [212] 555.1234",
        "+1.212.555.1234",
        "+1·212·555·1234",
        "+ 1 212 555 1234",
        "0012125551234",
        "00 1 (212) 555-1234",
        "(00) 12125551234",
        "tel:+12125551234",
        "TEL: +1-212-555-1234",
        "tel:0012125551234",
        '="+12125551234"',
        '=" 0012125551234 "',
        "'+12125551234",
        "'+12125551234'",
        '"+12125551234"',
        '" +1 212 555 1234 "',
        "\u201c+12125551234\u201d",
        "\u201etel:+12125551234\u201c",
        "'tel:+12125551234",
        "  +12125551234\r\n",
        "\ufeff+12125551234",
        "\u202a+12125551234\u202c",
        "+1\u00ad212\u200b5551234",
        "+1\u00a0212\u202f555\u20091234",
        "+1\u2010212\u2011555\u20121234",
        "+1\u2013212\u2014555\u22121234",
        "＋１２１２５５５１２３４",
        "＋１（２１２）５５５－１２３４",
        "+١٢١٢٥٥٥١٢٣٤",
        "+۱۲۱۲۵۵۵۱۲۳۴",
        "+१२१२५५५१२३४",
        "+𝟏𝟐𝟏𝟐𝟓𝟓𝟓𝟏𝟐𝟑𝟒",
    ],
)
def test_accepted_spelling(written):
    """Every common spelling of a number, by people or machines, gives the same E.164."""
    assert NUMBER == normalize_phone(written)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("", "is empty; write it like +12125551234"),
        ("   ", "is empty"),
        ("\u200b\ufeff", "is empty"),
        ('=""', "is empty"),
        ('""', "is empty"),
        ('"+12125551234', "has characters"),
        ("'", "is empty"),
        ("()", "is empty"),
        ("tel:", "is empty"),
        ("2125551234", "no country code; begin with + or 00"),
        ("(212) 555-1234", "no country code; begin with + or 00"),
        ("0212 5551234", "no country code; begin with + or 00"),
        ("+0012125551234", "begins with 0"),
        ("+02125551234", "begins with 0"),
        ("000 12125551234", "begins with 0"),
        ("+", "too short; with its country code it has at least 7 digits"),
        ("+123456", "too short"),
        ("00123456", "too short"),
        ("+1234567890123456", "too long; with its country code a number has at most 15 digits"),
        ("+1 212 555 1234 x5", "has letters; write digits only"),
        ("+1-212-555-1234 ext. 5", "has letters"),
        ("tel:+1-212-555-1234;ext=5", "has letters"),
        ("+1-800-FLOWERS", "has letters"),
        ("call me", "has letters"),
        ("+1212555123Ⅷ", "has letters"),
        ("+1 212 555 1234 / 1235", "has characters that no number has; give one number"),
        ("+1 212 555 1234, +1 323 555 4567", "has characters"),
        ("+1 212 555 1234; ", "has characters"),
        ("=+12125551234", "has characters"),
        ("+1_212_555_1234", "has characters"),
        ("+1-212-555-1234 #5", "has characters"),
        ("☎ +12125551234", "has characters"),
        ("+1 212 555 1234 +1 323 555 4567", "has a + inside; write one number per field"),
        ("++12125551234", "has a + inside"),
        ("+1+2125551234", "has a + inside"),
        ("12125551234+", "has a + inside"),
        ("1.21256E+10", "changed by a spreadsheet; format the column as text"),
        ("1,21256E+10", "changed by a spreadsheet"),
        ("+1.21256e10", "changed by a spreadsheet"),
        ("1E+10", "changed by a spreadsheet"),
        ("12125551234.0", "changed by a spreadsheet"),
        ("+12125551234.00", "changed by a spreadsheet"),
        ("0012125551234,0", "changed by a spreadsheet"),
        ("+44 (0) 20 7946 0958", "(0) that is not dialled from abroad"),
        ("+44 [0]20 7946 0958", "(0) that is not dialled from abroad"),
    ],
)
def test_the_error_says_what_is_valid(written, hint):
    """The error for a bad number says what is wrong and what would be valid."""
    assert hint in reason_for(written)


@pytest.mark.parametrize(
    "written",
    [
        "+1212555123\u00b2",
        "+12125551234\u00b9",
        "+1212555\u2460\u2461\u2462\u2463",
        "+12125551234\u00bd",
    ],
)
def test_footnote_marks_are_refused(written):
    """Superscript, circled and fraction characters are refused, as they may be footnote marks."""
    assert not is_accepted(written)


@pytest.mark.parametrize(
    "between", ["\n", "\r\n", "\t", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
)
def test_two_fields_are_not_joined(between):
    """Digits after a line break or a tab are refused as belonging to another field."""
    assert not is_accepted(f"+4930123{between}4567")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        (12125551234, "int"),
        (1.2e10, "float"),
        (b"+12125551234", "bytes"),
        ([], "list"),
    ],
)
def test_not_a_string(value, kind):
    """A value that is not a string is refused by its type, with a valid example."""
    assert f"must be a string like '+12125551234', not {kind}" == reason_for(value)


def test_the_error_keeps_the_input():
    """The error keeps the input as given, so that a caller can find it."""
    with pytest.raises(InvalidPhone) as caught:
        normalize_phone(" 212-555 ")

    assert " 212-555 " == caught.value.phone


@given(SCRIBBLES)
@example("\ud800")
@example("+" + "9" * 100_000)
@example("(" * 50_000)
@example("( " * 50_000)
@example("1" * 50_000 + "e")
@example("'" * 50_000)
def test_any_text_is_a_number_or_a_refusal(text):
    """Any text gives either a number in E.164 or `InvalidPhone`."""
    assert is_e164(normalize_phone(text)) if is_accepted(text) else reason_for(text)


def decimals_of(text):
    return "".join(str(unicodedata.decimal(c)) for c in text if c.isdecimal())


@given(SCRIBBLES)
@example("+1 212 555 1234")
def test_digits_keep_their_order(text):
    """An accepted number has the input's digits in their order, without a leading 00."""
    if not is_accepted(text):
        return

    assert decimals_of(text).lstrip("0") == normalize_phone(text)[1:]


@given(
    E164,
    st.lists(SEPARATORS, min_size=16, max_size=16),
    DIGIT_SETS,
    st.sampled_from(["+", "00", "tel:+", "'+"]),
)
def test_any_spelling_of_a_number(number, separators, digits, prefix):
    """Separators, scripts of digits and prefixes do not change which number is read."""
    spelt = "".join(sep + digits[int(d)] for sep, d in zip(separators, number[1:], strict=False))

    # A 0 in brackets would be the trunk 0, which is refused for a different reason.
    if "(" in spelt and ")" in spelt:
        spelt = spelt.replace("(", "").replace(")", "")
    # A point followed by zeros only would be a spreadsheet's decimal places.
    if spelt.rstrip(digits[0]).endswith("."):
        spelt = spelt.replace(".", "")

    assert number == normalize_phone(prefix + spelt)


@given(SCRIBBLES)
@example(" +1 (212) 555-1234 ")
def test_normalizing_is_idempotent(text):
    """A number that was normalized is accepted again, unchanged."""
    if not is_accepted(text):
        return
    once = normalize_phone(text)

    assert once == normalize_phone(once)


ITEMS = st.one_of(
    E164,
    E164.map(lambda number: number + "\n"),
    E164.map(lambda number: number + ","),
    E164.map(lambda number: "," + number),
    st.tuples(E164, E164).map(",".join),
    st.sampled_from(
        ["", "\n", "+", "+0123456", "+123456", "+1234567890123456", "12125551234", "+١٢١٢٥٥٥"]
    ),
    st.sampled_from([None, 12125551234, b"+12125551234", ("+12125551234",)]),
    st.text(max_size=5),
)


def is_e164(item):
    return (
        isinstance(item, str)
        and item[:1] == "+"
        and 7 <= len(item[1:]) <= 15
        and set(item[1:]) <= set("0123456789")
        and item[1] != "0"
        and not has_trunk_zero(item[1:])
    )


#: Country codes whose numbers may begin with 0.
KEPT = {39, 47, 225, 226, 227, 229, 241, 242, 247, 250, 378, 800, 881, 888, 992}


def has_trunk_zero(digits):
    code = next((c for c in (digits[:1], digits[:2], digits[:3]) if int(c) in COUNTRIES), None)
    return code is not None and int(code) not in KEPT and digits[len(code)] == "0"


def patterns_of(code):
    """Return the patterns that a published list has for a country code's numbers, by kind."""
    for region in COUNTRIES[code]:
        plan = (
            PhoneMetadata.metadata_for_nongeo_region(code)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region)
        )
        for kind in ("fixed_line", "mobile", "general_desc"):
            said = getattr(plan, kind)
            if said is not None and said.national_number_pattern:
                lengths = said.possible_length or plan.general_desc.possible_length
                yield kind, re.compile(said.national_number_pattern), lengths


def numbers_with_zero(pattern, lengths, dice):
    """Generate numbers that match a pattern and begin with 0."""
    for length in lengths:
        for _ in range(100):
            number = "0" + "".join(dice.choices("0123456789", k=length - 1))
            if pattern.fullmatch(number):
                yield number


@pytest.mark.parametrize("code", sorted(COUNTRIES))
def test_country_codes_followed_by_zero(code):
    """A 0 after a country code is refused unless some number there begins with it."""
    dice = random.Random(code)
    kinds = {
        kind
        for kind, pattern, lengths in patterns_of(code)
        if any(numbers_with_zero(pattern, lengths, dice))
    }

    assert is_accepted(f"+{code}012345678") is (code in KEPT)
    assert code in KEPT or not kinds & {"fixed_line", "mobile"}


@pytest.mark.parametrize(
    "written",
    ["+44 07700 900123", "+4407700900123", "004407700900123", "+1 0212 5551234", "+70123456"],
)
def test_a_trunk_zero_is_refused(written):
    """A trunk 0 after the country code is refused, since it would give one line two numbers."""
    assert "has a 0 after the country code that is not dialled from abroad" in reason_for(written)
    assert e164_digits([written.replace(" ", "")]) is None


@pytest.mark.parametrize("number", ["+390669812345", "+2250712345678", "+378054912345"])
def test_a_significant_zero(number):
    """If numbers of a country begin with 0, as in Italy, the 0 is kept."""
    assert number == normalize_phone(number)
    assert [int(number)] == e164_digits([number])


@given(st.lists(ITEMS, max_size=6))
@example([])
@example([""])
@example(["+123456"])
@example(["+1234567", "+123456789012345"])
@example(["+1234567890123456"])
@example(["+1234567,+1234567", "+1234567"])
@example(["+1234567,+1234567", ""])
@example(["+1234567,", "+1234567"])
@example(["+1234567", ",+1234567"])
@example(["+1234567\n", "\n+1234567"])
def test_a_chunk_agrees_with_its_items(items):
    """A chunk is recognised as E.164 exactly if each of its items is, and gives their digits."""
    expected = list(map(int, items)) if all(map(is_e164, items)) else None

    assert expected == e164_digits(items)


def test_a_long_chunk():
    """A chunk of any length is checked without exhausting the stack."""
    assert [int(NUMBER)] * 100_000 == e164_digits([NUMBER] * 100_000)


@given(SCRIBBLES)
@example("12125551234")
@example("+12125551234")
@example("0012125551234")
@example("+1234567")
@example("1234567")
def test_a_mask_never_shows_a_number(text):
    """A masked text is one line and shows at most four of seven adjacent digits."""
    masked = mask_phone(text)

    shown = sum(char.isdecimal() and char != "9" for char in masked)
    assert shown <= 5
    assert masked.isprintable()


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+12125551234", "+12...34"),
        ("(212) 555-1234", "(999) 999-9999"),
        ("Ann Lee\n4", "xxx xxx 9"),
        ("x" * 30, "x" * 24 + "..."),
        (None, "<NoneType>"),
        (12125551234, "<int>"),
    ],
)
def test_mask(phone, masked):
    """A mask shows the first and the last two digits of a number; of anything else, its shape."""
    assert masked == mask_phone(phone)


def test_a_custom_parser():
    """A custom parser can turn a national number into E.164."""
    assert "+12125551234" == checked(lambda text: "+1" + text, "2125551234")


def test_the_default_parser():
    """The default parser accepts international numbers."""
    assert NUMBER == checked(normalize_phone, "+1 212 555 1234")


class OwnError(Exception):
    pass


def raising(exc):
    def parse(text):
        raise exc

    return parse


@pytest.mark.parametrize(
    "exc", [ValueError("2125551234"), OwnError(), KeyError(1), RecursionError()]
)
def test_any_error_of_a_parser_is_a_refusal(exc):
    """Any exception of a parser refuses the number, and is named by class only."""
    with pytest.raises(InvalidPhone) as caught:
        checked(raising(exc), "2125551234")

    assert f"parse_phone refused it with {type(exc).__name__}" == caught.value.reason
    assert exc is caught.value.__cause__


def test_a_parsers_own_refusal_is_kept():
    """An `InvalidPhone` that a parser raises is passed on unchanged."""
    with pytest.raises(InvalidPhone) as caught:
        checked(raising(InvalidPhone("5", "is no Italian number")), "5")

    assert "is no Italian number" == caught.value.reason


def test_a_parser_can_be_interrupted():
    """Ctrl-C within a parser is not taken for a refusal."""
    with pytest.raises(KeyboardInterrupt):
        checked(raising(KeyboardInterrupt()), "5")


@pytest.mark.parametrize(
    "junk",
    [None, 12125551234, "", "2125551234", "+12125551234\n", b"+12125551234", "+1 2125551234"],
)
def test_results_of_a_parser_are_checked(junk):
    """A parser's result must be in E.164."""
    with pytest.raises(InvalidPhone, match="must return E"):
        checked(lambda text: junk, "2125551234")


def test_a_parser_gets_strings_only():
    """A value that is not a string is refused before a custom parser is called."""
    with pytest.raises(InvalidPhone, match="not int"):
        checked(lambda text: NUMBER, 12125551234)


class Numbers(enum.StrEnum):
    OFFICE = NUMBER


def test_a_subclass_of_str_is_a_string():
    """A number that is a member of a string enum is accepted."""
    assert NUMBER == normalize_phone(Numbers.OFFICE)
    assert [int(NUMBER)] == e164_digits([Numbers.OFFICE])


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("+12125551234", ["+12125551234"]),
        ("+12125551234,+13235554567", ["+12125551234", "+13235554567"]),
        (" +12125551234 , +13235554567 ,", ["+12125551234", "+13235554567"]),
        (",,+12125551234", ["+12125551234"]),
        ("", [""]),
        (" , ", [" , "]),
    ],
)
def test_comma_separated_numbers(written, parts):
    """A comma-separated string is split; empty parts are kept, to be refused."""
    assert parts == split_phones(written)
