"""Engines of the outbox, each with a database of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from customersms_async.outbox._engine import Engine
from customersms_async.outbox._sqlite import SqliteEngine
from tests.support.closings import CLOSINGS

ENGINES = ["sqlite"]

_numbers = itertools.count()


@pytest.fixture(params=ENGINES)
def database(request, tmp_path):
    """Give the URL of a database that is empty, and what its tables begin with."""
    return str(tmp_path / "outbox.db"), "sms_"


@pytest.fixture
def make_engine(request, database) -> Callable[[], Engine]:
    """Make engines of one database, as the processes of one campaign have them."""
    closings = request.node.stash.setdefault(CLOSINGS, [])

    def make() -> Engine:
        engine = SqliteEngine(*database)
        closings.append(engine.aclose)
        return engine

    return make


@pytest.fixture
def engine(make_engine) -> Engine:
    """Make an engine."""
    return make_engine()
