"""
Numbers as written within one country: parsed by phonenumbers where our own parser cannot.

Rules of this module:

1. Our own parser comes first. Only a number that it refuses for lack of a country code goes on to
   phonenumbers, as bare digits: letters, extensions and what a spreadsheet damaged are refused.
2. Lengths decide (``IS_POSSIBLE``), not the lists of ranges in use, which become outdated. A number
   that can only be dialled locally is refused.
3. A number whose length no mobile number of the country has must be in use: some countries have
   numbers of five digits, and part of a longer number would be taken for one of them.
4. A number that may have lost its ``+`` is refused: spreadsheets drop it, and what is left can be
   another person's number within the country (491713920021 in Germany).
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable
from typing import Final

from attrs import field, frozen

try:
    import phonenumbers
except ModuleNotFoundError as exc:
    msg = "a country for numbers needs phonenumbers: pip install 'customersms-async[phonenumbers]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from ..errors import ConfigurationError, InvalidPhone

__all__ = ["National"]

_POSSIBLE: Final = phonenumbers.ValidationResult.IS_POSSIBLE

_REASONS: Final = {
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: (
        "has no area code; write it as it is dialled from all of {}"
    ),
    phonenumbers.ValidationResult.TOO_SHORT: "is too short for a number in {}",
    phonenumbers.ValidationResult.TOO_LONG: "is too long for a number in {}",
}
_MOBILE: Final = phonenumbers.PhoneNumberType.MOBILE
_IMPOSSIBLE: Final = "is not a valid number in {}"
_IN_DOUBT: Final = "may or may not begin with a country code; begin with + or 00, like +12125551234"

#: Common codes for countries that have another code in ISO 3166.
_OTHER_NAMES: Final = {"UK": "GB", "EN": "GB", "USA": "US"}


def _known(country: object) -> str:
    code = country.strip().upper() if isinstance(country, str) else ""
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    close = difflib.get_close_matches(code, sorted(phonenumbers.SUPPORTED_REGIONS), 2)
    meant = [_OTHER_NAMES[code]] if code in _OTHER_NAMES else close
    hint = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    msg = f"country must be a two-letter ISO 3166 code, like 'US', not {country!r}{hint}"
    raise ConfigurationError(msg)


def _has_lost_its_plus(digits: str, national: phonenumbers.PhoneNumber) -> bool:
    """
    Tell whether *digits*, behind a plus, are as likely another number in use.

    They are if it is one of the same country, or if the number within the country is not in use.
    """
    try:
        other = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    is_alike = other.country_code == national.country_code
    return (
        other != national
        and phonenumbers.is_valid_number(other)
        and (is_alike or not phonenumbers.is_valid_number(national))
    )


@frozen
class National:
    """
    Parses numbers of one country, and numbers of all others in international form.

    Attributes:
        country: A two-letter ISO 3166 code.

    Raises:
        ConfigurationError: There is no such country.
    """

    country: str = field(converter=_known)
    _ours: Callable[[object], str] = field(repr=False)
    _for_want_of_country: str = field(repr=False)

    def __call__(self, phone: str) -> str:
        """
        Convert a number as people in the country write it to E.164.

        Raises:
            InvalidPhone: It cannot be a number; ``.reason`` says what would be right.
        """
        try:
            return self._ours(phone)
        except InvalidPhone as exc:
            if exc.reason != self._for_want_of_country:
                raise
        return self._ours(self._international(phone))

    def _international(self, phone: str) -> str:
        digits = "".join(str(unicodedata.decimal(char)) for char in phone if char.isdecimal())
        try:
            number = phonenumbers.parse(digits, self.country)
        except phonenumbers.NumberParseException as exc:
            raise InvalidPhone(phone, _IMPOSSIBLE.format(self.country)) from exc
        verdict = phonenumbers.is_possible_number_with_reason(number)
        if verdict == _POSSIBLE and not phonenumbers.is_valid_number(number):
            verdict = phonenumbers.is_possible_number_for_type_with_reason(number, _MOBILE)
        if verdict != _POSSIBLE:
            reason = _REASONS.get(verdict, _IMPOSSIBLE)
            raise InvalidPhone(phone, reason.format(self.country))
        if _has_lost_its_plus(digits, number):
            raise InvalidPhone(phone, _IN_DOUBT)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
