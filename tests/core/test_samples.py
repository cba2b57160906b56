"""Replies that a gateway on PHP might send, one file per case, and how each is interpreted."""

from pathlib import Path

import pytest

from customersms_async._delivery.retry import of_refusal
from customersms_async._values.redaction import Redactor
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async._wire.codec import Answered, read_answer
from customersms_async._wire.matching import Match, accepted_in_order, match_by_digits

SAMPLES = Path(__file__).parent.parent / "samples"

KEY, TEXT = "cspro_sample", "We open at nine"
ASKED = ["+12125551234", "+13235554567"]

FIRST, SECOND = "sent msg_123456", "sent msg_123457"
MISSING = "unknown MISSING_IN_ANSWER"
UNREADABLE = "unknown ANSWER_UNREADABLE"

# File, HTTP status, fates of the two requested numbers, credits, surplus entries.
CASES = [
    ("success.json", 200, FIRST, SECOND, 98, 0),
    ("success.json", 500, FIRST, SECOND, 98, 0),
    ("success_one.json", 200, FIRST, MISSING, 99, 0),
    ("refusal_key.json", 200, *["rejected INVALID_API_KEY"] * 2, None, 0),
    ("refusal_key.json", 401, *["rejected INVALID_API_KEY"] * 2, None, 0),
    ("refusal_key.json", 500, *["rejected INVALID_API_KEY"] * 2, None, 0),
    ("refusal_key.json", 429, *["rejected INVALID_API_KEY"] * 2, None, 0),
    ("refusal_credits.json", 402, *["rejected INSUFFICIENT_CREDITS"] * 2, 0, 0),
    ("refusal_rate.json", 200, *["not_sent RATE_LIMITED"] * 2, None, 0),
    ("refusal_rate_in_words.json", 503, *["not_sent RATE_LIMITED"] * 2, None, 0),
    ("refusal_bare.json", 200, *["rejected REJECTED"] * 2, None, 0),
    ("refusal_number_flag.json", 200, *["rejected BLOCKED_TEXT"] * 2, None, 0),
    ("refusal_with_empty_results.json", 400, *["rejected NO_VALID_PHONES"] * 2, None, 0),
    ("refusal_behind_notice.txt", 200, *[UNREADABLE] * 2, None, 0),
    ("refusal_behind_notice.txt", 401, *["rejected HTTP_401"] * 2, None, 0),
    ("partial.json", 200, FIRST, "rejected BLOCKED_NUMBER (Number is blocked)", 98, 0),
    ("partial_success_false.json", 200, "rejected REJECTED (No route to +...34)", SECOND, None, 0),
    ("partial_success_false.json", 429, "rejected REJECTED (No route to +...34)", SECOND, None, 0),
    ("results_object_by_place.json", 200, FIRST, SECOND, 98, 0),
    ("results_object_by_number.json", 200, FIRST, SECOND, 98, 0),
    ("integer_phones.json", 200, FIRST, SECOND, 98, 0),
    ("numbers_for_booleans.json", 200, FIRST, "rejected BLOCKED_NUMBER", 98, 0),
    ("strings_for_booleans.json", 200, *[UNREADABLE] * 2, None, 0),
    ("respelt.json", 200, FIRST, SECOND, None, 0),
    ("escaped.json", 200, "sent msg/123456", "sent msg/123457", None, 0),
    ("reordered.json", 200, FIRST, SECOND, None, 0),
    ("missing.json", 200, MISSING, SECOND, None, 0),
    ("added.json", 200, FIRST, SECOND, None, 1),
    ("doubled.json", 200, FIRST, SECOND, None, 1),
    ("contradicted.json", 200, "unknown CONTRADICTED", SECOND, None, 1),
    ("of_another_request.json", 200, MISSING, MISSING, 97, 1),
    ("empty_results.json", 200, MISSING, MISSING, None, 0),
    ("odd_fields.json", 200, "sent None", "rejected 17 (Blocked)", 98, 0),
    ("odd_entries.json", 200, MISSING, SECOND, None, 0),
    (
        "echo.json",
        200,
        "rejected REJECTED ([hidden]: cannot send '[hidden]' to +...34)",
        SECOND,
        None,
        0,
    ),
    ("bom.json", 200, FIRST, SECOND, 98, 0),
    ("two_boms.txt", 200, FIRST, SECOND, 98, 0),
    ("php_notice.txt", 200, FIRST, SECOND, 98, 0),
    ("php_notice_missing.txt", 200, MISSING, MISSING, None, 0),
    ("php_notice_behind.txt", 200, FIRST, SECOND, 98, 0),
    ("latin_1.txt", 200, FIRST, SECOND, 98, 0),
    ("page.html", 200, *[UNREADABLE] * 2, None, 0),
    ("page.html", 302, *[UNREADABLE] * 2, None, 0),
    ("page.html", 404, *["rejected HTTP_404"] * 2, None, 0),
    ("error_page.html", 502, *[UNREADABLE] * 2, None, 0),
    ("too_many_requests.html", 429, *["not_sent RATE_LIMITED"] * 2, None, 0),
    ("too_many_requests.html", 503, *[UNREADABLE] * 2, None, 0),
    ("cut.json", 200, *[UNREADABLE] * 2, None, 0),
    ("empty.txt", 200, *[UNREADABLE] * 2, None, 0),
    ("null.json", 200, *[UNREADABLE] * 2, None, 0),
    ("yes_only.json", 200, *[UNREADABLE] * 2, None, 0),
    ("yes_only.json", 429, *[UNREADABLE] * 2, None, 0),
    ("sends_without_names.json", 200, *[UNREADABLE] * 2, None, 0),
    ("sends_without_names.json", 429, *[UNREADABLE] * 2, None, 0),
    ("deep.json", 200, *[UNREADABLE] * 2, None, 0),
    # The sandbox's answers, byte for byte: see test_sandbox_samples.py.
    ("sandbox_reject.json", 200, *["rejected NUMBER_BLOCKED (Number is blocked)"] * 2, 100, 0),
    ("sandbox_reject_bare.json", 200, *["rejected REJECTED"] * 2, 100, 0),
    ("sandbox_refuse.json", 200, *["rejected MESSAGE_BLOCKED"] * 2, None, 0),
    ("sandbox_rate_limited.json", 429, *["not_sent RATE_LIMITED"] * 2, None, 0),
    ("sandbox_rate_limited_200.json", 200, *["not_sent RATE_LIMITED"] * 2, None, 0),
    ("sandbox_http_500.html", 500, *[UNREADABLE] * 2, None, 0),
    ("sandbox_http_503.html", 503, *[UNREADABLE] * 2, None, 0),
    ("sandbox_http_504.html", 504, *[UNREADABLE] * 2, None, 0),
    ("sandbox_html.html", 200, *[UNREADABLE] * 2, None, 0),
    ("sandbox_php_notice.txt", 200, FIRST, SECOND, 98, 0),
    ("sandbox_bom.txt", 200, FIRST, SECOND, 98, 0),
    ("sandbox_missing_entry.json", 200, MISSING, SECOND, 98, 0),
    ("sandbox_extra_entry.json", 200, FIRST, SECOND, 98, 1),
    ("sandbox_doubled_entry.json", 200, FIRST, SECOND, 98, 1),
    ("sandbox_wrong_numbers.json", 200, *[MISSING] * 2, 98, 2),
    ("sandbox_reordered.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_results_as_object.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_no_results.json", 200, *[UNREADABLE] * 2, None, 0),
    ("sandbox_false_with_results.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_integer_phones.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_digit_phones.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_spaced_phones.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_zero_one_booleans.json", 200, FIRST, SECOND, 98, 0),
    ("sandbox_odd_fields.json", 200, *["sent None"] * 2, 98, 0),
    (
        "sandbox_out_of_credits.json",
        200,
        FIRST,
        "rejected INSUFFICIENT_CREDITS (Insufficient credits)",
        0,
        0,
    ),
    ("sandbox_no_credits.json", 200, *["rejected INSUFFICIENT_CREDITS"] * 2, None, 0),
]


