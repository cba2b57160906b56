"""The gateway's protocol: requests encoded to bytes, and answers decoded from bytes."""

import json
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customersms_async._values.api_key import ApiKey
from customersms_async._wire.codec import (
    Answered,
    Refused,
    TurnedAway,
    Unreadable,
    check_text,
    encode_request,
    read_answer,
)
from customersms_async.errors import InvalidMessage

ANN = "+12125551234"
KEY = ApiKey("cspro_canary")


class Markup(str):  # as returned by template engines
    __slots__ = ()

    def __str__(self):
        return self


# --- Out ------------------------------------------------------------------------------------------


def test_one_number_is_a_string():
    """A single number is sent as a string, byte for byte as documented."""
    body = encode_request(KEY, ANN, "We open at nine")

    assert b'{"api_key":"cspro_canary","phone":"+12125551234","message":"We open at nine"}' == body


def test_several_numbers_are_an_array():
    """A list of numbers is sent as an array in input order, even a list of one."""
    body = encode_request(KEY, [ANN, "+13235554567"], "Hi")

    assert (
        b'{"api_key":"cspro_canary","phone":["+12125551234","+13235554567"],"message":"Hi"}' == body
    )
    assert [ANN] == json.loads(encode_request(KEY, (ANN,), "Hi"))["phone"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@example('"quotes" \\ and \x00\x1f\u2028 😀')
def test_any_text_is_sent_unchanged(text):
    """The gateway decodes exactly the text that was encoded, for any text."""
    assert text == json.loads(encode_request(KEY, ANN, text))["message"]


def test_subclasses_of_str_are_sent_too():
    """A text from a template engine and a number from an enum are sent as plain strings."""
    body = encode_request(KEY, [Markup(ANN)], Markup("We open at nine"))

    assert encode_request(KEY, [ANN], "We open at nine") == body


@pytest.mark.parametrize("text", ["x", " x ", "\n.", "ünï 😀", "\u200b", "x" * 100_000])
def test_a_text_that_can_be_sent(text):
    """A text with any character other than white space is accepted unchanged."""
    assert text == check_text(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "text must be a string, not NoneType"),
        (b"Hi", "text must be a string, not bytes"),
        ("", "text is empty; it needs at least one character that is not white space"),
        (" \t\r\n\u00a0\u3000", "text is empty; it needs at least one character"),
        (
            "Hi \ud83d!",
            "text has a lone surrogate at position 3, which UTF-8 cannot encode; remove",
        ),
        ("\udfff", "text has a lone surrogate at position 0"),
    ],
)
def test_a_text_that_cannot_be_sent(text, said):
    """A text of the wrong type, empty or not encodable is refused with a hint at what is valid."""
    with pytest.raises(InvalidMessage) as caught:
        check_text(text)

    assert str(caught.value).startswith(said)


# --- In -------------------------------------------------------------------------------------------


def body(**fields):
    return json.dumps(fields).encode()


def entry(phone=ANN, success=True, **more):
    return {"phone": phone, "success": success, **more}


def read(status=200, **fields):
    return read_answer(status, body(**fields))


def entries(answer):
    return [(e.phone, e.success, e.message_id, e.error, e.code) for e in answer.entries]


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 429, 500, 503])
def test_entries_count_with_any_status(status):
    """If the body has an entry per number, the HTTP status is ignored."""
    answer = read(status, success=True, results=[entry(message_id="msg_1")], remaining_credits=98)

    assert [(ANN, True, "msg_1", None, None)] == entries(answer)
    assert (98, False) == (answer.credits, answer.amid_text)


@pytest.mark.parametrize("status", [200, 400, 401, 402, 408, 500, 503])
def test_a_refusal_with_any_status(status):
    """A refusal object is a refusal with any HTTP status; its code is converted to upper case."""
    answer = read(
        status, success=False, error="No credits", code="insufficient-credits", remaining_credits=0
    )

    assert Refused("INSUFFICIENT_CREDITS", "No credits", 0) == answer


def test_a_refusal_without_a_code():
    """A refusal may lack both the code and the error text."""
    assert Refused("REJECTED") == read(success=False)


