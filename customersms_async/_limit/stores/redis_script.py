"""
The script of a Redis store, and how it detects that the server lost its memory.

The script's text contains a word for the run of the server: its ``run_id``, or a random one if the
user may not call INFO. A server keeps scripts in memory only and sends none to its replicas, so one
that does not know the text was restarted, or is another. Only then is it asked for its id, since
INFO costs more than the script. Members agree by the field `run` of the hash: the word, and when a
member first saw it. A deleted key takes the field with it. Redis 6.2 with replicas saves scripts
with the data, so it is asked after a lost connection too.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final, cast

from attrs import define, field
from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError, ResponseError

__all__ = ["Known", "Script"]

#: KEYS: the hash. ARGV: 1 field, 2 word of a run that has ended, 3 life of the key in ms; to swap
#: also 4 run and 5 token of the base, 6 first and 7 last µs of the clock, 8 new token and value.
#: Tokens have 16 bytes.
_SCRIPT: Final = """
local key, time = KEYS[1], redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local run, held = unpack(redis.call('HMGET', key, 'run', ARGV[1]))
local word = run and string.match(run, '%w+')
if not run or (word ~= id and word == ARGV[2]) then
  run = string.format('%s %.0f', id, now)
  redis.call('HSET', key, 'run', run)
end
local done = ARGV[4] == run and ARGV[5] == string.sub(held or '', 1, 16)
  and now >= ARGV[6] + 0 and now <= ARGV[7] + 0
if done then redis.call('HSET', key, ARGV[1], ARGV[8]) end
if done or not held then redis.call('PEXPIRE', key, ARGV[3]) end
return {string.format('%.0f', now), run, not done and held, done}
"""
_TRIES: Final = 5  # enough for a new member to learn the word, lose it once, and learn it again


@define
class Known:
    """The word for the server's run, passed on between event loops; "" if unknown."""

    word: str = ""


@define(eq=False)
class Script:
    """The script for one event loop and one key, which expires *life* ms after the last swap."""

    _client: Redis
    _key: str
    _life: int
    _known: Known
    _learning: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    async def run(self, name: str, *swap: bytes | str | int) -> list[Any]:
        """
        Run it on an account, with the word for the server's run on which the members agree.

        Args:
            name: The field of the account.

            swap: Arguments 4 to 8; none for a read.

        Returns:
            Clock in µs, run, token and value held (unless it swapped), whether it swapped.
        """
        for _ in range(_TRIES):
            if word := self._known.word:
                with suppress(NoScriptError):
                    words = (_text(word)[1], 1, self._key, name, "", self._life, *swap)
                    answer: list[Any] = await self._command("EVALSHA", *words)
                    if _word_of(answer[1]) == word:
                        return answer
            async with self._learning:
                if self._known.word == word:
                    self._known.word = await self._learn(word)
        raise ConnectionError("the members do not agree on the run of the server")

    async def _learn(self, word: str) -> str:
        """Return the word of all members, after *word* was unknown or named another run."""
        run = await self._command("HGET", self._key, "run")
        held = _word_of(run) if run else ""
        name = await self._run_id()
        if not name and held not in {"", word}:  # this member is new, or the last one to notice
            return held
        text, _ = _text(name or os.urandom(16).hex())
        answer = await self._command("EVAL", text, 1, self._key, "", held, self._life)
        return _word_of(answer[1])

    async def _run_id(self) -> str:
        """Return the server's ``run_id``; "" if INFO is forbidden or renamed."""
        with suppress(ResponseError):
            return str((await self._command("INFO", "server"))["run_id"])
        return ""

    async def _command(self, *words: Any) -> Any:  # noqa: ANN401 - the client's own types
        # Values are bytes, even if a client that was passed in decodes answers.
        return await cast("Any", self._client).execute_command(*words, **{NEVER_DECODE: []})


@lru_cache
def _text(word: str) -> tuple[bytes, str]:
    """Return the script with *word* for the run of the server, and its hash."""
    whole = f"local id = '{word}'{_SCRIPT}".encode()
    return whole, sha1(whole, usedforsecurity=False).hexdigest()


def _word_of(run: bytes) -> str:
    return run.split()[0].decode()
