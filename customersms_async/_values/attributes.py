"""The attributes of an object, to make another one like it."""

from __future__ import annotations

from typing import Any, cast

__all__ = ["attributes_of"]


def attributes_of(instance: object) -> dict[str, Any]:
    """Return the attributes of an object, including those that a subclass keeps in slots."""
    state: object = object.__getstate__(instance)
    parts = cast("tuple[dict[str, Any] | None, ...]", state if type(state) is tuple else (state,))
    return {name: value for part in parts if part for name, value in part.items()}
