"""Matching of answers to numbers, against a slow and obviously correct model."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customersms_async._values.refusal_words import Family, family_of
from customersms_async._values.status import SENT, Status, Verdict
from customersms_async._wire.codec import Answered, Entry, TurnedAway
from customersms_async._wire.matching import Match, accepted_in_order, match_by_digits

ANN, BEN, CAM = "+12125551234", "+13235554567", "+442079460958"
NUMBERS = [ANN, BEN, CAM, "+12125551235", "+121255512345"]
MISSING = Verdict(Status.UNKNOWN, "MISSING_IN_ANSWER", "the answer does not name this number")
CONTRADICTED = Verdict(Status.UNKNOWN, "CONTRADICTED", "the answer says both yes and no")


def yes(phone, message_id=None):
    return Entry(phone, success=True, message_id=message_id)


def no(phone, code=None, error=None):
    return Entry(phone, success=False, code=code, error=error)


def found(phones, *entries, amid_text=False):
    message_ids = accepted_in_order(phones, entries)
    if message_ids is not None:
        return Match(SENT, message_ids)
    return match_by_digits(phones, Answered(entries, 5, amid_text), lambda text: f"clean {text}")


def verdicts(phones, matched):
    if isinstance(matched.verdicts, Verdict):
        return [matched.verdicts] * len(phones)
    return list(matched.verdicts)


def ids(phones, matched):
    return list(matched.message_ids or [None] * len(phones))


# --- Tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [402, "402", "insufficientCredits", "INSUFFICIENT_CREDITS"])
def test_a_number_refused_for_credit(code):
    """The code of an entry is recognised in any type and spelling."""
    (verdict,) = verdicts([ANN], found([ANN], no(ANN, code)))

    assert family_of(verdict.code) is Family.CREDIT


def test_all_refused_for_the_rate_were_turned_away():
    """If every number was refused for the rate, the request counts as refused and is retried."""
    matched = found([ANN, BEN], no(BEN, 429, "Wait"), no(ANN, "RATE_LIMIT", "Slow down"))

    assert TurnedAway("RATE_LIMIT", "clean Slow down") == matched.turned_away


@pytest.mark.parametrize(
    "entries",
    [
        [yes(ANN), yes(BEN)],
        [yes(ANN), no(BEN, 429)],
        [no(ANN, 429), no(BEN, "BLOCKED")],
        [no(ANN, 429)],
    ],
)
def test_a_request_with_any_other_entry_is_not_retried(entries):
    """Nothing is retried if one number was sent, unknown or refused for another reason."""
    assert found([ANN, BEN], *entries).turned_away is None


def test_an_entry_that_echoes_the_message():
    """Words of the message that an entry's error echoes are ignored."""
    entry = no(ANN, None, "Blocked: no credits left")
    matched = match_by_digits([ANN], Answered([entry]), str, "You have no credits left")

    assert ["REJECTED"] == [verdict.code for verdict in matched.verdicts]


def test_the_documented_answer():
    """In the documented answer, each number is sent and has its message id."""
    matched = found([ANN, BEN], yes(ANN, "msg_1"), yes(BEN, "msg_2"))

    assert [SENT, SENT] == verdicts([ANN, BEN], matched)
    assert ["msg_1", "msg_2"] == ids([ANN, BEN], matched)
    assert (0, False) == (matched.surplus, matched.is_foreign)


@pytest.mark.parametrize(
    "spelling",
    [
        "12125551234",
        "0012125551234",
        "+1 212 555 1234",
        "+1-212-555-1234",
        "(1) 212.555.1234",
        " +12125551234\n",
        "tel:+12125551234",
        "12125551234.0",
        "+12125551234.00",
    ],
)
def test_other_spellings_of_a_number(spelling):
    """A number is matched by its digits, however the gateway formats it."""
    matched = found([BEN, ANN], yes(spelling, "msg_1"), yes(BEN, "msg_2"))

    assert [SENT, SENT] == verdicts([BEN, ANN], matched)
    assert ["msg_2", "msg_1"] == ids([BEN, ANN], matched)


@pytest.mark.parametrize(
    "other", ["+121255512345", "+1212555123", "2125551234", "+12125551234 5", "١٢١٢٥٥٥١٢٣٤", ""]
)
def test_another_number_is_not_ours(other):
    """An entry whose digits differ is about another number, so ours stays unknown."""
    matched = found([ANN], yes(other, "msg_1"))

    assert [MISSING] == verdicts([ANN], matched)
    assert [None] == ids([ANN], matched)
    assert (1, True) == (matched.surplus, matched.is_foreign)


