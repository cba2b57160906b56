"""What mailboxes store, how it is found, and how keys are hidden."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customersms_async.sandbox._gateway.mailboxes import Mailboxes
from customersms_async.sandbox._gateway.masking import mask_key, mask_keys
from customersms_async.sandbox._gateway.message_query import MessageQuery
from customersms_async.sandbox._gateway.records import SandboxMessage, SandboxRequest
from customersms_async.sandbox._gateway.replies import Ending, PlannedReply
from customersms_async.sandbox._gateway.transcripts import (
    LONGEST,
    OVERHEAD,
    Transcript,
    Transcripts,
)

KEY, OTHER = "cspro_canary", "cspro_second"
PHONES = ["+12125551234", "+13235554567"]


class Book:
    """Fill mailboxes one request at a time, with message ids like the gateway's."""

    def __init__(self, keep: int = 1000) -> None:
        self.mailboxes = Mailboxes(keep)
        self.messages = self.requests = 0

    def write(self, *phones: str, text: str = "Hi", key: str = KEY, code: str | None = None):
        self.requests += 1
        accepted = () if code else phones
        messages = [self._message(phone, text, key) for phone in accepted]
        request = SandboxRequest(
            self.requests, 0.0, key, phones, text, len(accepted), None, 200, code
        )
        self.mailboxes.record(request, messages)
        return self

    def _message(self, phone: str, text: str, key: str) -> SandboxMessage:
        self.messages += 1
        return SandboxMessage(phone, text, f"msg_{self.messages}", key, 0.0, self.requests)


def ids(messages):
    return [message.number for message in messages]


def test_a_mailbox_for_each_key():
    """Messages, requests, refusals, duplicates and codes of one key are separate from another's."""
    book = Book().write(PHONES[0], text="code 1111").write(PHONES[0], text="code 2222", key=OTHER)
    mailboxes = (
        book.write(PHONES[0], key=OTHER, code="NO").write(PHONES[0], text="code 1111").mailboxes
    )

    assert ([1, 3], [2]) == (ids(mailboxes.of(KEY).messages), ids(mailboxes.of(OTHER).messages))
    assert ([], [3]) == tuple([r.id for r in mailboxes.refused(key)] for key in (KEY, OTHER))
    assert ([3], []) == (ids(mailboxes.duplicates(KEY)), ids(mailboxes.duplicates(OTHER)))
    assert ("1111", "2222") == tuple(mailboxes.last_code(PHONES[0], key) for key in (KEY, OTHER))
    assert ("1111", [3]) == (mailboxes.last_code(PHONES[0]), ids(mailboxes.duplicates()))


def test_the_same_message_of_two_keys_is_no_duplicate():
    """The same message to the same number from two accounts is not a duplicate."""
    mailboxes = Book().write(PHONES[0]).write(PHONES[0], key=OTHER).mailboxes

    assert [] == mailboxes.duplicates()


def test_an_unknown_key_has_an_empty_mailbox():
    """The mailbox of a key without requests is empty."""
    mailboxes = Mailboxes(10)

    assert ([], []) == (list(mailboxes.find(MessageQuery(key=KEY))), mailboxes.duplicates(KEY))
    assert not mailboxes.is_duplicate(SandboxMessage("+1", "", "msg_1", KEY, 0.0, 1))


def test_a_number_of_several_keys():
    """Without a key, messages to a number are listed in order of arrival, over all keys."""
    book = Book()
    for key in (KEY, OTHER, KEY, OTHER):
        book.write(*PHONES, key=key)

    assert [1, 3, 5, 7] == ids(book.mailboxes.find(MessageQuery(PHONES[0])))
    assert [7, 5, 3, 1] == ids(book.mailboxes.find_newest(MessageQuery(PHONES[0])))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (MessageQuery(), [1, 2, 3, 4]),
        (MessageQuery(request=2), [3, 4]),
        (MessageQuery(after=2), [3, 4]),
        (MessageQuery(PHONES[1], "By", KEY), [4]),
        (MessageQuery(contains="nothing"), []),
    ],
)
def test_find(query, expected):
    """Each part of a query narrows the result."""
    mailboxes = Book().write(*PHONES).write(*PHONES, text="Bye").mailboxes

    assert expected == ids(mailboxes.find(query)) == ids(mailboxes.find_newest(query))[::-1]


