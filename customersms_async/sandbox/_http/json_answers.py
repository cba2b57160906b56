"""Answers in JSON, with every key masked."""

from __future__ import annotations

import msgspec
from aiohttp import web

from .._gateway.masking import mask_keys_in_json
from .service import SandboxService

__all__ = ["hide_keys", "json_answer", "problem"]


def json_answer(service: SandboxService, shown: object, status: int = 200) -> web.Response:
    return web.Response(
        text=hide_keys(service, msgspec.json.encode(shown).decode()) + "\n",
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def hide_keys(service: SandboxService, words: str) -> str:
    return mask_keys_in_json(words, service.handler.accounts.credits)


def problem(
    service: SandboxService, status: int, code: str, reason: str, *arrived: object
) -> web.Response:
    shown: dict[str, object] = {"error": reason, "code": code}
    return json_answer(service, shown | ({"arrived": arrived[0]} if arrived else {}), status)