def test_a_refused_number():
    """A rejected number has the gateway's code in upper case and its text redacted."""
    matched = found([ANN], no(ANN, "Invalid phone", "bad +12125551234"))

    assert [Verdict(Status.REJECTED, "INVALID_PHONE", "clean bad +12125551234")] == verdicts(
        [ANN], matched
    )


@pytest.mark.parametrize(("code", "error"), [(None, None), ("", ""), ("--", None)])
def test_a_refused_number_without_a_code(code, error):
    """A number that is refused without a code is rejected too."""
    assert [Verdict(Status.REJECTED, "REJECTED")] == verdicts(
        [ANN], found([ANN], no(ANN, code, error))
    )


def test_a_refused_number_has_no_message_id():
    """A message id beside a refusal is ignored."""
    entry = Entry(ANN, success=False, message_id="msg_1")

    assert [None] == ids([ANN], found([ANN], entry))


@pytest.mark.parametrize("order", [(ANN, BEN), (BEN, ANN)])
def test_an_empty_message_id_is_none(order):
    """An empty message id is None, with entries in request order and in any other."""
    matched = found([ANN, BEN], *(yes(phone, "") for phone in order))

    assert [None, None] == ids([ANN, BEN], matched)


def test_a_number_that_is_missing():
    """A number that the answer does not mention is unknown."""
    matched = found([ANN, BEN], yes(ANN, "msg_1"))

    assert [SENT, MISSING] == verdicts([ANN, BEN], matched)
    assert 0 == matched.surplus


def test_a_number_that_was_not_asked_for():
    """An entry about a number that was not requested is surplus, and ours is unaffected."""
    matched = found([ANN], yes(ANN, "msg_1"), yes(BEN, "msg_2"))

    assert [SENT] == verdicts([ANN], matched)
    assert (1, False) == (matched.surplus, matched.is_foreign)


def test_a_duplicate_entry():
    """A number requested once and listed twice is sent; the second entry is surplus."""
    matched = found([ANN], yes(ANN, "msg_1"), yes(ANN, "msg_2"))

    assert [SENT] == verdicts([ANN], matched)
    assert ["msg_1"] == ids([ANN], matched)
    assert 1 == matched.surplus


def test_a_contradiction():
    """A number requested once with both a success and a failure is unknown."""
    matched = found([ANN, BEN], yes(ANN), no(ANN), yes(BEN))

    assert [CONTRADICTED, SENT] == verdicts([ANN, BEN], matched)


def test_a_number_requested_twice():
    """A number that was requested twice gets one fate from each of its entries."""
    matched = found([ANN, BEN, ANN], yes(ANN, "msg_1"), no(ANN, "LIMIT"), yes(BEN, "msg_2"))

    assert [SENT, SENT, Verdict(Status.REJECTED, "LIMIT")] == verdicts([ANN, BEN, ANN], matched)
    assert ["msg_1", "msg_2", None] == ids([ANN, BEN, ANN], matched)


def test_a_number_requested_twice_and_listed_once():
    """Of a number that was requested twice and listed once, one is unknown."""
    matched = found([ANN, ANN], yes(ANN, "msg_1"))

    assert [SENT, MISSING] == verdicts([ANN, ANN], matched)


def test_an_answer_without_entries():
    """If an answer has no entries, all numbers are unknown, and the answer is not foreign."""
    matched = found([ANN, BEN])

    assert [MISSING, MISSING] == verdicts([ANN, BEN], matched)
    assert not matched.is_foreign


def test_an_answer_of_another_request():
    """An answer that lists only other numbers belongs to another request."""
    matched = found([ANN], yes(BEN), yes(CAM))

    assert [MISSING] == verdicts([ANN], matched)
    assert (2, True) == (matched.surplus, matched.is_foreign)


def test_amid_text_all_must_be_listed():
    """An answer amid other text is accepted if it lists every requested number."""
    matched = found([ANN, BEN], yes(BEN, "msg_2"), no(ANN, "BLOCKED"), amid_text=True)

    assert [Verdict(Status.REJECTED, "BLOCKED"), SENT] == verdicts([ANN, BEN], matched)


