"""Masking of keys, wherever they are and whatever they look like."""

import json
from urllib.parse import quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox._gateway.masking import mask_key, mask_keys, mask_keys_in_json

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
    """The value after a key's field or header name is masked, and masking twice changes nothing."""
    shown = mask_keys(text.replace("KEY", key))

    assert text.replace("KEY", mask_key(key)) == shown
    assert shown == mask_keys(shown)


@pytest.mark.parametrize("text", ['{"api_key": null}', "api_key is missing", "Missing: api_key"])
def test_text_without_a_key(text):
    """Text without a key is not changed."""
    assert text == mask_keys(text)


@pytest.mark.parametrize("key", [OWN, 'quo"tation\\d key', "clé/+= d'accès"])
def test_the_key_of_an_account(key):
    """An account's key is masked as plain text, in JSON, in nested JSON, and in a form."""
    bodies = [key, json.dumps(key), json.dumps(key, ensure_ascii=False), quote_plus(key)]
    shown = json.loads(mask_keys_in_json(json.dumps(bodies, ensure_ascii=False), [key]))

    name = mask_key(key)
    assert [name, f'"{name}"', f'"{name}"', name] == shown


def test_the_longer_key_first():
    """If one key is a prefix of another, the longer one is masked as itself."""
    assert f"{mask_key(OWN + '6')} {mask_key(OWN)}" == mask_keys(
        f"{OWN}6 {OWN}", known=[OWN, OWN + "6"]
    )


def test_a_key_that_is_a_word():
    """Field names are kept, and so is text that equals a short key."""
    shown = mask_keys_in_json('{"messages":["messages","test"]}', ["messages", "test"])

    assert f'{{"messages":["{mask_key("messages")}","test"]}}' == shown


@given(
    st.text("ak'\"\\\n:=& 1é…\x1f", max_size=12),
    st.sampled_from(["api_key=", "'api_key':'", '"api_key":"', "\nAuthorization: x"]),
)
def test_json_stays_json(rest, start):
    """Masking leaves valid JSON, whatever the text."""
    value = {"text": start + rest, "next": [start + rest, 1]}
    shown = msgspec.json.encode(value).decode()
    keys = ["'aaaaaaa", "\\" * 8, '","next"', "1faaaaaa", rest or "a"]

    read = json.loads(mask_keys_in_json(shown, keys))

    assert ["text", "next"] == list(read)
    assert 1 == read["next"][1]