@pytest.mark.parametrize("results", [[], {}, None, "", "none", 0])
def test_a_refusal_with_no_results(results):
    """A refusal is still a refusal if `results` is empty or of a wrong type."""
    assert Refused("NO") == read(success=False, code="no", results=results)


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "RATE_LIMIT_EXCEEDED"},
        {"code": "rate limited"},
        {"code": "RateLimit"},
        {"code": "TOO_MANY_REQUESTS"},
        {"code": "THROTTLED"},
        {"error": "Rate limit exceeded, try later"},
        {"error": "rate-limit"},
        {"error": "Too many requests"},
        {"error": "RATE_LIMIT_EXCEEDED"},
        {"code": 429},
        {"code": "429"},
        {"code": 429.0},
        {"code": "rate-limit exceeded"},
        {"code": "rateLimitExceeded"},
        {"code": 0, "error": "Too many requests"},
        {"code": 1007, "error": "Too many requests"},
        {"error": {"code": "RATE_LIMIT"}},
        {"error_code": "RATE_LIMIT"},
    ],
)
def test_a_refusal_for_the_rate(fields):
    """A refusal whose code or text is about the rate is rate-limited, with any HTTP status."""
    for status in (200, 403, 503):
        answer = read(status, success=False, **fields)

        assert isinstance(answer, TurnedAway)
        assert fields.get("error") in (answer.detail, {"code": "RATE_LIMIT"})


@pytest.mark.parametrize("status", [200, 403, 503])
@pytest.mark.parametrize(
    "fields",
    [
        {"code": "CONTENT_BLOCKED", "error": "Blocked: 'exchange-rate limits'"},
        {"code": "CONTENT_BLOCKED", "error": "Rate limit exceeded"},
        {"error": "Blocked: Our Rate Limits…"},
        {"error": "TOO MANY REQUESTS"},
        {"code": "EXCHANGE_RATE_LIMIT"},
    ],
)
def test_an_echo_of_the_message_is_no_refusal_for_the_rate(fields, status):
    """The code decides, and words of the message that an error text echoes are ignored."""
    sent = "Our rate limits and exchange-rate limits: too many requests"
    answer = read_answer(status, body(success=False, **fields), (429,), sent)

    assert isinstance(answer, Refused)
    assert fields["error"] == answer.detail if "error" in fields else answer.detail is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"code": 401}, "401"),
        ({"code": "invalidApiKey"}, "INVALID_API_KEY"),
        ({"error": "Invalid or inactive API key"}, "INVALID_OR_INACTIVE_API_KEY"),
        ({"code": "Insufficient balance"}, "INSUFFICIENT_BALANCE"),
        ({"code": 402.0}, "402"),
    ],
)
def test_a_status_for_the_rate_does_not_overrule_the_code(fields, code):
    """A refusal about the key or credits keeps its meaning even with status 429."""
    answer = read(429, success=False, **fields)

    assert isinstance(answer, Refused)
    assert {"INVALID_OR_INACTIVE_API_KEY": "INVALID_API_KEY"}.get(code, code) == answer.code


def test_a_refusal_with_429():
    """A refusal object with status 429 counts as rate-limited and keeps its code."""
    assert TurnedAway("SLOW_DOWN", "Slow down") == read(
        429, success=False, code="SLOW_DOWN", error="Slow down"
    )


@pytest.mark.parametrize("text", [b"", b"<html>Too fast</html>", b"{}", b"null", b"\xff"])
def test_a_bare_429(text):
    """A 429 without a readable answer counts as rate-limited."""
    assert TurnedAway("HTTP_429") == read_answer(429, text)


def test_a_status_for_the_rate_may_be_named():
    """A bare 503 is unreadable unless the caller lists 503 as a rate limit status."""
    assert isinstance(read_answer(503, b""), Unreadable)
    assert TurnedAway("HTTP_503") == read_answer(503, b"", (429, 503))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 451, 499])
def test_a_bare_refusal(status):
    """A 4xx status without a readable answer refuses the whole request."""
    answer = read_answer(status, b"<h1>No</h1>")

    assert Refused(f"HTTP_{status}", f"HTTP status {status} without a readable answer") == answer


@pytest.mark.parametrize("status", [200, 204, 301, 307, 408, 500, 502, 503, 504, 599])
def test_a_status_that_proves_nothing(status):
    """Any other status without a readable answer proves nothing, and the body is not quoted."""
    answer = read_answer(status, b"canary")

    assert Unreadable(f"HTTP status {status}, 6 bytes that are no answer as documented") == answer


@pytest.mark.parametrize("status", [200, 400, 429, 500])
@pytest.mark.parametrize(
    "fields",
    [
        {"success": True},
        {"success": 1, "message": "SMS sending completed"},
        {"success": True, "successful_sends": 2},
        {"success": False, "successful_sends": 2},
        {"success": False, "successful_sends": "2"},
        {"success": False, "successful_sends": True},
        {"successful_sends": 1},
        {"success": False, "results": ["+12125551234"]},
        {"success": False, "results": [{"phone": "+12125551234"}]},
        {"success": False, "results": {"+12125551234": True}},
    ],
)
def test_a_success_without_numbers(status, fields):
    """An answer that reports sends but names no number is unreadable, so nothing is repeated."""
    assert isinstance(read(status, **fields), Unreadable)


