"""The caller's input, against a model that looks at one item at a time."""

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
    """What the caller's iterable raises."""


# --- Kinds of input -------------------------------------------------------------------------------


@define
class Listlike:
    items: list

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)


class CountingIterator:
    """An iterator that does not know its length, and says 0."""

    def __init__(self, items):
        self._items = iter(items)

    def __len__(self):
        return 0

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)


class AsyncItems:
    """Async, and no generator."""

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
    """Give the items, then raise."""
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
    """Begin to read, as a run does; give the source back."""
    source.start(asyncio.ensure_future)
    return source


def flush(reader, chunk):
    """Add what is held back to the batches of a chunk."""
    while (batch := reader.flush()) is not None:
        chunk.batches.append(batch)
    return chunk


async def read_all(reader, sizes=()):
    """Read to the end, a few items at a time where *sizes* says so, and give the chunks."""
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
    """Put chunks together: numbers by index, refusals, what leaves, references."""
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
    """Look at one item after the other."""
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
def test_any_mixture_in_any_chunks(items, sizes, batch_size, dedupe):
    """However the input is cut, each item has the index and the fate that it has by itself."""
    reader = phone_reader(items, batch_size=batch_size, dedupe=dedupe)

    chunks = read(reader, sizes)

    assert model_of_phones(items, dedupe=dedupe) == facts(chunks)
    assert all(1 <= len(batch.phones) <= batch_size for batch in batches(chunks))


@given(ITEMS, st.integers(1, 5))
def test_batches_are_full(items, batch_size):
    """Only the last request of a run is smaller than the batch size."""
    chunks = read(phone_reader(items, batch_size=batch_size))

    assert all(batch_size == len(batch.phones) for batch in batches(chunks)[:-1])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(items=ITEMS)
def test_any_kind_of_input(kind, items):
    """A list, a generator, an iterator of any sort and their async kin give the same."""
    chunks = read(phone_reader(KINDS[kind](items)))

    assert model_of_phones(items, dedupe=True) == facts(chunks)


@pytest.mark.parametrize("kind", BREAKING)
@settings(max_examples=15)
@given(items=ITEMS)
def test_an_input_that_raises_loses_nothing(kind, items):
    """Whatever came before the error is read; the error is kept, and ends the input."""
    reader = phone_reader(BREAKING[kind](items))

    chunks = read(reader)

    assert model_of_phones(items, dedupe=True) == facts(chunks)
    assert isinstance(reader.source.failure, BrokenInputError)


async def test_a_read_that_is_cancelled_loses_nothing():
    """What was read before a read was cancelled is there to be taken."""

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


async def test_an_input_is_read_no_further_than_asked():
    """Nothing is read before it is asked for, and no more than was asked for."""
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
def test_forms_of_input(phones, expected):
    """One string, the comma-separated form, a dictionary's keys and any collection are read."""
    assert expected == [phone for _, phone, _ in facts(read(phone_reader(phones)))[2]]


def test_an_empty_string_is_a_bad_number():
    """An empty string is one input, and refused, so that it is not silently nothing."""
    assert [(0, "", "INVALID_PHONE")] == facts(read(phone_reader("")))[1]


@pytest.mark.parametrize("phones", [None, 12125551234, b"+12125551234", bytearray(b"+1"), object()])
def test_what_cannot_be_read(phones):
    """What is no collection of numbers is refused at once, by its type."""
    with pytest.raises(TypeError) as caught:
        phone_reader(phones)

    kind = type(phones).__name__
    assert f"phones must be an iterable or async iterable, not {kind}" == str(caught.value)


def test_a_string_is_no_message():
    """A string where messages are asked for is refused, not read letter by letter."""
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
    """Of a collection the rest is known when a run stops; of a stream it is not."""
    assert is_sized is phone_reader(KINDS[kind]([ANN])).source.is_sized


def test_a_number_too_long_to_write():
    """A whole number that Python refuses to write is one bad input, and ends nothing."""
    assert [(0, "<int>", "INVALID_PHONE")] == facts(read(phone_reader([10**5000])))[1]


