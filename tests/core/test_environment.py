"""Key and endpoint: what is given, what is not, and what the environment says."""

import copy
import pickle

import pytest

from customersms_async import NOT_GIVEN, ConfigurationError, CustomerSMS, NotGiven
from customersms_async._environment import find_endpoint, find_key


def endpoint_of(setting: str | None) -> str | NotGiven:
    """Settings pass on what they have, with types."""
    return setting or NOT_GIVEN


def test_not_given_reads_the_environment(monkeypatch):
    """An argument that is `NOT_GIVEN` is as good as left out."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", "cspro_canary")
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "https://gateway.test/api")

    sms = CustomerSMS(NOT_GIVEN, endpoint=endpoint_of(None))

    assert CustomerSMS("cspro_canary").account == sms.account
    assert "https://gateway.test/api" == find_endpoint(NOT_GIVEN)
    assert "https://other.test/" == find_endpoint(endpoint_of("https://other.test/"))


@pytest.mark.parametrize("endpoint", [None, ""])
def test_an_endpoint_that_is_none_never_falls_back(monkeypatch, endpoint):
    """A given endpoint that is None or empty is refused, whatever stands in the environment."""
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "https://gateway.test/api")

    with pytest.raises(ConfigurationError, match="endpoint"):
        CustomerSMS("cspro_canary", endpoint=endpoint)


def test_the_error_says_what_to_give_instead_of_none():
    """None is refused with the way to say "not given"."""
    with pytest.raises(ConfigurationError, match="or NOT_GIVEN to read CUSTOMERSMS_ENDPOINT"):
        find_endpoint(None)


def test_a_variable_with_quotes_is_named(monkeypatch):
    """A variable that an env file spoilt is named, and its value is not shown."""
    monkeypatch.setenv("CUSTOMERSMS_API_KEY", '"cspro_canary"')

    said = str(find_key(NOT_GIVEN))

    assert said.startswith("CUSTOMERSMS_API_KEY has quotes around it")
    assert "canary" not in said


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_there_is_one_of_it(way):
    """A copy is the same value, and is shown by its name."""
    assert NOT_GIVEN is way(NOT_GIVEN)
    assert "NOT_GIVEN" == repr(NOT_GIVEN)
