"""Reading the caller's input, against a model that reads one item at a time."""

import asyncio

import pytest
from attrs import define
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customersms_async._bulk.message_reader import MessageReader
from customersms_async._bulk.phone_reader import PhoneReader
from customersms_async._bulk.reader import Skip
from customersms_async._bulk.source import open_source
from customersms_async._values.status import Status
from customersms_async.errors import InvalidPhone
from customersms_async.outcomes import Message, Outcome
from customersms_async.phones import normalize_phone

ANN, BEN, CAM = "+12125551234", "+13235554567", "+442079460958"


class BrokenInputError(Exception):
    """Raised by the caller's iterable."""


# --- Kinds of input -------------------------------------------------------------------------------


@define
class Listlike:
    items: list

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)


class CountingIterator:
    """An iterator whose `__len__` returns 0."""

    def __init__(self, items):
        self._items = iter(items)

    def __len__(self):
        return 0

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)


class AsyncItems:
    """An async iterator that is not a generator."""

    def __init__(self, items):
        self._items = iter(items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        for item in self._items:
            return item
        raise StopAsyncIteration


def generator(items):
    yield from items


async def async_generator(items):
    for item in items:
        await asyncio.sleep(0)
        yield item


KINDS = {
    "list": list,
    "tuple": tuple,
    "listlike": Listlike,
    "iterator": iter,
    "counting iterator": CountingIterator,
    "generator": generator,
    "async iterator": AsyncItems,
    "async generator": async_generator,
}


def breaking(items):
    """Yield the items, then raise."""
    yield from items
    raise BrokenInputError


async def breaking_async(items):
    for item in items:
        yield item
    raise BrokenInputError


BREAKING = {
    "generator": breaking,
    "iterator": lambda items: CountingIterator(breaking(items)),
    "listlike": lambda items: Listlike(breaking(items)),
    "async generator": breaking_async,
    "async iterator": lambda items: AsyncItems(breaking(items)),
}


# --- Reading --------------------------------------------------------------------------------------


def phone_reader(phones, *, batch_size=3, dedupe=True, parse=normalize_phone):
    return PhoneReader(phones, "Hi", batch_size=batch_size, dedupe=dedupe, parse=parse, skip=Skip())


def message_reader(messages, *, batch_size=3, dedupe=True, look_ahead=10):
    return MessageReader(
        messages,
        batch_size=batch_size,
        dedupe=dedupe,
        parse=normalize_phone,
        skip=Skip(),
        look_ahead=look_ahead,
    )


def start(source):
    """Start reading, as a run does, and return the source."""
    source.start(asyncio.ensure_future)
    return source


def flush(reader, chunk):
    """Add the held batches to a chunk."""
    while (batch := reader.flush()) is not None:
        chunk.batches.append(batch)
    return chunk


async def read_all(reader, sizes=()):
    """Read to the end, in steps of the given sizes, and return the chunks."""
    chunks, sizes = [], iter(sizes)
    source = start(reader.source)
    while not source.is_exhausted:
        await source.gather(min(next(sizes, reader.wanted), reader.wanted))
        chunks.append(reader.take(0.0))
    flush(reader, chunks[-1])
    return chunks


def read(reader, sizes=()):
    return asyncio.run(read_all(reader, sizes))


def facts(chunks):
    """Merge chunks into numbers by index, refusals, and what is sent."""
    numbers = {}
    for chunk in chunks:
        for place, number in enumerate(chunk.numbers):
            numbers[chunk.first + place] = number
    refused = [(r.index, r.given, r.verdict.code) for chunk in chunks for r in chunk.refused]
    leaving = [
        (index, phone, batch.text)
        for chunk in chunks
        for batch in chunk.batches
        for index, phone in zip(batch.indexes, batch.phones, strict=True)
    ]
    return numbers, refused, sorted(leaving)


def batches(chunks):
    return [batch for chunk in chunks for batch in chunk.batches]


ITEMS = st.lists(
    st.sampled_from(
        [
            *[ANN, BEN, CAM, "+12125551235", "+12125551236", " +1 212 555 1235", "00442079460958"],
            *["2125551234", "", "x", None, 12125551234, 1.5, b"+1"],
            Outcome(0, BEN, Status.SENT),
        ]
    ),
    max_size=25,
)
CHUNKS = st.lists(st.integers(1, 7), max_size=25)


def model_of_phones(items, *, dedupe):
    """Compute the expected result, one item at a time."""
    numbers, refused, leaving, seen = {}, [], [], set()
    for index, item in enumerate(items):
        given = item.phone if isinstance(item, Outcome) else item
        try:
            phone = normalize_phone(given)
        except InvalidPhone:
            numbers[index] = 0
            refused.append((index, as_given(given), "INVALID_PHONE"))
            continue
        numbers[index] = int(phone)
        if dedupe and phone in seen:
            refused.append((index, phone, "DUPLICATE"))
            continue
        seen.add(phone)
        leaving.append((index, phone, "Hi"))
    return numbers, refused, leaving


def as_given(item):
    if isinstance(item, str):
        return item
    return (
        repr(item) if item is None or isinstance(item, int | float) else f"<{type(item).__name__}>"
    )


@given(ITEMS, CHUNKS, st.integers(1, 5), st.booleans())
@example([ANN, BEN, ANN], [], 2, True)
@example([ANN, BEN, " +1 212 555 1235", CAM], [2, 1, 1], 5, True)
def test_any_items_in_any_chunks(items, sizes, batch_size, dedupe):
    """Each item has the index and fate that it has on its own, however the input is split."""
    reader = phone_reader(items, batch_size=batch_size, dedupe=dedupe)

    chunks = read(reader, sizes)

    assert model_of_phones(items, dedupe=dedupe) == facts(chunks)
    assert all(1 <= len(batch.phones) <= batch_size for batch in batches(chunks))


@given(ITEMS, st.integers(1, 5))
def test_batches_are_full(items, batch_size):
    """Every request but the last has the full batch size."""
    chunks = read(phone_reader(items, batch_size=batch_size))

    assert all(batch_size == len(batch.phones) for batch in batches(chunks)[:-1])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(items=ITEMS)
def test_any_kind_of_input(kind, items):
    """A list, a generator, an iterator and their async variants give the same result."""
    chunks = read(phone_reader(KINDS[kind](items)))

    assert model_of_phones(items, dedupe=True) == facts(chunks)


@pytest.mark.parametrize("kind", BREAKING)
@settings(max_examples=15)
@given(items=ITEMS)
def test_an_input_that_raises_loses_nothing(kind, items):
    """Everything before the error is read; the error is kept and ends the input."""
    reader = phone_reader(BREAKING[kind](items))

    chunks = read(reader)

    assert model_of_phones(items, dedupe=True) == facts(chunks)
    assert isinstance(reader.source.failure, BrokenInputError)


async def test_a_read_that_is_cancelled_loses_nothing():
    """Items that were read before a read was cancelled can still be taken."""

    async def stalling():
        yield ANN
        yield BEN
        await asyncio.Event().wait()

    reader = phone_reader(stalling(), batch_size=10)
    start(reader.source)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await reader.source.gather(10)

    chunk = flush(reader, reader.take(0.0))

    assert [(0, ANN, "Hi"), (1, BEN, "Hi")] == facts([chunk])[2]


async def test_an_input_is_read_on_demand():
    """Nothing is read before it is requested, and no more than was requested."""
    taken = []
    source = open_source((taken.append(n) or n for n in range(10)), "phones")
    assert [] == taken

    await source.gather(3)
    await source.gather(3)
    await source.gather(2)

    assert [0, 1, 2] == taken == source.take()
    assert not source.is_exhausted


@pytest.mark.parametrize(
    ("phones", "expected"),
    [
        (ANN, [ANN]),
        (f"{ANN},{BEN}", [ANN, BEN]),
        (f" {ANN} , {BEN},", [ANN, BEN]),
        ({ANN: "Ann", BEN: "Ben"}, [ANN, BEN]),
        ({ANN}, [ANN]),
        ([], []),
        ((number for number in (ANN, BEN)), [ANN, BEN]),
    ],
)
def test_types_of_input(phones, expected):
    """A string, a comma-separated string, a dictionary's keys and any collection are read."""
    assert expected == [phone for _, phone, _ in facts(read(phone_reader(phones)))[2]]


def test_an_empty_string_is_a_bad_number():
    """An empty string is refused as one bad number, instead of being no input."""
    assert [(0, "", "INVALID_PHONE")] == facts(read(phone_reader("")))[1]


@pytest.mark.parametrize("phones", [None, 12125551234, b"+12125551234", bytearray(b"+1"), object()])
def test_an_invalid_input(phones):
    """A value that is not a collection of numbers is refused immediately by its type."""
    with pytest.raises(TypeError) as caught:
        phone_reader(phones)

    kind = type(phones).__name__
    assert f"phones must be an iterable or async iterable, not {kind}" == str(caught.value)


def test_a_string_is_not_a_list_of_messages():
    """A string in place of messages is refused, not read character by character."""
    with pytest.raises(TypeError, match="messages must be an iterable or async iterable, not str"):
        message_reader("Hi")


@pytest.mark.parametrize(
    ("kind", "is_sized"),
    [
        ("list", True),
        ("tuple", True),
        ("listlike", True),
        ("iterator", False),
        ("generator", False),
        ("async iterator", False),
        ("async generator", False),
    ],
)
def test_is_sized(kind, is_sized):
    """A collection is sized; an iterator, generator or async iterable is not."""
    assert is_sized is phone_reader(KINDS[kind]([ANN])).source.is_sized


def test_an_integer_too_long_to_format():
    """An integer that Python refuses to format is one bad item, and reading continues."""
    assert [(0, "<int>", "INVALID_PHONE")] == facts(read(phone_reader([10**5000])))[1]


def test_outcomes_as_input():
    """Outcomes of one run can be the input of the next."""
    outcomes = [Outcome(7, ANN, Status.NOT_SENT), Outcome(9, "junk", Status.NOT_SENT)]

    assert ({0: 12125551234, 1: 0}, [(1, "junk", "INVALID_PHONE")], [(0, ANN, "Hi")]) == facts(
        read(phone_reader(outcomes))
    )


def test_a_custom_parser():
    """With a custom parser, each item is parsed by it, even those in E.164."""
    asked = []

    def parse(text):
        asked.append(text)
        return normalize_phone(f"+1{text}" if len(text) == 10 else text)

    chunks = read(phone_reader(["2125551234", BEN], parse=parse))

    assert ["2125551234", BEN] == asked
    assert [(0, ANN, "Hi"), (1, BEN, "Hi")] == facts(chunks)[2]


# --- Closing --------------------------------------------------------------------------------------


async def test_closing_a_generator():
    """A generator that was not exhausted is closed, which releases its resources."""
    closed = []

    def source():
        try:
            yield ANN
            yield BEN
        finally:
            closed.append("sync")

    async def async_source():
        try:
            yield ANN
            yield BEN
        finally:
            await asyncio.sleep(0)
            closed.append("async")

    for make in (source, async_source):
        given_input = start(open_source(make(), "phones"))
        await given_input.gather(1)
        await given_input.close()
        assert given_input.failure is None

    assert ["sync", "async"] == closed


@pytest.mark.parametrize("kind", KINDS)
async def test_closing_twice(kind):
    """An input can be closed twice, exhausted or not."""
    given_input = start(open_source(KINDS[kind]([ANN]), "phones"))

    await given_input.close()
    await given_input.close()

    assert given_input.failure is None


async def test_an_error_while_closing_is_kept():
    """An error while closing is kept, and does not hide an earlier one."""

    def source():
        try:
            yield ANN
            yield BEN
        finally:
            raise BrokenInputError

    given_input = open_source(source(), "phones")
    await given_input.gather(1)
    await given_input.close()
    assert isinstance(given_input.failure, BrokenInputError)

    given_input = open_source(source(), "phones")
    await given_input.gather(1)
    given_input.failure = first = ValueError()
    await given_input.close()
    assert first is given_input.failure


async def test_a_file_is_left_open(tmp_path):
    """An input that is not a generator is left for the caller to close."""
    path = tmp_path / "numbers.txt"
    path.write_text(f"{ANN}\n{BEN}\n")
    with path.open() as file:
        reader = phone_reader(file)
        await reader.source.gather(1)
        await reader.source.close()

        assert not file.closed
        assert [(0, ANN, "Hi")] == facts([flush(reader, reader.take(0.0))])[2]


# --- Messages -------------------------------------------------------------------------------------

MESSAGES = st.lists(
    st.one_of(
        st.builds(
            Message,
            st.sampled_from([ANN, BEN, CAM, "+12125551235", "x", None]),
            st.sampled_from(["a", "b", "c", "", "\ud800", None]),
            st.sampled_from([None, "ref", 7]),
        ),
        st.sampled_from([None, ANN, 7, ("+1", "a")]),
    ),
    max_size=25,
)


def model_of_messages(items, *, dedupe):
    numbers, refused, leaving, seen = {}, [], [], set()
    for index, item in enumerate(items):
        numbers[index] = 0
        if not isinstance(item, Message):
            refused.append((index, as_given(item), "INVALID_PHONE"))
        elif item.phone in ("x", None):
            refused.append((index, as_given(item.phone), "INVALID_PHONE"))
        elif item.text not in ("a", "b", "c"):
            refused.append((index, item.phone, "INVALID_MESSAGE"))
        else:
            numbers[index] = int(item.phone)
            if dedupe and (item.phone, item.text) in seen:
                refused.append((index, item.phone, "DUPLICATE"))
                continue
            seen.add((item.phone, item.text))
            leaving.append((index, item.phone, item.text))
    return numbers, refused, leaving


@given(MESSAGES, CHUNKS, st.integers(1, 5), st.booleans(), st.integers(1, 12))
def test_any_messages_in_any_chunks(items, sizes, batch_size, dedupe, look_ahead):
    """Each message has its own index and fate, however messages are split and grouped."""
    reader = message_reader(items, batch_size=batch_size, dedupe=dedupe, look_ahead=look_ahead)

    chunks = read(reader, sizes)

    assert model_of_messages(items, dedupe=dedupe) == facts(chunks)
    assert all(1 <= len(batch.phones) <= batch_size for batch in batches(chunks))


@given(MESSAGES, st.integers(1, 5), st.integers(1, 12))
def test_references_come_back(items, batch_size, look_ahead):
    """Each message's reference is kept with its number."""
    chunks = read(message_reader(items, batch_size=batch_size, look_ahead=look_ahead))
    expected = {
        i: m.ref for i, m in enumerate(items) if isinstance(m, Message) and m.ref is not None
    }

    assert expected == {index: ref for chunk in chunks for index, ref in chunk.refs}
    for batch in batches(chunks):
        refs = [expected.get(index) for index in batch.indexes]
        assert (refs if any(ref is not None for ref in refs) else []) == list(batch.refs)


@given(
    st.lists(st.sampled_from("abcdef"), max_size=60),
    st.integers(1, 5),
    st.integers(1, 12),
    CHUNKS,
)
def test_look_ahead_limits_held_messages(texts, batch_size, look_ahead, sizes):
    """Fewer messages are held than the look-ahead allows, at any time."""
    items = [Message(f"+1212555{n:04}", text) for n, text in enumerate(texts)]
    reader, held, sizes = (
        message_reader(items, batch_size=batch_size, look_ahead=look_ahead),
        0,
        iter(sizes),
    )
    while not reader.source.is_exhausted:
        reader.source.gather_now(min(next(sizes, reader.wanted), reader.wanted))
        chunk = reader.take(0.0)
        assert held + len(chunk.numbers) <= look_ahead
        held += len(chunk.numbers) - sum(len(batch.phones) for batch in chunk.batches)
        assert 0 <= held < look_ahead


def test_equal_texts_share_a_request():
    """Messages with equal texts within the look-ahead share a request, in order."""
    texts = ["a", "b", "a", "b", "a"]
    items = [Message(f"+1212555{n:04}", text) for n, text in enumerate(texts)]

    made = batches(read(message_reader(items)))

    assert [("a", [0, 2, 4]), ("b", [1, 3])] == [(b.text, list(b.indexes)) for b in made]


def test_equal_texts_beyond_the_look_ahead():
    """Beyond the look-ahead, messages with equal texts are not grouped."""
    texts = ["a", "b", "c", "d", "a"]
    items = [Message(f"+1212555{n:04}", text) for n, text in enumerate(texts)]

    made = batches(read(message_reader(items, look_ahead=3)))

    assert [("a", [0]), ("b", [1]), ("c", [2]), ("d", [3]), ("a", [4])] == [
        (b.text, list(b.indexes)) for b in made
    ]


def test_a_look_ahead_of_one_holds_nothing_back():
    """With a look-ahead of one, each message is ready as soon as it was read."""
    reader = message_reader([Message(ANN, "a"), Message(BEN, "a")], look_ahead=1)

    for phone in (ANN, BEN):
        reader.source.gather_now(reader.wanted)
        (batch,) = reader.take(0.0).batches
        assert [phone] == list(batch.phones)


def test_a_duplicate_message():
    """The same text to the same number is a duplicate; a different text is not."""
    items = [Message(ANN, "a"), Message(ANN, "b"), Message("00" + ANN[1:], "a")]

    _, refused, leaving = facts(read(message_reader(items)))

    assert [(2, ANN, "DUPLICATE")] == refused
    assert [(0, ANN, "a"), (1, ANN, "b")] == leaving


# --- Slow sources --------------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_an_item_that_is_still_awaited_is_not_lost():
    """An item that is awaited while others are taken is in the next chunk."""

    async def slowly():
        for phone in (ANN, BEN, CAM):
            yield phone
            await asyncio.sleep(2)

    source = start(open_source(slowly(), "phones"))
    taken = []
    while not source.is_exhausted:
        await source.gather(3)
        taken.append(source.take())

    assert [[ANN], [BEN], [CAM], []] == taken


@pytest.mark.virtual_time
async def test_a_chunk_waits_for_at_most_a_second():
    """A slow source gives smaller chunks, and time that items were held counts."""
    began = asyncio.get_running_loop().time()

    async def slowly():
        yield ANN
        yield BEN
        await asyncio.sleep(100)
        yield CAM

    source = start(open_source(slowly(), "phones"))
    await source.gather(3)
    first = asyncio.get_running_loop().time() - began
    taken = source.take()
    await source.gather(3, held_for=0.75)

    assert ([ANN, BEN], []) == (taken, source.take())
    assert [1.0, 1.25] == pytest.approx([first, asyncio.get_running_loop().time() - began])
    await source.close()


async def test_available_items_are_read_after_a_long_wait():
    """Items that are available are read even if an item was held for over a second."""
    source = start(open_source(async_items([ANN, BEN]), "phones"))

    await source.gather(5, held_for=100)

    assert [ANN, BEN] == source.take()


async def async_items(items):
    for item in items:
        yield item


async def test_closing_ends_a_pending_read():
    """Closing a source ends a pending `gather`, and the source is over."""

    async def stalling():
        yield ANN
        await asyncio.Event().wait()

    source = start(open_source(stalling(), "phones"))
    waiting = asyncio.ensure_future(source.gather(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await source.close()
    await waiting

    assert (True, False, [ANN]) == (source.is_over, source.is_exhausted, source.take())
