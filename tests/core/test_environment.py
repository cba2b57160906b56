"""Key and endpoint: from arguments, and from environment variables if none are given."""

import copy
import pickle

import pytest

from customersms_async import NOT_GIVEN, ConfigurationError, CustomerSMS, NotGiven
from customersms_async._environment import find_endpoint, find_key


def endpoint_of(setting: str | None) -> str | NotGiven:
    """Return a setting with the type that an application would declare for it."""
    return setting or NOT_GIVEN


def test_not_given_reads_the_environment(monkeypatch):
    """Passing `NOT_GIVEN` is the same as leaving out the argument."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", "cspro_canary")
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "https://gateway.test/api")

    sms = CustomerSMS(NOT_GIVEN, endpoint=endpoint_of(None))

    assert CustomerSMS("cspro_canary").account == sms.account
    assert "https://gateway.test/api" == find_endpoint(NOT_GIVEN)
    assert "https://other.test/" == find_endpoint(endpoint_of("https://other.test/"))


@pytest.mark.parametrize("endpoint", [None, ""])
def test_an_empty_endpoint_never_falls_back(monkeypatch, endpoint):
    """An endpoint of None or "" is refused, whatever the environment says."""
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "https://gateway.test/api")

    with pytest.raises(ConfigurationError, match="endpoint"):
        CustomerSMS("cspro_canary", endpoint=endpoint)


def test_the_error_says_what_to_give_instead_of_none():
    """The error for None says how to leave the endpoint out."""
    with pytest.raises(ConfigurationError, match="or NOT_GIVEN to read CUSTOMERSMS_ENDPOINT"):
        find_endpoint(None)


def test_a_variable_with_quotes_is_named(monkeypatch):
    """A variable with quotes around its value is named, and the value is not shown."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", '"cspro_canary"')

    said = str(find_key(NOT_GIVEN))

    assert said.startswith("CUSTOMERSMS_API_KEY has quotes around it")
    assert "canary" not in said


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_not_given_is_a_singleton(way):
    """Copies of `NOT_GIVEN` are the same object, and its repr is its name."""
    assert NOT_GIVEN is way(NOT_GIVEN)
    assert "NOT_GIVEN" == repr(NOT_GIVEN)
