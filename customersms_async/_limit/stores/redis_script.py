"""
What a Redis store runs in the server, and how it knows that the server lost its memory.

The field `run` of the hash names the run of the server (``run_id``) and the instant at which a
member first saw it. The script compares it with what the server says of itself, in the same step in
which it reads or writes. A key that is gone took the field with it.

Where the user may not call INFO, a random word in the text of the script takes the place of
``run_id``. The members share it, since it stands in the field. A server keeps scripts in memory
only and sends none to its replicas, so a server that does not know the script was restarted, or is
another one. (Redis 6.2 with replicas saves scripts with the data: allow INFO there.) Either all
members may call INFO, or none.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from hashlib import sha1
from typing import Any, Final, cast

from attrs import frozen
from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError

__all__ = ["Script"]

#: KEYS: the hash. ARGV: 1 field, 2 word of a run that has ended ("" where the server names its
#: run), 3 life of the key in ms; to swap also 4 run and 5 token that it is based on, 6 first and
#: 7 last µs of the clock, 8 HSET or HDEL, 9 new token and value. Tokens have 16 bytes.
_SCRIPT: Final = """
if not id then return {} end
local key, time = KEYS[1], redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local run, held = unpack(redis.call('HMGET', key, 'run', ARGV[1]))
local word = run and string.match(run, '%w+')
if word ~= id and (not run or ARGV[2] == '' or ARGV[2] == word) then
  run = string.format('%s %.0f', id, now)
  redis.call('HSET', key, 'run', run)
end
local done = ARGV[4] == run and ARGV[5] == string.sub(held or '', 1, 16)
  and now >= ARGV[6] + 0 and now <= ARGV[7] + 0
if done then redis.call(ARGV[8], key, ARGV[1], ARGV[9]) end
if done or not held then redis.call('PEXPIRE', key, ARGV[3]) end
return {string.format('%.0f', now), run, not done and held, done}
"""
_RUN_ID: Final = "string.match(tostring(redis.pcall('INFO', 'server')), 'run_id:(%x+)')"
_TRIES: Final = 5  # enough for a new member to learn the word, lose it once, and learn it again


@frozen
class _Text:
    """The script, in which *word* names the run of the server; "" lets the server name it."""

    word: str
    whole: bytes
    sha: str

    @classmethod
    def by(cls, word: str) -> _Text:
        name = f"'{word}'" if word else _RUN_ID
        whole = f"local id = {name}{_SCRIPT}".encode()
        return cls(word, whole, sha1(whole, usedforsecurity=False).hexdigest())

    def is_of(self, answer: list[Any]) -> bool:
        """Say whether the run in *answer* is named by this text."""
        return bool(answer) and self.word in {"", _word_of(answer[1])}


class Script:
    """
    The script, for one key and one event loop.

    Args:
        client: The client.

        key: The name of the hash.

        life: Milliseconds for which the hash is kept after the last swap.
    """

    def __init__(self, client: Redis, key: str, life: int) -> None:
        self._client = client
        self._key = key
        self._life = life
        self._text = _Text.by("")
        self._loading = asyncio.Lock()

    async def run(self, field: str, *swap: bytes | str | int) -> list[Any]:
        """
        Run it, by a name for the server's run on which all members agree.

        Args:
            field: The field of the account.

            swap: Arguments 4 to 9; none to read.

        Returns:
            The clock in µs, run, the token and value that are held where it did not swap, whether
            it did.
        """
        for _ in range(_TRIES):
            text = self._text
            ended = "-" if text.word else ""
            with suppress(NoScriptError):
                answer = await self._evaluate("EVALSHA", text.sha, field, ended, *swap)
                if text.is_of(answer):
                    return answer
            async with self._loading:
                self._text = await self._next(text)
        raise ConnectionError("the members do not agree on the run of the server")

    async def _next(self, text: _Text) -> _Text:
        """Return what all members can run, after *text* was not known or told of another run."""
        if self._text is not text:
            return self._text  # another call has found it meanwhile
        ended = ""
        if text.word:
            run = await self._command("HGET", self._key, "run")
            ended = _word_of(run) if run else "-"
            if ended not in {"-", text.word}:  # this member is new, or the last one to notice
                return _Text.by(ended)
            text = _Text.by(os.urandom(16).hex())
        answer = await self._evaluate("EVAL", text.whole, "", ended)
        if not answer:  # the user may not call INFO
            return _Text.by(os.urandom(16).hex())
        return text if text.is_of(answer) else _Text.by(_word_of(answer[1]))

    async def _evaluate(
        self, command: str, script: bytes | str, field: str, ended: str, *swap: bytes | str | int
    ) -> list[Any]:
        words = (command, script, 1, self._key, field, ended, self._life, *swap)
        return cast("list[Any]", await self._command(*words))

    async def _command(self, *words: Any) -> Any:  # noqa: ANN401 - the client's own types
        # Values are bytes, also where a client that was passed in decodes its answers.
        options: dict[str, Any] = {NEVER_DECODE: []}
        return await cast("Any", self._client).execute_command(*words, **options)


def _word_of(run: bytes) -> str:
    return run.split()[0].decode()
