"""The API key: what it shows of itself, and which values can be one."""

import copy
import pickle
import re

import pytest

from customersms_async._values.api_key import ApiKey, read_key
from customersms_async.errors import ConfigurationError

CANARY = "cspro_canary_7f3a"


@pytest.mark.parametrize(
    "show", [str, repr, "{}".format, ascii, lambda key: f"{key!s}{key!r}{key}"]
)
def test_a_key_hides_itself(show):
    """However a key is shown, its account is shown and the key is not."""
    key = ApiKey(CANARY)

    assert CANARY not in show(key)
    assert key.account in show(key)


def test_a_key_has_no_variables_to_look_into():
    """A crash reporter that looks into objects finds no dictionary with the key."""
    with pytest.raises(TypeError):
        vars(ApiKey(CANARY))


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_not_pickled(way):
    """A key does not travel into a queue or a cache."""
    with pytest.raises(TypeError, match="cannot be pickled; create the client where"):
        way(ApiKey(CANARY))


def test_a_key_is_revealed_on_request():
    """The one place that writes the body gets the key as it was given."""
    assert CANARY == ApiKey(CANARY).reveal()


def test_an_echoed_key_is_cut_out_of_an_answer():
    """Wherever an answer echoes the key, in whatever field, it is cut out before it is read."""
    answer = f'{{"code": "{CANARY}", "error": "no {CANARY}"}}'.encode()

    assert b'{"code": "[hidden]", "error": "no [hidden]"}' == ApiKey(CANARY).hide_in(answer)


def test_a_key_as_short_as_a_word_changes_no_answer():
    """A key of a few letters, as tests have, may be part of an answer's own words."""
    assert b'{"success": true}' == ApiKey("success").hide_in(b'{"success": true}')


def test_keys_are_compared_by_value():
    """Two clients with one key share an account; another key is another account."""
    assert ApiKey(CANARY) == ApiKey(CANARY)
    assert hash(ApiKey(CANARY)) == hash(ApiKey(CANARY))
    assert ApiKey(CANARY).account == ApiKey(CANARY).account
    assert ApiKey(CANARY) != ApiKey("cspro_other")
    assert ApiKey(CANARY).account != ApiKey("cspro_other").account
    assert ApiKey(CANARY) != CANARY


def test_the_account_is_a_short_hash():
    """An account is named by twelve hexadecimal digits."""
    assert re.fullmatch("[0-9a-f]{12}", ApiKey(CANARY).account)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "must be a string, not NoneType"),
        (CANARY.encode(), "must be a string, not bytes"),
        (7, "must be a string, not int"),
        ("", "is empty"),
        (CANARY + "\n", "has white space around it"),
        (f"CUSTOMERSMS_API_KEY={CANARY}", "has the name of a variable before it; remove it"),
        (" " + CANARY, "has white space around it"),
        (CANARY + "\r\n", "has white space around it"),
        (f'"{CANARY}"', "has quotes around it, as in an env file; remove them"),
        (f"'{CANARY}'", "has quotes around it"),
        (f'"{CANARY}', "has quotes around it"),
        ("${CANARY_KEY}", "is a placeholder that was not filled in"),
        ("$CANARY_KEY", "is a placeholder"),
        ("$(cat canary)", "is a placeholder"),
        ("%CANARY_KEY%", "is a placeholder"),
        ("{{ canary }}", "is a placeholder"),
        ("<canary>", "is a placeholder"),
        ("cspro canary", "must be printable ASCII without spaces or line breaks"),
        (CANARY + "é", "must be printable ASCII"),
        (CANARY + "\x00", "must be printable ASCII"),
        ("\ud800" + CANARY, "must be printable ASCII"),
    ],
)
def test_a_key_that_cannot_be_one(value, problem):
    """A value that can be no key is refused by name, and not shown."""
    refused = read_key(value)

    assert isinstance(refused, ConfigurationError)
    assert str(refused).startswith(f"api_key {problem}")
    assert str(refused).endswith("use the key as the gateway shows it")
    assert "canary" not in str(refused)


@pytest.mark.parametrize("value", [CANARY, "a$b", "50%", "it's", "<", "{x}"])
def test_a_key_that_can_be_one(value):
    """A key is taken as it is."""
    key = read_key(value)

    assert isinstance(key, ApiKey)
    assert value == key.reveal()


def test_a_variable_that_cannot_be_a_key_is_named():
    """The error names where the value came from."""
    assert str(read_key("'x'", "CUSTOMERSMS_API_KEY")).startswith("CUSTOMERSMS_API_KEY has quotes")
