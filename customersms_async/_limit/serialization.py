"""The state of an account as bytes, for a store."""

from __future__ import annotations

from typing import Final

import msgspec

from .account_state import AccountState

__all__ = ["UnreadableState", "decode", "encode"]

#: Changes with the fields of `AccountState`: members of different versions must not mix.
_VERSION: Final = b"\x01"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AccountState)


class UnreadableState(Exception):
    """The value was not written by this version of the package."""


def encode(state: AccountState) -> bytes:
    """Encode *state*."""
    return _VERSION + _encoder.encode(state)


def decode(value: bytes) -> AccountState:
    """
    Decode what `encode` returned.

    Raises:
        UnreadableState: The value is not one of this version's.
    """
    if not value.startswith(_VERSION):
        msg = "the shared limiter's value was written by another version of customersms-async"
        raise UnreadableState(msg)
    try:
        return _decoder.decode(value[1:])
    except msgspec.DecodeError:
        msg = "the shared limiter's value is damaged"
        raise UnreadableState(msg) from None
