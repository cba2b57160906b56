"""Numbers in national format."""

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.errors import ConfigurationError, InvalidPhone
from customersms_async.phones import checked, national, normalize_phone


def reason_for(country, phone):
    with pytest.raises(InvalidPhone) as caught:
        national(country)(phone)
    return caught.value.reason


@pytest.mark.parametrize(
    ("country", "written", "number"),
    [
        ("US", "2125551234", "+12125551234"),
        ("US", "(212) 555-1234", "+12125551234"),
        ("us", "1-212-555-1234", "+12125551234"),
        (" GB ", "020 7183 8750", "+442071838750"),
        ("DE", "030/1234567", None),
        ("DE", "030 1234567", "+49301234567"),
        ("IT", "06 6982 1234", "+390669821234"),
        ("US", '="2125551234"', "+12125551234"),
        ("US", "٢١٢٥٥٥١٢٣٤", "+12125551234"),
        ("US", "011 44 20 7183 8750", "+442071838750"),
        ("US", "+44 20 7183 8750", "+442071838750"),
        ("US", "0044 20 7183 8750", "+442071838750"),
    ],
)
def test_numbers_of_a_country(country, written, number):
    """National numbers get the country code; international ones are read as usual."""
    if number is None:
        assert "characters that no number has" in reason_for(country, written)
    else:
        assert number == national(country)(written)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("5551234", "has no area code; write it as it is dialled from all of US"),
        ("911", "is too short for a number in US"),
        ("1", "is not a valid number in US"),
        ("2125551234567", "is too long for a number in US"),
        ("212-555-1234 ext. 5", "has letters; write digits only, like +12125551234"),
        ("1-800-FLOWERS", "has letters; write digits only, like +12125551234"),
        ("212-555-1234#5", "has characters that no number has; give one number"),
        (
            "1.21256E+10",
            "was changed by a spreadsheet; format the column as text and enter it again",
        ),
        ("", "is empty; write it like +12125551234"),
        ("+1 23", "is too short; with its country code it has at least 7 digits"),
    ],
)
def test_an_impossible_number(written, reason):
    """A number that cannot exist in the country is refused, and general reasons take precedence."""
    assert reason == reason_for("US", written)


def test_an_impossible_length():
    """A length between the shortest and the longest can still be invalid in a country."""
    assert "is not a valid number in AD" == reason_for("AD", "1234567")


@pytest.mark.parametrize("written", ["12345", "0171-12", "0171 12345", "0304"])
def test_a_part_of_a_number(written):
    """The first part of a number is refused, even in countries with five-digit numbers."""
    assert "is too short for a number in DE" == reason_for("DE", written)


@pytest.mark.parametrize(
    ("country", "written"),
    [("DE", "491713920021"), ("DE", "12125550123"), ("DE", "49 171 3920021")],
)
def test_a_number_that_may_have_lost_its_plus(country, written):
    """A number that may have lost its plus is refused, as it could become someone else's."""
    assert "may or may not begin with a country code" in reason_for(country, written)


@pytest.mark.parametrize(
    ("country", "written", "number"),
    [
        ("DE", "0491 713920021", "+49491713920021"),  # as dialled within Germany
        ("DE", "1713920021", "+491713920021"),
        ("DE", "15123456789", "+4915123456789"),
        ("GB", "447700900123", "+447700900123"),
        ("IT", "393331234567", "+393331234567"),
        ("IN", "9198765432", "+919198765432"),
        ("US", "12125550123", "+12125550123"),
    ],
)
def test_a_number_that_has_lost_nothing(country, written, number):
    """A number that cannot have lost a plus is read as national."""
    assert number == national(country)(written)


@pytest.mark.parametrize(
    ("written", "number"),
    [("0191 1234567", "+491911234567"), ("030 1234567", "+49301234567")],
)
def test_lengths_decide(written, number):
    """An unassigned range is accepted by its length; a short number must be assigned."""
    assert number == national("DE")(written)


@pytest.mark.parametrize(
    ("country", "hint"),
    [
        ("UK", "; did you mean 'GB'?"),
        ("USA", "; did you mean 'US'?"),
        ("", ""),
        (49, ""),
        ("Narnia", ""),
    ],
)
def test_an_unknown_country(country, hint):
    """The error shows the unknown country and suggests what was probably meant."""
    with pytest.raises(ConfigurationError) as caught:
        national(country)

    expected = f"country must be a two-letter ISO 3166 code, like 'US', not {country!r}{hint}"
    assert expected == str(caught.value)


def test_a_wrong_type():
    """A value that is not a string is refused with its type."""
    assert "must be a string like '+12125551234', not int" == reason_for("US", 2125551234)


def test_it_is_a_parser():
    """It can be passed as `parse_phone`, and its results are checked to be E.164."""
    assert "+12125551234" == checked(national("US"), "212 555 1234")


def test_it_can_be_shown_and_pickled():
    """Its repr names the country, and it can be pickled."""
    parse = national("us")

    assert "National(country='US')" == repr(parse)
    assert parse == pickle.loads(pickle.dumps(parse))


@given(st.from_regex(r"\+[1-9]{4}[0-9]{3,11}", fullmatch=True))
def test_international_numbers_are_ours(phone):
    """An international number is read the same with and without a country."""
    assert normalize_phone(phone) == national("DE")(phone)


def test_without_the_package():
    """Without phonenumbers, the error names the extra to install."""
    program = (
        "import sys; sys.modules['phonenumbers'] = None\n"
        "from customersms_async.phones import national\n"
        "try: national('US')\n"
        "except ModuleNotFoundError as exc: print(exc)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    expected = (
        "a country for numbers needs phonenumbers: pip install 'customersms-async[phonenumbers]'"
    )
    assert expected == done.stdout.strip()
