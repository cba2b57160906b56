"""The state of an account as the bytes that a store keeps."""

from __future__ import annotations

from typing import Final

import msgspec

from .account_state import AccountState

__all__ = ["UnreadableState", "decode", "encode"]

#: Changes with the fields of `AccountState`. Members of other versions keep away from each other.
_VERSION: Final = b"\x01"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AccountState)


class UnreadableState(Exception):
    """The value was written by another version of this package, or by something else."""


def encode(state: AccountState) -> bytes:
    """Write *state*."""
    return _VERSION + _encoder.encode(state)


def decode(value: bytes) -> AccountState:
    """
    Read what `encode` wrote.

    Raises:
        UnreadableState: It is something else.
    """
    if not value.startswith(_VERSION):
        msg = "the shared limiter's value was written by another version of customersms-async"
        raise UnreadableState(msg)
    try:
        return _decoder.decode(value[1:])
    except msgspec.DecodeError:
        msg = "the shared limiter's value is damaged"
        raise UnreadableState(msg) from None
