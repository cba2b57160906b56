"""Keys are hidden wherever they stand, whatever they look like."""

import json
from urllib.parse import quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox._gateway.masking import masked, veiled, veiled_json

OWN = "my-own-Key-12345"


@pytest.mark.parametrize(
    "text",
    [
        "api_key=KEY&phone=%2B12125551234",
        "POST /api.php?api_key=KEY HTTP/1.1",
        "{'api_key': 'KEY'}",
        '{"api_key" : "KEY", "phone": 1}',
        '{\\"api_key\\":\\"KEY\\"}',
        '{"api_key":KEY,"phone":1}',
        "X-Api-Key: KEY\r\n\r\n",
        "Authorization: KEY\r\nHost: here",
        "Host: here\r\nauthorization: Bearer KEY\r\n",
    ],
)
@pytest.mark.parametrize("key", ["4711471147114711", "sesame-open"])
def test_a_key_behind_its_name(text, key):
    """What stands behind the name of the field or of the header is masked, once."""
    shown = veiled(text.replace("KEY", key))

    assert text.replace("KEY", masked(key)) == shown
    assert shown == veiled(shown)


@pytest.mark.parametrize("text", ['{"api_key": null}', "api_key is missing", "Missing: api_key"])
def test_what_is_no_key(text):
    """Where no key stands nothing is masked."""
    assert text == veiled(text)


@pytest.mark.parametrize("key", [OWN, 'quo"tation\\d key', "clé/+= d'accès"])
def test_the_key_of_an_account(key):
    """The key of an account is masked as it stands, in JSON, in JSON inside JSON, and in a form."""
    bodies = [key, json.dumps(key), json.dumps(key, ensure_ascii=False), quote_plus(key)]
    shown = json.loads(veiled_json(json.dumps(bodies, ensure_ascii=False), [key]))

    name = masked(key)
    assert [name, f'"{name}"', f'"{name}"', name] == shown


def test_the_longer_key_first():
    """A key that begins like another is masked as itself."""
    assert f"{masked(OWN + '6')} {masked(OWN)}" == veiled(f"{OWN}6 {OWN}", known=[OWN, OWN + "6"])


def test_a_key_that_is_a_word():
    """The names of fields stay, and so do the letters of a short key."""
    shown = veiled_json('{"messages":["messages","test"]}', ["messages", "test"])

    assert f'{{"messages":["{masked("messages")}","test"]}}' == shown


@given(
    st.text("ak'\"\\\n:=& 1é…\x1f", max_size=12),
    st.sampled_from(["api_key=", "'api_key':'", '"api_key":"', "\nAuthorization: x"]),
)
def test_json_stays_json(rest, start):
    """Whatever a text is, the JSON that holds it can be read after the keys are hidden."""
    value = {"text": start + rest, "next": [start + rest, 1]}
    shown = msgspec.json.encode(value).decode()
    keys = ["'aaaaaaa", "\\" * 8, '","next"', "1faaaaaa", rest or "a"]

    read = json.loads(veiled_json(shown, keys))

    assert ["text", "next"] == list(read)
    assert 1 == read["next"][1]
