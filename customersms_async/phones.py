"""
Phone numbers: from what people write to E.164, or a clear refusal.

Rules of this module:

1. No guessing. A number without ``+`` or ``00`` names no country and is refused; callers who know
   the country plug in a parser for it (``CustomerSMS(parse_phone=national("US"))``).
2. Only what cannot change the number is removed or converted: separators, invisible characters
   from copying, a spreadsheet's wrapping, other scripts' digits. If a spreadsheet may have changed
   the number itself, it is refused; so are characters that may not belong to it: a superscript 2
   may mark a footnote, and after a line break or a tab another field begins.
3. Two spellings of one number are one number, or one of them is refused: with a trunk 0, which is
   dialled only within a country, ``+44 07700...`` would be another recipient than ``+44 7700...``.

Source of the format: ITU-T E.164 (a country code never begins with 0, at most 15 digits, and the
national prefix is no part of a number) and the national numbering plans that the ITU publishes
(https://www.itu.int/oth/T0202.aspx?parent=T0202), whose shortest number has 7 digits with its
country code.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from .errors import InvalidPhone

__all__ = [
    "ParsePhone",
    "checked",
    "e164_digits",
    "is_without_country",
    "national",
    "normalize_phone",
    "split_phones",
]

#: Converts an input to E.164 (``+12125551234``); raises `ValueError` if it is not a number.
ParsePhone = Callable[[str], str]

# Country codes, besides +1 and +7, after which no number for messages begins with 0. Those not
# listed may have a 0 there: Italy and the Vatican +39, San Marino +378, Ivory Coast +225, Burkina
# Faso +226, Niger +227, Benin +229, Gabon +241, Congo +242, Ascension +247, Rwanda +250, Tajikistan
# +992, short numbers of Norway +47, and +800, +881, +888, which belong to no country.
_WITHOUT_ZERO = (
    "2(?:[07]|1[1-368]|2[0-48]|3[0-9]|4[03-689]|5[1-8]|6[0-9]|9[017-9])|"
    "3(?:[0-46]|5[0-9]|7[0-7]|8[0-35-79])|4(?:[013-689]|2[013])|5(?:[1-8]|0[0-9]|9[0-9])|"
    "6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|08|5[02356]|7[08]|8[0236])|"
    "9(?:[0-58]|6[0-8]|7[0-79]|9[3-68])"
)
# The first two digits decide for most numbers; a lookup would double the cost.
_NUMBER = rf"\+(?:1[1-9]|7[1-9]|(?!(?:{_WITHOUT_ZERO})0)[2-689][0-9])[0-9]{{5,13}}"
_E164 = re.compile(_NUMBER)
# Possessive, so that a chunk of any length is read once, without backtracking.
_E164_LIST = re.compile(rf"(?:{_NUMBER}+,)*+")

_digits = msgspec.json.Decoder(list[int])

# ="+1..." and '+1... keep a cell as text, and careless CSV readers leave the quotes of a cell.
_WRAPPED = re.compile(r"""=?"(.*)"|'(.*?)'?|[\u201c\u201e](.*)[\u201c\u201d]""", re.DOTALL)
_SCHEME = re.compile(r"tel:", re.IGNORECASE)
_SEPARATORS = re.compile(r"[ ().\[\]\-\u2010-\u2015\u2212\u00b7\u1680]+")
_ROUNDED = re.compile(r"[+]?[0-9]+(?:[.,][0-9]+)?e\+?[0-9]+", re.IGNORECASE)
_DECIMAL = re.compile(r"[+]?[0-9]{7,}[.,]0+")
_TRUNK_ZERO = re.compile(r"[(\[]\s*0\s*[)\]]")

_TRUNK_AFTER_CODE = "has a 0 after the country code that is not dialled from abroad; leave it out"
_NO_COUNTRY = "has no country code; begin with + or 00, like +12125551234"
# The first line that matches says what is wrong, once invisible marks are removed.
_PROBLEMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r""), "is empty; write it like +12125551234"),
    (re.compile(r".*[^\W\d_].*", re.DOTALL), "has letters; write digits only, like +12125551234"),
    (re.compile(r".*[^0-9+].*", re.DOTALL), "has characters that no number has; give one number"),
    (re.compile(r".+\+.*"), "has a + inside; write one number per field"),
    (re.compile(r"[0-9]+"), _NO_COUNTRY),
    (re.compile(r"\+0.*"), "has a country code that begins with 0; no country has that"),
    (re.compile(r"\+[0-9]{0,6}"), "is too short; with its country code it has at least 7 digits"),
    (re.compile(rf"\+(?:[17]|{_WITHOUT_ZERO})0.*"), _TRUNK_AFTER_CODE),
)
_TOO_LONG = "is too long; with its country code a number has at most 15 digits"
_SPOILT = "was changed by a spreadsheet; format the column as text and enter it again"
_TRUNK = "has a (0) that is not dialled from abroad in most countries; leave it out where it is not"


def normalize_phone(phone: object) -> str:
    """
    Convert a number as people write it to E.164.

    Args:
        phone: A number in international form, as people and spreadsheets write it:
            ``+1 (212) 555-1234``, ``0012125551234``, ``tel:+1-212-555-1234``.

    Returns:
        ``+`` and 7 to 15 digits, the first of them not 0.

    Raises:
        InvalidPhone: It is not a string, has no country code, or cannot be a number; ``.reason``
            says what would be right.
    """
    if not isinstance(phone, str):
        raise InvalidPhone(phone, f"must be a string like '+12125551234', not {_kind(phone)}")
    if _E164.fullmatch(phone):
        return phone
    text = _unwrapped(_plain(phone))
    if _ROUNDED.fullmatch(text) or _DECIMAL.fullmatch(text):
        raise InvalidPhone(phone, _SPOILT)
    if _TRUNK_ZERO.search(text):
        raise InvalidPhone(phone, _TRUNK)
    text = _SEPARATORS.sub("", text)
    if text.startswith("00"):
        text = "+" + text[2:]
    if not _E164.fullmatch(text):
        raise InvalidPhone(phone, _problem(text))
    return text


def national(country: str) -> ParsePhone:
    """
    Return a parser for numbers as people write them within one country, for ``parse_phone=``.

    Numbers with a country code are parsed like in `normalize_phone`; only those without one are
    taken for numbers of *country*: ``(212) 555-1234`` in ``"US"`` is +12125551234. Needs the extra
    ``[phonenumbers]``.

    Args:
        country: A two-letter ISO 3166 code, like ``"US"`` or ``"gb"``.

    Raises:
        ConfigurationError: There is no such country.
        ModuleNotFoundError: phonenumbers is not installed; the error says how to.
    """
    from ._values.national_numbers import National  # noqa: PLC0415  # needs an extra, and 0.3 s to load

    return National(country, normalize_phone, _NO_COUNTRY)


def checked(parse: ParsePhone, phone: object) -> str:
    """
    Call *parse*, and accept only E.164 from it.

    Raises:
        InvalidPhone: *phone* is not a string, *parse* raised, or its result is not E.164.
    """
    if parse is normalize_phone:
        return normalize_phone(phone)
    if not isinstance(phone, str):
        raise InvalidPhone(phone, f"must be a string like '+12125551234', not {_kind(phone)}")
    try:
        parsed: object = parse(phone)
    except InvalidPhone:
        raise
    except Exception as exc:
        # A caller's parser may raise anything, and its text may contain the number.
        raise InvalidPhone(phone, f"parse_phone refused it with {_kind(exc)}") from exc
    if not (isinstance(parsed, str) and _E164.fullmatch(parsed)):
        raise InvalidPhone(phone, "parse_phone must return E.164, like '+12125551234'")
    return parsed


def is_without_country(reason: str) -> bool:
    """Whether a reason, or a line with it, says that a number lacks only its country code."""
    return _NO_COUNTRY in reason


def e164_digits(phones: Sequence[object]) -> list[int] | None:
    """
    Return the digits of each item as an integer if all are strings in E.164, else None.

    This makes a few passes in C over the whole chunk, at a quarter of the cost of single checks.
    """
    if not phones:
        return []
    try:
        joined = ",".join(cast("Sequence[str]", phones))  # raises if they are not strings
    except TypeError:
        return None
    if joined.count(",") != len(phones) - 1 or not _E164_LIST.fullmatch(joined + ","):
        return None
    # Decoding a JSON list takes a third of the time of calling `int` on each item.
    return _digits.decode(f"[{joined.replace('+', '')}]")


def split_phones(phones: str) -> list[str]:
    """Split the gateway's comma-separated form; empty parts (extra commas) are dropped."""
    return [part.strip() for part in phones.split(",") if part.strip()] or [phones]


def _plain(phone: str) -> str:
    """Convert compatibility forms and other scripts' digits to ASCII; drop invisible marks."""
    return (phone if phone.isascii() else "".join(map(_plain_char, phone))).strip()


def _plain_char(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    # Superscripts, circled digits and fractions are not digits of a number: they stay, and fail.
    return char if category == "No" else unicodedata.normalize("NFKC", char)


def _unwrapped(text: str) -> str:
    if wrapped := _WRAPPED.fullmatch(text):
        text = "".join(filter(None, wrapped.groups())).strip()
    return _SCHEME.sub("", text, count=1) if _SCHEME.match(text) else text


def _problem(text: str) -> str:
    return next((said for known, said in _PROBLEMS if known.fullmatch(text)), _TOO_LONG)


def _kind(value: object) -> str:
    return type(value).__name__
