"""Calls that change something: each takes parameters and gives what JSON then shows."""

from . import calls as _reading
from . import views as _views
from .calls import key_of
from .parameters import NotFound, Parameters
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


def clear(control: SandboxService, given: Parameters) -> Shown:
    """Forget messages, requests and scripts."""
    control.clear(key_of(control, given))
    return _reading.status(control, given)


def set_faults(control: SandboxService, given: Parameters) -> Shown:
    """Set what goes wrong."""
    key = key_of(control, given)
    settings = {name: value for name, value in given.values.items() if name != "key"}
    control.set_faults(settings, key)
    return _views.faults(control.exchange.faults, key)


def clear_faults(control: SandboxService, given: Parameters) -> Shown:
    """Switch all faults off."""
    key = key_of(control, given)
    control.clear_faults(key)
    return _views.faults(control.exchange.faults, key)


def advance(control: SandboxService, given: Parameters) -> Shown:
    """Move the clock forward."""
    control.advance(given.values.get("advance"))
    return _views.clock(control.clock)


def set_credits(control: SandboxService, given: Parameters) -> Shown:
    """Set the credits of an account, which is opened if there is none."""
    given.needed("key")
    key = given.needed("key") if _is_new(control, given) else key_of(control, given) or ""
    control.set_credits(key, _whole(given.values.get("credits")))
    return _views.account(control.exchange, key, control.clock.now())


def close_account(control: SandboxService, given: Parameters) -> Shown:
    """Forget an account with all that belongs to it."""
    given.needed("key")
    control.close_account(key_of(control, given) or "")
    return _reading.status(control, given)


def set_limit(control: SandboxService, given: Parameters) -> Shown:
    """Limit the requests of one account, or of each."""
    key = key_of(control, given)
    settings = {name: value for name, value in given.values.items() if name != "key"}
    return _views.limit(control.set_limit(settings, key), key)


def _is_new(control: SandboxService, given: Parameters) -> bool:
    """Say whether a key opens an account; a masked name that nobody has does not."""
    try:
        key_of(control, given)
    except NotFound:
        if "…" in given.needed("key"):
            raise
        return True
    return False


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"credits must be a whole number of at least 0, not {value!r}")
