"""The client is tested as it is used."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

#: A private attribute of anything that the tests call a client.
PRIVATE = re.compile(r"\b(?:sms|client\w*|tenant|root|clients\[\d\])\._[a-z]\w*")


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_no_test_touches_a_private_attribute_of_the_client(path):
    """What tests need to see of a client is public, or passed into it."""
    assert [] == PRIVATE.findall(path.read_text())


@pytest.mark.parametrize("name", ["sms", "clients[0]", "make(client"])
def test_a_private_attribute_is_seen(name):
    """The names that the tests give to clients are known."""
    assert PRIVATE.search(f"{name}._context")