def clean_text(detail):
    return Redactor(KEY, TEXT, ASKED).clean(detail)


def fate(verdict, message_id=None):
    if verdict.status is Status.SENT:
        return f"sent {message_id}"
    said = f"{verdict.status} {verdict.code}"
    if verdict.detail and verdict.status is Status.REJECTED:
        said += f" ({verdict.detail})"
    return said


def read(name, status):
    """Process a reply as the client does: bytes, answer, fates."""
    answer = read_answer(status, (SAMPLES / name).read_bytes())
    if not isinstance(answer, Answered):
        verdict = of_refusal(answer, None)
        return fate(verdict), fate(verdict), getattr(answer, "credits", None), 0
    matched = match_by_digits(ASKED, answer, clean_text)
    message_ids = accepted_in_order(ASKED, answer.entries)
    if message_ids is not None:
        matched = Match(SENT, message_ids)
    verdicts = matched.verdicts
    if isinstance(verdicts, Verdict):
        verdicts = [verdicts] * len(ASKED)
    fates = map(fate, verdicts, matched.message_ids or [None] * len(ASKED))
    return *fates, answer.credits, matched.surplus


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [(name, status, expected) for name, status, *expected in CASES],
    ids=[f"{name} {status}" for name, status, *_ in CASES],
)
def test_sample(name, status, expected):
    """Each reply gives both requested numbers their expected fates."""
    assert expected == list(read(name, status))


def test_every_sample_is_used():
    """Every sample file belongs to a case."""
    assert {name for name, *_ in CASES} == {path.name for path in SAMPLES.iterdir()}
