"""Redaction of foreign text: the key, the text of a message and numbers are removed."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customersms_async._values.redaction import Redactor, clean, plain

CANARY = "cspro_canary_7f3a"
TEXT = "We open at nine"
PHONES = ("+12125551234", "+442079460958", "+13235551234")


def redacted(said, text=TEXT, key=CANARY, phones=PHONES):
    return Redactor(key, text, phones).clean(said)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Invalid key", "Invalid key"),
        (f"Invalid key {CANARY}!", "Invalid key [hidden]!"),
        (f"{CANARY}{CANARY}", "[hidden][hidden]"),
        ("Invalid key cspro_canary_7...", "Invalid key [hidden]..."),
        ("Invalid key CSPRO-CANARY-7F3A", "Invalid key [hidden]"),
        ("Text 'We open at nine' is blocked", "Text '[hidden]' is blocked"),
        ("Text 'we OPEN  at\nnine' is blocked", "Text '[hidden]' is blocked"),
        ("two\r\nlines\tand\x00more\x1b[31m", "two lines and more [31m"),
        ("  much   room  ", "much room"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a &lt; b", "a < b"),
        ("", ""),
    ],
)
def test_foreign_text_is_cleaned(said, kept):
    """Keys, texts, control characters and superfluous spaces are removed."""
    assert kept == redacted(said)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("No route to +12125551234", "No route to +...34"),
        ("No route to +1 (212) 555-1234.", "No route to +...34."),
        ("No route to 1/212/555/1234", "No route to ...34"),
        ("No route to 1,212,555,1234", "No route to ...34"),
        ("No route to 1, 212, 555, 1234", "No route to ...34"),
        ("No route to 1_212_555_1234", "No route to ...34"),
        ("No route to 1\u2011212\u2011555\u20111234", "No route to ...34"),
        ("No route to +١٢١٢٥٥٥١٢٣٤", "No route to +...34"),
        ("No route to 212-555-1234, 502", "No route to ...34, 502"),
        ("No route to 5551234", "No route to ...34"),
        ("No route to 0044 20 7946 0958", "No route to 00...58"),
        ("No route to 020 7946 0958", "No route to 0...58"),
        ("No route to +12125551234,+442079460958", "No route to +...34,+...58"),
        ("No route to 1212555123413235551234", "No route to ...34...34"),
        ("No route to to12125551234x", "No route to to...34x"),
    ],
)
def test_a_number_of_the_request_is_masked(said, kept):
    """A number of the request is masked in any spelling, and nothing around it is."""
    assert kept == redacted(said)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("+13235554567", "+...67"),
        ("13235554567", "...67"),
        ("0013235554567", "...67"),
        ("(323) 555-4567", "...67"),
        ("323-555-4567", "...67"),
        ("323.555.4567", "...67"),
        ("1 323 555 4567", "...67"),
        ("+49 (0) 30 1234567", "+...67"),
        ("+٤٩٣٠١٢٣٤٥٦٧", "+...67"),
        ("1,323,555,4567", "...67"),
        ("for 13235554567.Please wait", "for ...67.Please wait"),
    ],
)
def test_other_phone_numbers_are_masked(said, kept):
    """Digits that look like a phone number are masked, even if the request has no such number."""
    assert kept == clean(said)


INNOCENT = [
    *("HTTP status 502, 59 bytes that are no answer as documented", "5,185,536 bytes of 4,294,967"),
    *("Error 40 of 99999", "line 12, column 1000", "/srv/www/api.php:123", "took 0.1234567 s"),
    *(
        "2026-11-28",
        "2026-11-28 06:04:28",
        "2026-11-28T06:04:28.123456Z",
        "28/11/2026",
        "28.11.2026",
    ),
    *("127.0.0.1:6379", "host 192.168.100.200 refused", "redis://10.0.0.12:6379/0", "[::1]:6379"),
    *("redis-12345.c1.us-east-1-2.ec2.cloud.redislabs.com:12345", "localhost:54321"),
    *("ec2-54-123-45-67.compute.amazonaws.com:6379", "ip-10-0-12-134:6379", "aiohttp 3.14.5"),
    *("550e8400-e29b-41d4-a716-446655440000", "msg_123456", "100 requests in 60 seconds"),
    *("ClientConnectorError", "[Errno 111] Connect call failed ('127.0.0.1', 6379)", "555-9876"),
]


@pytest.mark.parametrize("said", INNOCENT)
def test_nothing_else_is_hidden(said):
    """Statuses, sizes, dates, addresses, ports and types are left unchanged."""
    assert said == clean(said) == redacted(said, "a", "k") == redacted(said)


@pytest.mark.parametrize(
    ("text", "said", "kept"),
    [
        ("a", "a bad message", "a bad message"),
        ("a", "Text 'a' is blocked", "Text '[hidden]' is blocked"),
        ("Hi", "Hi is no message, Hindi is", "Hi is no message, Hindi is"),
        ("Hi", "Text «Hi» is blocked", "Text «[hidden]» is blocked"),
        ("number", "Invalid number", "Invalid number"),
        ("Nr. 4711", "Text Nr. 4711 is blocked", "Text Nr. 4711 is blocked"),
        ("Code is 4711", "Text Code is 4711 is blocked", "Text [hidden] is blocked"),
        ("not at all", "I cannot at all", "I cannot at all"),
        ("!!!!!!!!!!!!!!!!", "Text !!!!!!!!!!!!!!!! is blocked", "Text [hidden] is blocked"),
        (
            "Dear Ann, exchange-rate limits of today",
            "'...exchange-rate limits of...'",
            "'...[hidden]...'",
        ),
        ("Dear Ann, your code is 4711", "Dear Ann, your c...", "Dear Ann, your c..."),
        ("Dear Ann, your code is 4711", "Dear Ann, your code i...", "[hidden]..."),
        ("Don't miss out on Monday!", r"Don\'t miss out on Monday\u0021", r"[hidden]\u0021"),
        ("Don't miss out on Monday!", "Don&#039;t miss out on Monday", "[hidden]"),
    ],
)
def test_how_much_of_a_text_is_hidden(text, said, kept):
    """A text is removed whole or in parts of 16 characters; a short one only in quotes."""
    assert kept == redacted(said, text)


@pytest.mark.parametrize(
    ("key", "said", "kept"),
    [
        ("k", "bad key k", "bad key [hidden]"),
        ("success", "success: 1, unsuccessful", "[hidden]: 1, unsuccessful"),
        ("", "bad key", "bad key"),
    ],
)
def test_a_short_key(key, said, kept):
    """A key as short as a word, as used in tests, is removed where it stands alone."""
    assert kept == redacted(said, key=key)


def test_a_secret_within_another():
    """If the text contains the key or the key a text, no part of either remains."""
    text = f"my key is {CANARY}, dear"

    assert "said: [hidden]" == redacted(f"said: {text}", text)
    assert "said: [hidden]" == redacted(f"said: {CANARY}", "cspro")


def test_cleaning_is_repeatable():
    """Cleaning the same text again gives the same result."""
    redactor = Redactor(CANARY, TEXT, PHONES)

    assert "to +...34" == redactor.clean("to +12125551234") == redactor.clean("to +12125551234")


def test_a_redactor_has_no_variables_to_look_into():
    """A crash reporter that inspects objects finds no `__dict__` with the key."""
    with pytest.raises(TypeError):
        vars(Redactor(CANARY))


def test_a_long_text_is_cut():
    """A text is cut to 200 characters."""
    assert "x" * 200 == redacted("x" * 100_000)


TEXTS = st.text(min_size=16).filter(lambda text: len(" ".join(text.split())) >= 16)


@given(st.text(), st.text(), TEXTS)
@example("0" * 800, "", TEXT + TEXT)
@example(" " * 790, "", TEXT + TEXT)
@example("x" * 195, "", TEXT + TEXT)
def test_any_foreign_text(before, after, text):
    """Any text becomes one short line without the key and the message."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    kept = redacted(f"{before}{CANARY}{text}{after}{CANARY}", text)

    assert len(kept) <= 200
    assert kept.isprintable()
    assert CANARY not in kept
    assert len(shown) < 16 or shown not in kept


