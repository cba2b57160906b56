"""What a refusal is about: its code, and whether it concerns the rate, the key or credits."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async._values.refusal_words import (
    Family,
    concerns_recipient,
    family_of,
    reason,
    word,
)

# --- Codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("INVALID_API_KEY", "INVALID_API_KEY"),
        ("invalid api-key!", "INVALID_API_KEY"),
        ("  e.42 ", "E_42"),
        ("x" * 100, "X" * 64),
        ("x" * 63 + " y", "X" * 63),
        ("straße", "STRASSE"),
        ("", None),
        ("—", None),
        (None, None),
        (402, "402"),
        (402.0, "402"),
        ("402", "402"),
        (402.5, None),
        (0, None),
        ("0", None),
        (True, None),
        ([402], None),
        ("InvalidApiKey", "INVALID_API_KEY"),
        ("invalidApiKey", "INVALID_API_KEY"),
        ("APIKeyInvalid", "API_KEY_INVALID"),
        ("E42X", "E42X"),
        ("Blocked: +1 212 555 1234", "BLOCKED"),
        ("to 12125551234 again", "TO_AGAIN"),
        (12125551234, None),
    ],
)
def test_word(value, said):
    """A code in any spelling becomes one stable upper-case word; one without letters is None."""
    assert said == word(value)


@given(st.text())
def test_word_is_idempotent(text):
    """A code is short and plain, and normalizing it again changes nothing."""
    said = word(text)

    assert said is None or (
        len(said) <= 64 and set(said) <= set(string.ascii_uppercase + string.digits + "_")
    )
    assert said == word(said)


# --- Families -------------------------------------------------------------------------------------

RATE = [
    *(429, "429", 429.0, "HTTP_429", "E429", "ERROR 429", "RATE_LIMIT_EXCEEDED", "rate limited"),
    *(
        "RateLimit",
        "rate-limit exceeded",
        "rateLimitExceeded",
        "ratelimitexceeded",
        "RATE_EXCEEDED",
    ),
    *("API rate limit exceeded", "API_KEY_RATE_LIMITED", "TOO_MANY_REQUESTS", "tooManyRequests"),
    *("Too many requests, please try again later", "THROTTLED", "Throttling", "SLOW_DOWN"),
    *("REQUEST_LIMIT_REACHED", "Troppe richieste"),
]
KEY = [
    *(401, "401", "HTTP_401", "INVALID_API_KEY", "InvalidApiKey", "invalidApiKey", "invalidapikey"),
    *("invalid api key", "api-key.invalid", "APIKEY_EXPIRED", "Invalid or inactive API key"),
    *(
        "API_KEY_NOT_FOUND",
        "BAD_TOKEN",
        "WRONG_KEY",
        "UNAUTHORIZED",
        "UNAUTHORISED",
        "NotAuthorized",
    ),
    *("Unauthenticated", "AUTHENTICATION_FAILED", "AUTH_ERROR", "INVALID_CREDENTIALS"),
    *("Chiave API non valida",),
]
CREDIT = [
    *(402, "402", 402.0, "HTTP_402", "INSUFFICIENT_CREDITS", "insufficientCredits", "NO_CREDIT"),
    *("Insufficient balance", "INSUFFICIENT_FUNDS", "LOW_BALANCE", "BALANCE_TOO_LOW", "NO_CREDITS"),
    *("out of credits", "NotEnoughCredits", "notenoughmoney", "PAYMENT_REQUIRED", "NO_MONEY"),
    *("CREDIT_LIMIT_EXCEEDED", "Insufficient credits to send message", "Credito insufficiente"),
]
OTHER = [
    *(None, "", 403, 4290, 1402, 17, "HTTP_403", "HTTP_400", "REJECTED", "CONTENT_BLOCKED"),
    *("KEYWORD_BLOCKED", "keyWordBlocked", "BLOCKED_KEYWORDS", "TURKEY_NOT_ALLOWED", "MONKEY"),
    *("TOKEN_IN_TEXT", "PASSWORD_IN_MESSAGE", "UNAUTHORIZED_SENDER", "KEY_LIMIT_EXCEEDED"),
    *("CREDIT_CARD_IN_TEXT", "CREDIT_CARD_NUMBER", "CREDIT_OFFER_BLOCKED", "ACCREDITATION_MISSING"),
    *("EXCHANGE_RATE_LIMIT", "CORPORATE_LIMIT", "LIMIT_EXCEEDED", "DAILY_LIMIT_EXCEEDED"),
    *("TOO_MANY_RECIPIENTS", "MESSAGE_TOO_LONG", "INVALID_PHONE", "NO_ROUTE", "ACCOUNT_BLOCKED"),
]


@pytest.mark.parametrize(
    ("code", "family"),
    [
        *((code, Family.RATE) for code in RATE),
        *((code, Family.KEY) for code in KEY),
        *((code, Family.CREDIT) for code in CREDIT),
        *((code, None) for code in OTHER),
    ],
)
def test_family(code, family):
    """A code belongs to a family in any type and spelling, if all of it matches."""
    assert family is family_of(word(code))


@given(st.text(string.ascii_uppercase + string.digits + "_", max_size=64))
def test_any_code(code):
    """Underscores do not affect the family of any code."""
    assert family_of(code) is family_of(code.replace("_", ""))


# --- The stable code of a refusal -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (None, None, "REJECTED"),
        (None, "Number is blocked", "REJECTED"),
        ("NUMBER_BLOCKED", None, "NUMBER_BLOCKED"),
        ("NUMBER_BLOCKED", "Insufficient credits", "NUMBER_BLOCKED"),
        (17, "Number is blocked", "17"),
        (401, "Too many requests", "401"),
        (None, "Invalid or inactive API key", "INVALID_API_KEY"),
        (None, "The API key you gave is not valid.", "INVALID_API_KEY"),
        (None, "Wrong api_key", "INVALID_API_KEY"),
        (None, "Chiave API scaduta", "INVALID_API_KEY"),
        (None, "Insufficient credits", "NO_CREDITS"),
        (None, "You have no credits left, please top up", "NO_CREDITS"),
        (None, "Your balance is too low", "NO_CREDITS"),
        (None, "Saldo esaurito", "NO_CREDITS"),
        (0, "Not enough credits for this message", "NO_CREDITS"),
        (403, "Insufficient balance", "NO_CREDITS"),
        (None, "Rate limit exceeded. Wait 12 seconds.", "RATE_LIMITED"),
        (None, "Requests are throttled", "RATE_LIMITED"),
        (None, "No credit cards may be named", "REJECTED"),
        (None, "Keyword 'api' is blocked", "REJECTED"),
        (None, "The exchange-rate limits of 2 % may not be named", "REJECTED"),
    ],
)
def test_reason(code, error, said):
    """The code decides; without one, or with an unknown number, the text does."""
    assert said == reason(code, error, "We open at nine")


@pytest.mark.parametrize(
    "echo",
    [
        *("Too many requests", "No credits left!", "Your API key is expired", "RATE_LIMIT"),
        *("exchange-rate limits", "unauthorized", "Slow down", "Payment required", "Wrong key"),
        *("Invalid credentials", "Too fast"),
    ],
)
@pytest.mark.parametrize("error", ["Blocked: '{}'", "{}", "Invalid text: '{}…'"])
def test_an_echo_is_no_reason(echo, error):
    """Words of the message that an error echoes are ignored, in any form of quotation."""
    sent = f"Dear Ann, {echo} Yours, Ben"

    assert "REJECTED" == reason(None, error.format(echo), sent)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Blocked: We open at nine", "REJECTED"),
        ("We open at", "WE_OPEN_AT"),
        ("we OPEN, at nine", "REJECTED"),
        ("WE_OPEN_AT_NINE", "WE_OPEN_AT_NINE"),
    ],
)
def test_a_sentence_that_quotes_the_message_is_no_code(code, said):
    """A code that quotes the message is dropped, so that logs do not show it."""
    assert said == reason(code, None, "We open at nine")


@pytest.mark.parametrize("error", ["rate limits", "Invalid text: 'your API key'", "no credits"])
def test_a_part_of_an_echo_is_no_reason(error):
    """A partial echo of the message is ignored as well, even beside the gateway's own words."""
    sent = "Our exchange-rate limits are fair. No credits? Your API key is safe."

    assert "REJECTED" == reason(None, error, sent)


@pytest.mark.parametrize(
    ("code", "is_about"),
    [
        ("HTTP_404", False),
        ("HTTP_405", False),
        ("HTTP_410", False),
        ("INVALID_API_KEY", False),
        ("NO_CREDITS", False),
        ("HTTP_400", True),
        ("HTTP_403", True),
        ("NUMBER_BLOCKED", True),
        (None, True),
    ],
)
def test_what_a_refusal_is_about(code, is_about):
    """A 404 or similar, where there is no API, is not about the recipient."""
    assert is_about == concerns_recipient(code)
