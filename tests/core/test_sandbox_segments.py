"""How many segments a text takes, by the table that the page is held to as well."""

import json
from pathlib import Path

import pytest

from customersms_async.sandbox._gateway.segments import count_segments

CASES = json.loads((Path(__file__).parent.parent / "support" / "segments.json").read_text("utf-8"))


@pytest.mark.parametrize(("piece", "times", "segments"), CASES)
def test_segments(piece, times, segments):
    """Known lengths of both alphabets, around the borders of their segments."""
    assert segments == count_segments(piece * times)


def test_nothing_is_split():
    """An escape sequence or a surrogate pair that does not fit goes to the next segment whole."""
    assert 3 == count_segments("a" * 152 + "€" + "a" * 152)
    assert 2 == count_segments("a" * 152 + "€" + "a" * 151)
    assert 3 == count_segments("ê" * 66 + "🙂" + "ê" * 66)