@pytest.mark.parametrize("sends", [0, "0", "", None, False])
def test_a_refusal_that_counts_no_sends(sends):
    """A refusal with zero `successful_sends`, of any type, is a refusal."""
    assert Refused("NO") == read(success=False, code="NO", successful_sends=sends)


@pytest.mark.parametrize("results", [[], {}, None, "none", [1], [{"phone": ANN}]])
def test_a_success_with_results_that_name_nobody(results):
    """A success whose results name no number is an answer without entries."""
    answer = read(success=True, results=results)

    assert [] == entries(answer)


@pytest.mark.parametrize(
    ("given_entry", "kept"),
    [
        ({"phone": 12125551234, "success": True}, ("12125551234", True, None, None, None)),
        ({"phone": ANN, "success": 1}, (ANN, True, None, None, None)),
        ({"phone": ANN, "success": 0}, (ANN, False, None, None, None)),
        ({"phone": ANN, "success": 1, "message_id": 7}, (ANN, True, None, None, None)),
        ({"phone": ANN, "success": 1, "message_id": ""}, (ANN, True, None, None, None)),
        (
            {"phone": ANN, "success": 0, "error": ["x"], "code": [7]},
            (ANN, False, None, None, None),
        ),
        ({"phone": ANN, "success": 0, "code": 17}, (ANN, False, None, None, 17)),
        (
            {"phone": ANN, "success": 0, "error": {"message": "Bad", "code": "E_BAD"}},
            (ANN, False, None, "Bad", "E_BAD"),
        ),
        ({"phone": 12125551234.0, "success": True}, ("12125551234", True, None, None, None)),
        (
            {"phone": ANN, "success": False, "error": "Bad", "code": "E_BAD", "extra": {}},
            (ANN, False, None, "Bad", "E_BAD"),
        ),
    ],
)
def test_loose_types(given_entry, kept):
    """Only `phone` and `success` must be valid; other fields of a wrong type count as absent."""
    assert [kept] == entries(read(success=True, results=[given_entry]))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"phone": ANN},
        {"success": True},
        {"phone": None, "success": True},
        {"phone": True, "success": True},
        {"phone": 12125551234.5, "success": True},
        {"phone": 1e300, "success": True},
        {"phone": [ANN], "success": True},
        {"phone": ANN, "success": None},
        {"phone": ANN, "success": "true"},
        {"phone": ANN, "success": 2},
        {"phone": ANN, "success": 1.0},
        ANN,
        None,
        [ANN, True],
    ],
)
def test_an_unusable_entry(bad):
    """An entry without a valid number and a clear `success` is skipped; the others count."""
    answer = read(success=True, results=[bad, entry("+13235554567")])

    assert ["+13235554567"] == [e.phone for e in answer.entries]


def test_results_as_an_object():
    """`results` may be an object keyed by position, name or number."""
    answer = read(
        success=True,
        results={
            "0": entry(ANN),
            "+13235554567": {"success": True},
            "44 20 7946 0958": {"success": False},
            "17": {"success": True},
            "note": "x",
        },
    )

    assert [(ANN, True), ("+13235554567", True), ("44 20 7946 0958", False)] == [
        (e.phone, e.success) for e in answer.entries
    ]


@pytest.mark.parametrize(
    ("balance", "amount"),
    [
        (98, 98),
        (98.0, 98),
        (98.5, 98),
        (-0.5, -1),
        ("98", 98),
        (" 98 ", 98),
        ("-98", -98),
        ("98.00", 98),
        ("98.5", 98),
        ("98.0000", 98),
    ],
)
def test_a_balance_of_any_numeric_type(balance, amount):
    """A balance of any numeric type is read, and rounded down to whole credits."""
    one = {"success": True, "results": [entry()], "remaining_credits": balance}
    refusal = {"success": False, "code": "NO", "remaining_credits": balance}

    assert amount == read(**one).credits
    assert amount == read_answer(200, b"\xef\xbb\xbf" + body(**one)).credits
    assert amount == read(**refusal).credits