@pytest.mark.parametrize(
    ("message_id", "expected"), [("msg_2", "msg_2"), ("msg_9", None), ("x", None), ("msg_1", None)]
)
def test_a_message_by_its_id(message_id, expected):
    """A message is found by its id even after older ones were dropped."""
    book = Book().write(PHONES[0], key=OTHER).write(PHONES[0]).write(PHONES[0], key=OTHER)
    book.write(PHONES[0])
    book.mailboxes.clear(OTHER)
    found = book.mailboxes.message(message_id)

    assert expected == (found and found.message_id)


@pytest.mark.parametrize(("request_id", "expected"), [(1, 1), (2, None), (3, 3), (4, None)])
def test_a_request_by_its_id(request_id, expected):
    """A request is found by its id even after older ones were dropped."""
    book = Book().write(PHONES[0]).write(PHONES[0], key=OTHER).write(PHONES[0])
    book.mailboxes.clear(OTHER)
    found = book.mailboxes.request(request_id)

    assert expected == (found and found.id)


def test_clear_one_key_and_all():
    """Clearing removes the messages of one key, of an unknown key (none), or all."""
    mailboxes = Book().write(PHONES[0]).write(PHONES[0], key=OTHER).mailboxes

    mailboxes.clear(KEY)
    mailboxes.clear("cspro_nobody")
    left = ids(mailboxes.messages), [request.id for request in mailboxes.requests]
    mailboxes.clear()

    assert ([2], [2]) == left
    assert (0, 0, {}) == (len(mailboxes.messages), len(mailboxes.requests), mailboxes.by_key)


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(PHONES), max_size=4),
            st.sampled_from(["Hi", "Bye"]),
            st.sampled_from([KEY, OTHER]),
        ),
        max_size=30,
    ),
    st.integers(1, 12),
)
def test_the_index_agrees_with_the_log(requests, keep):
    """Each mailbox equals a scan of all stored messages, whatever was dropped."""
    book = Book(keep)
    seen: set[tuple[str, str, str]] = set()
    for phones, text, key in requests:
        book.write(*phones, text=text, key=key)
    mailboxes, held = book.mailboxes, list(book.mailboxes.messages)

    assert len(held) <= keep
    for key in (KEY, OTHER):
        assert [m for m in held if m.key == key] == list(mailboxes.of(key).messages)
        for phone in PHONES:
            expected = [m for m in held if (m.key, m.phone) == (key, phone)]
            assert expected == list(mailboxes.find(MessageQuery(phone, key=key)))
    for message in held:
        pair = (message.key, message.phone, message.text)
        assert pair not in seen or mailboxes.is_duplicate(message)
        seen.add(pair)
    assert [m for m in held if mailboxes.is_duplicate(m)] == list(mailboxes.duplicates())
    for mailbox in mailboxes.by_key.values():
        assert mailbox.repeats == set(ids(mailbox.duplicates))


def test_mailboxes_of_unknown_keys_are_dropped():
    """A key whose requests were all dropped leaves nothing behind."""
    book = Book(2)
    for n in range(50):
        book.write(PHONES[0], key=f"cspro_{n}", code="INVALID_API_KEY")

    assert ["cspro_48", "cspro_49"] == list(book.mailboxes.by_key)


def test_the_newest_messages():
    """The newest messages are returned oldest first."""
    assert [3, 4] == ids(Book().write(*PHONES).write(*PHONES).mailboxes.newest(2))


