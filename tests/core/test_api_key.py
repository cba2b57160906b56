"""The API key: how it is displayed, and which values are accepted."""

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
    """Every way to display a key shows its account instead of the key."""
    key = ApiKey(CANARY)

    assert CANARY not in show(key)
    assert key.account in show(key)


def test_a_key_has_no_variables_to_look_into():
    """A crash reporter that inspects objects finds no `__dict__` with the key."""
    with pytest.raises(TypeError):
        vars(ApiKey(CANARY))


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_not_pickled(way):
    """A key cannot be pickled into a queue or a cache."""
    with pytest.raises(TypeError, match="cannot be pickled; create the client where"):
        way(ApiKey(CANARY))


def test_a_key_is_revealed_on_request():
    """The code that writes the body gets the key unchanged."""
    assert CANARY == ApiKey(CANARY).reveal()


def test_an_echoed_key_is_cut_out_of_an_answer():
    """A key that an answer echoes, in any field, is removed before the answer is parsed."""
    answer = f'{{"code": "{CANARY}", "error": "no {CANARY}"}}'.encode()

    assert b'{"code": "[hidden]", "error": "no [hidden]"}' == ApiKey(CANARY).hide_in(answer)


def test_a_key_as_short_as_a_word_changes_no_answer():
    """A key of a few letters, as used in tests, does not alter words of an answer."""
    assert b'{"success": true}' == ApiKey("success").hide_in(b'{"success": true}')


def test_keys_are_compared_by_value():
    """Clients with equal keys share an account; a different key is a different account."""
    assert ApiKey(CANARY) == ApiKey(CANARY)
    assert hash(ApiKey(CANARY)) == hash(ApiKey(CANARY))
    assert ApiKey(CANARY).account == ApiKey(CANARY).account
    assert ApiKey(CANARY) != ApiKey("cspro_other")
    assert ApiKey(CANARY).account != ApiKey("cspro_other").account
    assert ApiKey(CANARY) != CANARY


def test_the_account_is_a_short_hash():
    """The account is a hash of twelve hexadecimal digits."""
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
def test_an_invalid_key_is_refused(value, problem):
    """A value that cannot be a key is refused by name, and not shown."""
    refused = read_key(value)

    assert isinstance(refused, ConfigurationError)
    assert str(refused).startswith(f"api_key {problem}")
    assert str(refused).endswith("use the key as the gateway shows it")
    assert "canary" not in str(refused)


@pytest.mark.parametrize("value", [CANARY, "a$b", "50%", "it's", "<", "{x}"])
def test_a_valid_key_is_accepted(value):
    """A valid key is accepted unchanged."""
    key = read_key(value)

    assert isinstance(key, ApiKey)
    assert value == key.reveal()


def test_a_variable_that_cannot_be_a_key_is_named():
    """The error for an invalid key names the variable that it came from."""
    assert str(read_key("'x'", "CUSTOMERSMS_API_KEY")).startswith("CUSTOMERSMS_API_KEY has quotes")