@pytest.mark.parametrize(
    "balance",
    [
        *(
            True,
            None,
            [98],
            {},
            "",
            "x",
            "98 credits",
            "1,234",
            "1.234",
            "1e3",
            "0x62",
            "٩٨",
            "nan",
        ),
        *(1e300, 10**15, 10**400, "9" * 5_000),
    ],
)
def test_an_unusable_balance(balance):
    """A balance that is no number, or an ambiguous one, is ignored; the rest of it counts."""
    answer = read(success=True, results=[entry()], remaining_credits=balance)

    assert [ANN] == [e.phone for e in answer.entries]
    assert answer.credits is None


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5_000])
@pytest.mark.parametrize("name", ["remaining_credits", "total_numbers", "more"])
def test_numbers_beyond_any_type(name, number):
    """A number that is too large for its type does not invalidate the rest of the answer."""
    text = f'{{"success": 1, "results": [{json.dumps(entry())}], "{name}": {number}}}'

    answer = read_answer(200, text.encode())

    assert [ANN] == [e.phone for e in answer.entries]
    assert answer.credits is None


ANSWER = body(success=True, results=[entry(message_id="msg_1")], remaining_credits=98)


@pytest.mark.parametrize(
    "before", [b"\xef\xbb\xbf", b"\r\n\t ", b" \xef\xbb\xbf ", b"\xef\xbb\xbf\n\n"]
)
@pytest.mark.parametrize("after", [b"", b"\r\n \n"])
def test_marks_around_an_answer(before, after):
    """A byte-order mark and white space around the object are ignored."""
    answer = read_answer(200, before + ANSWER + after)

    assert [ANN] == [e.phone for e in answer.entries]
    assert not answer.amid_text


NOTICES = [
    b"Notice: Undefined index {x} in /var/www/api.php on line 12\n",
    b"<br />\n<b>Warning</b>: {" + b"{" * 10,
    b"\xe9t\xe9 ",
    b'{"debug": true}\n',
    b'say "hello',
    b'}]"}',
]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf\xef\xbb\xbf", *NOTICES])
@pytest.mark.parametrize("after", [b"", *NOTICES])
def test_an_answer_amid_text(before, after):
    """A complete answer between PHP notices is read, and flagged as surrounded by text."""
    answer = read_answer(200, before + ANSWER + after)

    assert [ANN] == [e.phone for e in answer.entries]
    assert (98, True) == (answer.credits, answer.amid_text)


@pytest.mark.parametrize("after", NOTICES)
def test_an_answer_before_text(after):
    """A complete answer is read even if text follows it."""
    answer = read_answer(200, ANSWER + after)

    assert [ANN] == [e.phone for e in answer.entries]
    assert answer.amid_text


def test_several_answers_count_together():
    """If a body holds two answers, the entries of both count."""
    no = body(success=True, results=[entry(success=False)])
    answer = read_answer(200, ANSWER + b"\n" + no)

    assert [(ANN, True), (ANN, False)] == [(e.phone, e.success) for e in answer.entries]


@pytest.mark.parametrize(
    "spoilt",
    [
        ANSWER[:-1],
        ANSWER[:40],
        b"<br>Notice" + ANSWER[:-1] + b"<br>Notice",
        b"[" + ANSWER + b"]",
        b'{"data": ' + ANSWER + b"}",
        b'<br>{"data": ' + ANSWER + b"}<br>",
        b'{"a' * 21 + ANSWER,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        ANSWER.decode().encode("utf-16"),
    ],
)
def test_no_complete_answer(spoilt):
    """An answer that is truncated, wrapped or nested is not recognised."""
    assert isinstance(read_answer(200, spoilt), Unreadable)


def test_a_cut_answer_is_never_repeated():
    """A truncated answer that names numbers is unreadable, so no status causes a repeat."""
    assert isinstance(read_answer(429, ANSWER[:-1]), Unreadable)


def test_a_refusal_amid_text_proves_nothing():
    """Amid other text, only an answer that names numbers is accepted."""
    refusal = body(success=False, code="NO")

    assert isinstance(read_answer(200, b"Notice: x\n" + refusal), Unreadable)
    assert isinstance(read_answer(200, refusal + b"Notice: x\n"), Unreadable)


@pytest.mark.parametrize("field", ["x", "error", "message_id"])
def test_bytes_that_are_not_utf_8(field):
    """A Latin-1 letter in one field does not make the whole batch unknown."""
    text = body(success=True, results=[entry(**{field: "?"})]).replace(b"?", b"\xe9")

    answer = read_answer(200, text)

    assert [(ANN, True)] == [(e.phone, e.success) for e in answer.entries]
    assert not answer.amid_text