CANARY = "not_a_usual_canary"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"Authorization: Bearer {KEY}", ""),
        (json.dumps({"api_key": KEY}), KEY),
        (json.dumps({"api_key": CANARY}), CANARY),
        (json.dumps({"api_key": CANARY, "phone": CANARY}), CANARY),
        (f'{{"api_key" : "{CANARY}', ""),
        (f'{{"api_key": "{CANARY}\\"more"}}', ""),
        (f"/sms_system/api.php?key={KEY}&x=1", ""),
        ("cspro_\u00e4canary cspro_canary.", ""),
    ],
)
def test_no_key_is_shown(text, key):
    """A key is hidden in every field, whether known, unknown or in the wrong place."""
    shown = mask_keys(text, key)

    assert not {"canary", CANARY} & set(shown.replace('"', " ").split())
    assert KEY not in shown
    assert CANARY not in shown


def test_the_same_key_has_the_same_mask():
    """A key in a raw request is masked as the account next to it."""
    assert f'{{"api_key":"{mask_key(KEY)}"}}' == mask_keys(f'{{"api_key":"{KEY}"}}', KEY)
    assert mask_keys(mask_key(KEY)) == mask_key(KEY)


OK = PlannedReply()


def transcript(request: int = 1, body: bytes = b"", key: str = KEY, reply: PlannedReply = OK):
    return Transcript(request, key, "POST / HTTP/1.1\r\n\r\n", body, reply)


def test_a_transcript():
    """A transcript has request and answer verbatim, with the key masked."""
    told = transcript(
        body=b'{"api_key":"cspro_canary","phone":"+1"}', reply=PlannedReply(b"{}", 429)
    )

    assert f'POST / HTTP/1.1\r\n\r\n{{"api_key":"{mask_key(KEY)}","phone":"+1"}}' == told.sent
    assert (
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: 2"
        "\r\n\r\n{}"
    ) == told.answered
    assert KEY not in repr(told)


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (PlannedReply(status=401), "HTTP/1.1 401 Unauthorized"),
        (PlannedReply(retry_after="7"), "Retry-After: 7"),
        (PlannedReply(status=299), "HTTP/1.1 299 "),
        (PlannedReply(ending=Ending.CUT_SILENT), "Content-Type: application/json\r\n\r\n"),
    ],
)
def test_a_raw_answer(reply, line):
    """The head of an answer is recorded as it was sent."""
    assert line in reply.raw


def test_a_long_transcript_is_cut():
    """A very long body is cut, with a note that says so."""
    told = transcript(body=b"\xc3\xa4" * LONGEST * 3)

    assert LONGEST < len(told.sent) < LONGEST + 200
    assert "… cut after 200,000 characters" in told.sent


def test_the_time_of_a_request_goes_with_its_transcript():
    """The time of a request is dropped with its transcript, and not recorded after that."""
    kept = Transcripts(room=4 * OVERHEAD)
    kept.add(transcript(1))
    kept.note_answered(1, 0.25)
    kept.add(transcript(2, key="cspro_other"))
    kept.note_answered(2, 0.5)
    before = (kept.took(1), kept.took(2))
    kept.clear("cspro_other")
    kept.note_answered(2, 0.5)

    assert (0.25, 0.5) == before
    assert (0.25, None) == (kept.took(1), kept.took(2))


def test_transcripts_are_bounded():
    """The oldest transcripts are dropped first; the newest is kept, however large."""
    kept = Transcripts(room=2 * OVERHEAD)
    for n in range(3):
        kept.add(transcript(n))
    after_three = [kept.get(n) is not None for n in range(3)]
    kept.add(transcript(3, body=b"x" * 10 * OVERHEAD))

    assert [False, False, True] == after_three
    assert [False] * 3 + [True] == [kept.get(n) is not None for n in range(4)]


def test_clearing_transcripts():
    """Transcripts of one key or all can be cleared, which frees their space."""
    kept = Transcripts(room=4 * OVERHEAD)
    for n, key in enumerate([KEY, OTHER, KEY]):
        kept.add(transcript(n, key=key))
    kept.clear(KEY)
    left = [n for n in range(3) if kept.get(n)]
    kept.clear()
    for n in range(3):
        kept.add(transcript(n))

    assert [1] == left
    assert [0, 1, 2] == [n for n in range(3) if kept.get(n)]
