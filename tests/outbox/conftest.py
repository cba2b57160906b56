"""Engines of the outbox, each with its own database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from customersms_async.outbox._core.engine import Engine
from customersms_async.outbox._postgres import PostgresEngine
from customersms_async.outbox._sqlite import SqliteEngine
from tests.support.async_closings import CLOSINGS
from tests.support.postgres import PostgresServer

ENGINES = {"sqlite": SqliteEngine, "postgresql": PostgresEngine}

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server that the tests of a session share."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=ENGINES)
def kind(request) -> str:
    """Each kind of database."""
    return request.param


@pytest.fixture
def database(request, kind, tmp_path) -> tuple[str, str]:
    """Return the URL of an empty database, and the prefix of its tables."""
    if kind == "sqlite":
        return str(tmp_path / "outbox.db"), "sms_"
    return request.getfixturevalue("postgres_server").url, f"t{next(_numbers)}_"


@pytest.fixture
def make_engine(request, kind, database) -> Callable[[], Engine]:
    """Make engines of one database, as the processes of one campaign have them."""
    closings = request.node.stash.setdefault(CLOSINGS, [])

    def make() -> Engine:
        engine = ENGINES[kind](*database)
        closings.append(engine.aclose)
        return engine

    return make


@pytest.fixture
def engine(make_engine) -> Engine:
    """Make an engine."""
    return make_engine()