def test_the_repr_shows_no_entries():
    """The repr of an answer contains no number."""
    assert ANN[1:] not in repr(read_answer(200, ANSWER))


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from([ANN, "0", "1", "true"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "success",
                    "results",
                    "phone",
                    "message_id",
                    "error",
                    "code",
                    "remaining_credits",
                    "successful_sends",
                    ANN,
                    "x",
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=15,
)
STATUSES = st.sampled_from([200, 302, 400, 408, 429, 500])


@given(STATUSES, st.binary(max_size=200))
@example(200, b'{"success":false,"error":"\xff"}')
@example(200, b"\xff{")
def test_any_bytes(status, junk):
    """Arbitrary bytes never raise, and never yield entries."""
    assert not isinstance(read_answer(status, junk), Answered)


@given(STATUSES, st.integers(0, len(ANSWER) - 1))
def test_any_cut(status, length):
    """An answer that is truncated at any byte yields no entries."""
    assert not isinstance(read_answer(status, ANSWER[:length]), Answered)


@given(STATUSES, JSON)
@example(200, {"success": True, "results": [{"phone": ANN, "success": True}]})
@example(200, {"results": {ANN: {"success": 1}}})
def test_any_json(status, value):
    """Arbitrary JSON never raises, and yields entries only if it has the documented shape."""
    answer = read_answer(status, json.dumps(value).encode())

    has_shape = isinstance(value, dict) and (speaks(value) or says_yes(value))
    assert has_shape is isinstance(answer, Answered)


def says_yes(value):
    return "results" in value and is_flag(value.get("success")) and value["success"] == 1


def speaks(value):
    results = value.get("results")
    if isinstance(results, list):
        results = dict(enumerate(results))
    named = results.items() if isinstance(results, dict) else ()
    return any(
        isinstance(one, dict)
        and is_flag(one.get("success"))
        and (is_number(one.get("phone")) or (one.get("phone") is None and name == ANN))
        for name, one in named
    )


def is_number(value):
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return is_whole or type(value) in (str, int)


def is_flag(value):
    return type(value) in (bool, int) and value in (0, 1)


DOCUMENTED = st.fixed_dictionaries(
    {
        "success": st.booleans(),
        "results": st.lists(
            st.fixed_dictionaries(
                {
                    "phone": st.sampled_from([ANN, "12125551234", "+13235554567"]),
                    "success": st.booleans(),
                },
                optional={
                    "message_id": st.text(string.ascii_letters, min_size=1, max_size=5),
                    "error": st.text(string.ascii_letters, min_size=1, max_size=5),
                    "code": st.text(string.ascii_uppercase, min_size=1, max_size=5),
                },
            ),
            min_size=1,
            max_size=4,
        ),
    },
    optional={"remaining_credits": st.integers(0, 10**9), "message": st.text(max_size=5)},
)


@given(DOCUMENTED)
def test_both_readers_agree(value):
    """The strict parser and the lenient one behind a mark read a documented answer alike."""
    plain = json.dumps(value).encode()
    strict, lenient = read_answer(200, plain), read_answer(200, b"\xef\xbb\xbf" + plain)

    assert (entries(strict), strict.credits) == (entries(lenient), lenient.credits)
    assert not lenient.amid_text


# --- Unusual answers -----------------------------------------------------------------------------


def test_a_refusal_without_a_code_is_named_by_its_status():
    """A refusal without a code, whose text is not recognised, is named by its HTTP status."""
    body = b'{"success": false, "error": "No"}'

    assert "HTTP_401" == read_answer(401, body).code
    assert "REJECTED" == read_answer(200, body).code


def test_the_script_of_a_page_is_no_answer():
    """Braces in the script of an HTML page are not taken for an answer."""
    page = b'<html><script>var state = {"success": true};</script>Not found</html>'

    assert "HTTP_404" == read_answer(404, page).code


def test_text_before_an_answer_that_names_nobody():
    """Text followed by an answer that reports sends without numbers is unknown with any status."""
    answer = b'<b>Notice</b>: x\n{"success": true, "successful_sends": 1}'

    assert isinstance(read_answer(429, answer), Unreadable)


@pytest.mark.parametrize("half", [r"\ud800", r"\udc00", r"a\ud800b", r"\ud83d\ude00 \udfff"])
def test_a_lone_surrogate_costs_no_batch(half):
    """A lone surrogate in one field is replaced; the rest of the answer counts."""
    entry = f'{{"phone": "+12125550123", "success": true, "message_id": "{half}"}}'
    answer = read_answer(200, f'{{"success": true, "results": [{entry}]}}'.encode())

    assert ["+12125550123"] == [entry.phone for entry in answer.entries]
    assert "\ufffd" in answer.entries[0].message_id
