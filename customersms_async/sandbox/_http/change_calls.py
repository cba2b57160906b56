"""The HTTP calls that change something: each takes parameters and returns what JSON shows."""

from __future__ import annotations

from . import views
from .parameters import NotFound, Parameters
from .read_calls import key_of, status
from .service import SandboxService
from .views import Shown

__all__ = [
    "advance",
    "clear",
    "clear_faults",
    "close_account",
    "set_credits",
    "set_faults",
    "set_limit",
]


def clear(service: SandboxService, given: Parameters) -> Shown:
    """Forget messages, requests and scripts."""
    service.clear(key_of(service, given))
    return status(service, given)


def set_faults(service: SandboxService, given: Parameters) -> Shown:
    """Set the faults of one account or of all."""
    key = key_of(service, given)
    settings = {name: value for name, value in given.values.items() if name != "key"}
    service.set_faults(settings, key)
    return views.faults(service.handler.faults, key)


def clear_faults(service: SandboxService, given: Parameters) -> Shown:
    """Switch all faults off."""
    key = key_of(service, given)
    service.clear_faults(key)
    return views.faults(service.handler.faults, key)


def advance(service: SandboxService, given: Parameters) -> Shown:
    """Move the clock forward."""
    service.advance(given.values.get("advance"))
    return views.clock(service.clock)


def set_credits(service: SandboxService, given: Parameters) -> Shown:
    """Set the credits of an account; a new key opens one."""
    given.required("key")
    key = given.required("key") if _is_new(service, given) else key_of(service, given) or ""
    service.set_credits(key, _whole(given.values.get("credits")))
    return views.account(service.handler, key, service.clock.now())


def close_account(service: SandboxService, given: Parameters) -> Shown:
    """Delete an account with everything that belongs to it."""
    given.required("key")
    service.close_account(key_of(service, given) or "")
    return status(service, given)


def set_limit(service: SandboxService, given: Parameters) -> Shown:
    """Limit the requests of one account, or of every account without its own limit."""
    key = key_of(service, given)
    settings = {name: value for name, value in given.values.items() if name != "key"}
    return views.limit(service.set_limit(settings, key), key)


def _is_new(service: SandboxService, given: Parameters) -> bool:
    """Return whether a key is new; a masked name that matches no account is an error."""
    try:
        key_of(service, given)
    except NotFound:
        if "…" in given.required("key"):
            raise
        return True
    return False


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    msg = f"credits must be a whole number of at least 0, not {value!r}"
    raise ValueError(msg)