def test_amid_text_one_missing_is_all_unknown():
    """An answer amid other text that lacks one number leaves all unknown."""
    matched = found([ANN, BEN], yes(ANN, "msg_1"), amid_text=True)

    assert [MISSING, MISSING] == verdicts([ANN, BEN], matched)
    assert [None, None] == ids([ANN, BEN], matched)
    assert not matched.is_foreign


def test_numbers_in_a_tuple():
    """The requested numbers may be given in any sequence type."""
    assert [SENT] == verdicts((ANN,), found((ANN,), yes(ANN)))


# --- Any answer, against a model ------------------------------------------------------------------

SPELLINGS = st.sampled_from(
    [
        lambda phone: phone,
        lambda phone: phone[1:],
        lambda phone: "00" + phone[1:],
        lambda phone: f"{phone[:3]} ({phone[3:6]}) {phone[6:]}",
        "-".join,
    ]
)
ENTRIES = st.builds(
    lambda phone, spell, success, number: Entry(spell(phone), success, f"msg_{number}"),
    st.sampled_from([*NUMBERS, "+15005550006"]),
    SPELLINGS,
    st.booleans(),
    st.integers(0, 99),
)
ASKED = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=8)


def digits_of(phone):
    return "".join(char for char in phone if char in "0123456789").lstrip("0")


def model(asked, entries, *, amid_text):
    """Compute each number's fates as a sorted list, by counting."""
    named = {digits_of(entry.phone) for entry in entries}
    if amid_text and not {digits_of(phone) for phone in asked} <= named:
        return {phone: ["unknown"] * asked.count(phone) for phone in asked}
    fates = {}
    for phone in asked:
        times = asked.count(phone)
        said = [entry.success for entry in entries if digits_of(entry.phone) == digits_of(phone)]
        if len(set(said)) == 2 and len(said) != times:
            said = []
        said = ["sent" if success else "rejected" for success in said[:times]]
        fates[phone] = sorted(said + ["unknown"] * (times - len(said)))
    return fates


@given(ASKED, st.lists(ENTRIES, max_size=10), st.booleans())
@example([ANN, ANN], [yes(ANN), no(ANN)], False)
@example([ANN, ANN], [yes(ANN), no(ANN), no(ANN)], False)
def test_any_answer(asked, entries, amid_text):
    """With any entries, every number has exactly the fates that the model computes."""
    matched = found(asked, *entries, amid_text=amid_text)
    fates = {phone: [] for phone in asked}
    for phone, verdict in zip(asked, verdicts(asked, matched), strict=True):
        fates[phone].append(verdict.status.value)

    assert model(asked, entries, amid_text=amid_text) == {
        phone: sorted(found_fates) for phone, found_fates in fates.items()
    }


@given(ASKED, st.lists(ENTRIES, max_size=10), st.booleans())
def test_sent_is_never_made_up(asked, entries, amid_text):
    """A number is sent only if an entry with its digits says so, and gets the id of that entry."""
    matched = found(asked, *entries, amid_text=amid_text)

    for phone, verdict, message_id in zip(
        asked, verdicts(asked, matched), ids(asked, matched), strict=True
    ):
        accepted = {e.message_id for e in entries if e.success and digits_of(e.phone) == phone[1:]}
        assert message_id in accepted if verdict is SENT else message_id is None


@given(ASKED, st.lists(ENTRIES, max_size=10), st.booleans())
def test_surplus_and_foreign(asked, entries, amid_text):
    """Each entry answers one requested number, or counts as surplus."""
    matched = found(asked, *entries, amid_text=amid_text)
    left = [phone[1:] for phone in asked]
    for entry in entries:
        if digits_of(entry.phone) in left:
            left.remove(digits_of(entry.phone))

    assert len(entries) - (len(asked) - len(left)) == matched.surplus
    assert (bool(entries) and len(left) == len(asked)) is matched.is_foreign


@given(
    st.lists(st.sampled_from(NUMBERS), min_size=1, unique=True),
    st.data(),
)
def test_other_order_and_spelling(asked, data):
    """An answer in another order and format gives every number the same fate."""
    entries = [Entry(p, data.draw(st.booleans()), f"msg_{i}") for i, p in enumerate(asked)]
    shuffled = data.draw(st.permutations(entries))
    respelt = [Entry(data.draw(SPELLINGS)(e.phone), e.success, e.message_id) for e in shuffled]
    plain, odd = found(asked, *entries), found(asked, *respelt)

    assert verdicts(asked, plain) == verdicts(asked, odd)
    assert ids(asked, plain) == ids(asked, odd)
