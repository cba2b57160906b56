"""
Phone numbers: from what people write to E.164, or a clear refusal.

Rules of this module:

1. No guessing. A number without ``+`` or ``00`` names no country and is refused; who knows the
   country plugs in a parser that does too (``CustomerSMS(parse_phone=national("US"))``).
2. Only what cannot change the number is taken away: separators, invisible marks that copying
   leaves behind, a spreadsheet's wrapping, other scripts' digits. Where a spreadsheet may have
   changed the number itself, it is refused; so is what may not belong to it: a raised 2 may be
   that of a footnote, and behind a line end or a tab another field begins.

3. Two spellings of one number are one number, or one of them is refused: a 0 that is dialled within
   a country only would make ``+44 07700...`` another recipient than ``+44 7700...``.

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

#: Turns what was written into E.164 (``+12125551234``); raises `ValueError` for what is no number.
ParsePhone = Callable[[str], str]

# Country codes, +1 and +7 aside, behind which no number for messages begins with 0. What is not in
# here keeps a 0 behind it: Italy and the Vatican +39, San Marino +378, Ivory Coast +225, Burkina
# Faso +226, Niger +227, Benin +229, Gabon +241, Congo +242, Ascension +247, Rwanda +250, Tajikistan
# +992, short numbers of Norway +47, and +800, +881, +888, which are no country's.
_WITHOUT_ZERO = (
    "2(?:[07]|1[1-368]|2[0-48]|3[0-9]|4[03-689]|5[1-8]|6[0-9]|9[017-9])|"
    "3(?:[0-46]|5[0-9]|7[0-7]|8[0-35-79])|4(?:[013-689]|2[013])|5(?:[1-8]|0[0-9]|9[0-9])|"
    "6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|08|5[02356]|7[08]|8[0236])|"
    "9(?:[0-58]|6[0-8]|7[0-79]|9[3-68])"
)
# Most numbers are told by their first two digits: what is looked up costs as much again.
_NUMBER = rf"\+(?:[17][1-9]|(?!(?:{_WITHOUT_ZERO})0)[2-689][0-9])[0-9]{{5,13}}"
_E164 = re.compile(_NUMBER)
# Possessive, so that a chunk of any length is read once and without a stack.
_E164_LIST = re.compile(rf"(?:{_NUMBER}+,)*+")

_digits = msgspec.json.Decoder(list[int])

# ="+1..." and '+1... keep a cell as text, and careless readers of CSV leave the quotes of a cell.
_WRAPPED = re.compile(r"""=?"(.*)"|'(.*?)'?|[\u201c\u201e](.*)[\u201c\u201d]""", re.DOTALL)
_SCHEME = re.compile(r"tel:", re.IGNORECASE)
_SEPARATORS = re.compile(r"[ ().\[\]\-\u2010-\u2015\u2212\u00b7\u1680]+")
_ROUNDED = re.compile(r"[+]?[0-9]+(?:[.,][0-9]+)?e\+?[0-9]+", re.IGNORECASE)
_DECIMAL = re.compile(r"[+]?[0-9]{7,}[.,]0+")
_TRUNK_ZERO = re.compile(r"[(\[]\s*0\s*[)\]]")

_TRUNK_AFTER_CODE = "has a 0 after the country code that is not dialled from abroad; leave it out"
_NO_COUNTRY = "has no country code; begin with + or 00, like +12125551234"
# The first line that matches says what is wrong. Each is asked after the marks are taken away.
_PROBLEMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r""), "is empty; write it like +12125551234"),
    (re.compile(r".*[^\W\d_].*", re.DOTALL), "has letters; write digits only, like +12125551234"),
    (re.compile(r".*[^0-9+].*", re.DOTALL), "has signs that no number has; give one number"),
    (re.compile(r".+\+.*"), "has a + inside; write one number a field"),
    (re.compile(r"[0-9]+"), _NO_COUNTRY),
    (re.compile(r"\+0.*"), "has a country code that begins with 0; no country has that"),
    (re.compile(r"\+[0-9]{0,6}"), "is too short; with its country code it has at least 7 digits"),
    (re.compile(rf"\+(?:[17]|{_WITHOUT_ZERO})0.*"), _TRUNK_AFTER_CODE),
)
_TOO_LONG = "is too long; with its country code a number has at most 15 digits"
_SPOILT = "was changed by a spreadsheet; format the column as text and fill it in again"
_TRUNK = "has a (0) that is not dialled from abroad in most countries; leave it out where it is not"


def normalize_phone(phone: object) -> str:
    """
    Turn what people write into E.164.

    Args:
        phone: A number in international form, as people and spreadsheets keep it:
            ``+1 (212) 555-1234``, ``0012125551234``, ``tel:+1-212-555-1234``.

    Returns:
        ``+`` and 7 to 15 digits, the first of them not 0.

    Raises:
        InvalidPhone: It is no string, names no country, or cannot be a number; ``.reason`` says
            what would be right.
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
    Return a reader of the numbers that people write within one country, for ``parse_phone=``.

    Numbers with a country code are read as `normalize_phone` reads them; only those without one are
    taken for numbers of *country*: ``(212) 555-1234`` of ``"US"`` is +12125551234. Needs the extra
    ``[phonenumbers]``.

    Args:
        country: Two letters of ISO 3166, like ``"US"`` or ``"gb"``.

    Raises:
        ConfigurationError: There is no such country.
        ModuleNotFoundError: phonenumbers is not installed; the error says how to.
    """
    from ._values.national_numbers import National  # noqa: PLC0415  # needs an extra, and 0.3 s to load

    return National(country, normalize_phone, _NO_COUNTRY)


def checked(parse: ParsePhone, phone: object) -> str:
    """
    Call *parse*, and accept nothing but E.164 from it.

    Raises:
        InvalidPhone: *phone* is no string, *parse* raised, or what it returned is not E.164.
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
    """Tell whether a number was refused for want of a country code alone."""
    return reason == _NO_COUNTRY


def e164_digits(phones: Sequence[object]) -> list[int] | None:
    """
    Return the digits of each item as an integer if all are strings in E.164, else None.

    A few passes in C over the whole chunk, at a quarter of the cost of checking each item.
    """
    if not phones:
        return []
    try:
        joined = ",".join(cast("Sequence[str]", phones))  # where they are not, that is an answer
    except TypeError:
        return None
    if joined.count(",") != len(phones) - 1 or not _E164_LIST.fullmatch(joined + ","):
        return None
    # A list of JSON, which is read in a third of the time that `int` takes for each.
    return _digits.decode(f"[{joined.replace('+', '')}]")


def split_phones(phones: str) -> list[str]:
    """Split the gateway's comma-separated form; empty places (a comma too many) are dropped."""
    return [part.strip() for part in phones.split(",") if part.strip()] or [phones]


def _plain(phone: str) -> str:
    """Compatibility forms and other scripts' digits as ASCII; invisible marks dropped."""
    return (phone if phone.isascii() else "".join(map(_plain_char, phone))).strip()


def _plain_char(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    # What is raised, circled or a fraction is no digit of a number: it stays, and is refused.
    return char if category == "No" else unicodedata.normalize("NFKC", char)


def _unwrapped(text: str) -> str:
    if wrapped := _WRAPPED.fullmatch(text):
        text = "".join(filter(None, wrapped.groups())).strip()
    return _SCHEME.sub("", text, count=1) if _SCHEME.match(text) else text


def _problem(text: str) -> str:
    return next((said for known, said in _PROBLEMS if known.fullmatch(text)), _TOO_LONG)


def _kind(value: object) -> str:
    return type(value).__name__