SPELLINGS = st.lists(
    st.sampled_from(["", "", " ", "-", ".", "/", ", ", ") ", " (", "_", "\u00a0", "\u2011"]),
    min_size=15,
    max_size=15,
)


NO_DIGITS = st.text(st.characters(exclude_categories=["Nd"], exclude_characters="&"), max_size=50)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), SPELLINGS, NO_DIGITS, NO_DIGITS)
@example("+12125551234", [""] * 15, "1", "5")
@example("+1111111", [""] * 15, "111111", "111111")
def test_a_number_never_appears(number, separators, before, after):
    """A number of the request shows only its last two digits, in any spelling and place."""
    pairs = zip(number[1:], separators, strict=False)
    spelled = "".join(digit + separator for digit, separator in pairs)
    kept = redacted(f"{before}+{spelled}{after}", phones=[number])

    shown = [str(unicodedata.decimal(c)) for c in kept if c.isdecimal()]
    assert number[1:] not in "".join(shown)
    assert list(number[-2:]) == shown or any(c.isdecimal() for c in before + after)


@given(
    st.lists(
        st.sampled_from([*INNOCENT, "Invalid number", "blocked by", "the gateway"]), max_size=3
    )
)
def test_innocent_words_are_left_alone(words):
    """Any combination of statuses, sizes, dates, addresses and words is left unchanged."""
    said = "; ".join(words)[:200].rstrip()

    assert said == redacted(said, "a", "k")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Number is blocked", "Number is blocked"),
        ("il numero è bloccato", "il numero e bloccato"),
        ("“quoted” – 号", r"\u201cquoted\u201d \u2013 \u53f7"),
        ("…", "..."),
        ("\ud800", r"\ud800"),
    ],
)
def test_plain(text, shown):
    """`plain` gives ASCII: accents are dropped, and other characters are escaped."""
    assert shown == plain(text)
