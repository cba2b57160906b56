"""Stores of each kind, on real servers and files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from customersms_async._limit.stores.file import FileStore
from customersms_async._limit.stores.postgres import PostgresStore
from customersms_async._limit.stores.redis import RedisStore, connect
from customersms_async._ports.store import Store
from tests.support.memory_store import MemoryStore
from tests.support.postgres import PostgresServer
from tests.support.redis_server import BINARIES, RedisServer

#: Every kind of store; for "…-plain" the user may not call INFO.
KINDS = ["memory", "file", "postgres", *BINARIES, *(f"{kind}-plain" for kind in BINARIES)]

#: Opens a store as another member; all of them share their values.
OpenStore = Callable[[], Store]

_numbers = itertools.count()


class Servers:
    """Servers that are started on demand."""

    def __init__(self) -> None:
        self._running: dict[str, Any] = {}

    def url(self, kind: str) -> str:
        """Return the URL of a server for stores of *kind*."""
        server = self._running.get(kind)
        if server is None:
            server = PostgresServer() if kind == "postgres" else RedisServer(kind)
            server.start()
            self._running[kind] = server
        return server.url

    def close(self) -> None:
        for server in self._running.values():
            server.close()


@contextmanager
def running_servers() -> Iterator[Servers]:
    servers = Servers()
    try:
        yield servers
    finally:
        servers.close()


def opener(kind: str, servers: Servers, folder: Path) -> OpenStore:
    """Return a function that opens stores of *kind*, which share values only with each other."""
    number = next(_numbers)
    if kind == "memory":
        store = MemoryStore()
        return lambda: store
    if kind == "file":
        return lambda: FileStore(str(folder / f"limit-{number}.db"))
    if kind == "postgres":
        return lambda: PostgresStore(servers.url(kind), f"limit_{number}")
    url = servers.url(kind.removesuffix("-plain"))
    if kind.endswith("-plain"):
        url = without_info(url)
    return lambda: RedisStore(connect(url), f"limit-{number}", life=60, is_own=True)


def without_info(url: str) -> str:
    """Return the URL of a Redis for a user who may not call INFO."""
    with redis.Redis.from_url(url) as client:
        client.acl_setuser("plain", enabled=True, passwords=["+pw"], keys=["*"], commands=_RIGHTS)
    return urlsplit(url)._replace(netloc=f"plain:pw@{urlsplit(url).netloc}").geturl()


_RIGHTS = ["+@all", "-@dangerous"]  # the server lists INFO as dangerous
