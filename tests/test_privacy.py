"""Tests use the client through its public names only."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

#: A private attribute of any name that tests use for a client.
PRIVATE = re.compile(r"\b(?:sms|client\w*|tenant|root|clients\[\d\])\._[a-z]\w*")


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.name)
def test_no_test_touches_a_private_attribute_of_the_client(path):
    """No test accesses a private attribute of a client."""
    assert [] == PRIVATE.findall(path.read_text())


@pytest.mark.parametrize("name", ["sms", "clients[0]", "make(client"])
def test_a_private_attribute_is_found(name):
    """The check knows the names that tests use for clients."""
    assert PRIVATE.search(f"{name}._context")