def test_an_outcome_stands_for_its_number():
    """The outcomes of one run can be given to the next."""
    outcomes = [Outcome(7, ANN, Status.NOT_SENT), Outcome(9, "junk", Status.NOT_SENT)]

    assert ({0: 12125551234, 1: 0}, [(1, "junk", "INVALID_PHONE")], [(0, ANN, "Hi")]) == facts(
        read(phone_reader(outcomes))
    )


def test_a_parser_of_ones_own():
    """With a parser of one's own, each item goes through it, those in E.164 too."""
    asked = []

    def parse(text):
        asked.append(text)
        return normalize_phone(f"+1{text}" if len(text) == 10 else text)

    chunks = read(phone_reader(["2125551234", BEN], parse=parse))

    assert ["2125551234", BEN] == asked
    assert [(0, ANN, "Hi"), (1, BEN, "Hi")] == facts(chunks)[2]


# --- Closing --------------------------------------------------------------------------------------


async def test_closing_a_generator():
    """A generator that was not read to its end is closed, so that what it holds is given back."""
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
    """Any input may be closed, read or not, and closed again."""
    given_input = start(open_source(KINDS[kind]([ANN]), "phones"))

    await given_input.close()
    await given_input.close()

    assert given_input.failure is None


async def test_what_closing_raises_is_kept():
    """An error while closing is kept, and does not hide the one before it."""

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
    """An input that is no generator is the caller's to close."""
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
    """However the messages are cut and grouped, each has its index and its own fate."""
    reader = message_reader(items, batch_size=batch_size, dedupe=dedupe, look_ahead=look_ahead)

    chunks = read(reader, sizes)

    assert model_of_messages(items, dedupe=dedupe) == facts(chunks)
    assert all(1 <= len(batch.phones) <= batch_size for batch in batches(chunks))


@given(MESSAGES, st.integers(1, 5), st.integers(1, 12))
def test_references_come_back(items, batch_size, look_ahead):
    """Each message's own reference is entered for it, and travels with its number."""
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
def test_no_more_are_held_than_looked_ahead(texts, batch_size, look_ahead, sizes):
    """At any time fewer messages are held back than the look-ahead allows."""
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
    """Equal texts that stand near each other leave in one request, in their order."""
    texts = ["a", "b", "a", "b", "a"]
    items = [Message(f"+1212555{n:04}", text) for n, text in enumerate(texts)]

    made = batches(read(message_reader(items)))

    assert [("a", [0, 2, 4]), ("b", [1, 3])] == [(b.text, list(b.indexes)) for b in made]


def test_texts_too_far_apart_do_not_wait_for_each_other():
    """Beyond the look-ahead the oldest text leaves without those to come."""
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


def test_a_double_is_an_equal_pair():
    """The same number may get two texts; the same text twice is a duplicate."""
    items = [Message(ANN, "a"), Message(ANN, "b"), Message("00" + ANN[1:], "a")]

    _, refused, leaving = facts(read(message_reader(items)))

    assert [(2, ANN, "DUPLICATE")] == refused
    assert [(0, ANN, "a"), (1, ANN, "b")] == leaving


# --- Sources that take their time -----------------------------------------------------------------


@pytest.mark.virtual_time
async def test_an_item_that_comes_as_the_others_are_taken_is_not_lost():
    """What is being waited for while the rest is taken stands in the next chunk."""

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
async def test_nothing_waits_for_company_longer_than_a_second():
    """Fewer items come where the others take longer; what was held already counts."""
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


async def test_what_is_there_is_read_though_something_has_waited_long():
    """An item that has waited its second does not keep those behind it from being read."""
    source = start(open_source(async_items([ANN, BEN]), "phones"))

    await source.gather(5, held_for=100)

    assert [ANN, BEN] == source.take()


async def async_items(items):
    for item in items:
        yield item


async def test_a_source_that_was_interrupted_is_over():
    """A reader that waits for it is told, and nothing more comes of it."""

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
