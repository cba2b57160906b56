"""
Numbers as they are written within one country: read by phonenumbers where ours has no answer.

Rules of this module:

1. Ours is asked first. Only a number that it refuses for want of a country code goes on, as bare
   digits: letters, extensions and what a spreadsheet spoilt are refused as everywhere.
2. Lengths decide (``IS_POSSIBLE``), not the lists of ranges in use, which grow old. A number that
   can only be dialled locally is refused.
3. A length that no mobile number of the country has must be that of a number in use: some countries
   have numbers of five digits, and a part of a longer one would be taken for one of them.
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
    phonenumbers.ValidationResult.TOO_SHORT: "is too short for a number of {}",
    phonenumbers.ValidationResult.TOO_LONG: "is too long for a number of {}",
}
_MOBILE: Final = phonenumbers.PhoneNumberType.MOBILE
_IMPOSSIBLE: Final = "is no number of {}"

#: What people say for a country that ISO 3166 calls otherwise.
_OTHER_NAMES: Final = {"UK": "GB", "EN": "GB", "USA": "US"}


def _known(country: object) -> str:
    code = country.strip().upper() if isinstance(country, str) else ""
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    close = difflib.get_close_matches(code, sorted(phonenumbers.SUPPORTED_REGIONS), 2)
    meant = [_OTHER_NAMES[code]] if code in _OTHER_NAMES else close
    hint = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    msg = f"country must be two letters of ISO 3166, like 'US', not {country!r}{hint}"
    raise ConfigurationError(msg)


@frozen
class National:
    """
    Reads numbers of one country, and those of all others in international form.

    Attributes:
        country: Two letters of ISO 3166.

    Raises:
        ConfigurationError: There is no such country.
    """

    country: str = field(converter=_known)
    _ours: Callable[[object], str] = field(repr=False)
    _for_want_of_country: str = field(repr=False)

    def __call__(self, phone: str) -> str:
        """
        Turn what people write in the country into E.164.

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
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
