"""The log of events, and the position of a reader in it."""

import asyncio

import pytest

from customersms_async.sandbox._http.events import KEPT, MOST, Events, format_event


def events(count: int) -> Events:
    row = Events(heartbeat=60, run="run")
    for n in range(1, count + 1):
        row.publish("request", lambda n=n: n)
    return row


def numbers(found):
    return found and [event.number for event in found]


def test_events_after_a_position():
    """A reader gets the events after its position in order, each once."""
    assert [3, 4] == numbers(events(4).after(2))
    assert [] == events(4).after(4)


def test_a_reader_far_behind():
    """A reader that is far behind gets its events in chunks."""
    assert list(range(1, MOST + 1)) == numbers(events(MOST + 10).after(0))


def test_forgotten_events():
    """A reader that is behind the oldest kept event is told so."""
    row = events(KEPT + 5)

    assert (None, [6]) == (row.after(4), numbers(row.after(5))[:1])


@pytest.mark.parametrize(
    ("last_id", "place"),
    [
        (None, 5),
        ("run-3", 3),
        ("run-5", 5),
        ("run-0", 0),
        ("run-6", None),
        ("other-3", None),
        ("run-", None),
        ("run-x", None),
        ("run-\u0663", None),
        ("", None),
    ],
)
def test_the_position_of_a_reader(last_id, place):
    """The last id gives the position; an id of another run or an invalid one means to reload."""
    assert place == events(5).position(last_id)


def test_the_format_of_an_event():
    """Id, type and JSON are on one line each, whatever the text contains."""
    assert 'id: run-7\nevent: request\ndata: {"text":"a\\nb: \u05d0"}\n\n' == format_event(
        "request", {"text": "a\nb: \u05d0"}, "run-7"
    )


def test_events_are_rendered_when_read():
    """An event is not rendered until somebody reads it."""
    row, asked = events(0), []
    row.publish("request", lambda: asked.append(1))
    before = list(asked)
    row.format(row.after(0)[0])

    assert ([], [1]) == (before, asked)


@pytest.mark.virtual_time
async def test_waiting():
    """A wait ends with an event, at once if there is one, at the end, or for a heartbeat."""
    loop = asyncio.get_running_loop()
    row, closing = events(1), loop.create_future()
    await row.wait(0, closing)
    at_once = loop.time()
    loop.call_later(5, row.publish, "clear", dict)
    await row.wait(1, closing)
    with_an_event = loop.time() - at_once
    await row.wait(2, closing)
    for_a_heartbeat = loop.time() - at_once - with_an_event
    loop.call_later(7, closing.set_result, None)
    await row.wait(2, closing)
    with_the_end = loop.time() - at_once - with_an_event - for_a_heartbeat

    assert [5, 60, 7] == pytest.approx([with_an_event, for_a_heartbeat, with_the_end])
    assert set() == row._waiters
