"""Queueing a message in the caller's transaction, with every kind of connection."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import aiosqlite
import asyncpg
import django.conf
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from customersms_async import InvalidMessage, InvalidPhone, Message
from customersms_async.outbox import Outbox, enqueue, enqueue_async
from customersms_async.outbox._core.job import Query

ORDER = "CREATE TABLE orders (id INTEGER PRIMARY KEY)"


def message(number, text="Your order is on its way"):
    return Message("+12125551234", text, f"order-{number}")


@contextlib.contextmanager
def by_sqlite3(url):
    connection = sqlite3.connect(url)
    try:
        yield connection, connection.commit, connection.rollback
    finally:
        connection.close()


@contextlib.contextmanager
def by_psycopg(url):
    connection = psycopg.connect(url)
    try:
        yield connection, connection.commit, connection.rollback
    finally:
        connection.close()


def alchemy_url(url, driver):
    if "://" not in url:
        return f"sqlite{driver}:///{url}"
    return url.replace("postgresql://", f"postgresql{driver}://", 1)


@contextlib.contextmanager
def by_session(url, driver=""):
    engine = sa.create_engine(alchemy_url(url, driver))
    with Session(engine) as session:
        yield session, session.commit, session.rollback
    engine.dispose()


@contextlib.contextmanager
def by_sqlalchemy_connection(url, driver=""):
    engine = sa.create_engine(alchemy_url(url, driver))
    with engine.connect() as connection:
        yield connection, connection.commit, connection.rollback
    engine.dispose()


def with_psycopg(owner):
    return lambda url: owner(url, "+psycopg")


@contextlib.contextmanager
def by_django(url):
    if not django.conf.settings.configured:
        django.conf.settings.configure(DATABASES={})
        django.setup()
    from django.db.utils import ConnectionHandler  # noqa: PLC0415  # after the settings

    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": url}
    if "://" in url:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        settings = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts["dbname"],
            "USER": parts["user"],
            "PASSWORD": parts.get("password", ""),
            "HOST": parts["host"],
            "PORT": parts["port"],
        }
    connection = ConnectionHandler({"default": settings})["default"]
    connection.set_autocommit(False)
    try:
        yield connection, connection.commit, connection.rollback
    finally:
        connection.close()


SYNC = {
    "sqlite": [by_sqlite3, by_session, by_sqlalchemy_connection, by_django],
    "postgresql": [
        by_psycopg,
        with_psycopg(by_session),
        with_psycopg(by_sqlalchemy_connection),
        by_django,
    ],
}


@contextlib.asynccontextmanager
async def by_aiosqlite(url):
    async with aiosqlite.connect(url) as connection:
        yield connection, connection.commit, connection.rollback


@contextlib.asynccontextmanager
async def by_asyncpg(url):
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection, transaction.commit, transaction.rollback
    await connection.close()


@contextlib.asynccontextmanager
async def by_async_psycopg(url):
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection, connection.commit, connection.rollback


def by_async_alchemy(kind, driver):
    @contextlib.asynccontextmanager
    async def owner(url):
        engine = create_async_engine(alchemy_url(url, driver))
        async with kind(engine) as session:
            yield session, session.commit, session.rollback
        await engine.dispose()

    return owner


ASYNC = {
    "sqlite": [
        by_aiosqlite,
        by_async_alchemy(AsyncSession, "+aiosqlite"),
        by_async_alchemy(AsyncConnection, "+aiosqlite"),
    ],
    "postgresql": [
        by_asyncpg,
        by_async_psycopg,
        by_async_alchemy(AsyncSession, "+asyncpg"),
        by_async_alchemy(AsyncSession, "+psycopg"),
        by_async_alchemy(AsyncConnection, "+asyncpg"),
    ],
}


def ask_plan():
    return (
        yield Query(
            "SELECT m.ref, b.text, b.state, b.urgent FROM sms_message m"
            " JOIN sms_batch b ON b.id = m.batch ORDER BY m.id"
        )
    )


async def queued(url, prefix):
    """Return the queued messages."""
    async with Outbox(url, prefix=prefix) as outbox:
        return [tuple(row) for row in await outbox._context.engine.run(ask_plan())]


@pytest.mark.parametrize("turn", range(5))
def test_a_message_in_the_callers_transaction(kind, database, turn):
    """A rollback queues nothing, a commit one message, and the same ref none."""
    url, prefix = database
    owners = SYNC[kind]
    if turn >= len(owners):
        pytest.skip("there are no more owners")
    assert [] == asyncio.run(queued(url, prefix))

    answers = []
    for end in ("rollback", "commit", "commit"):
        with owners[turn](url) as (connection, commit, rollback):
            answers.append(enqueue(connection, message(1), prefix=prefix))
            (commit if end == "commit" else rollback)()

    assert [True, True, False] == answers
    assert [("order-1", "Your order is on its way", "queued", 0)] == asyncio.run(
        queued(url, prefix)
    )


@pytest.mark.parametrize("turn", range(5))
async def test_a_message_in_the_callers_async_transaction(kind, database, turn):
    """The same holds for every kind of async connection."""
    url, prefix = database
    owners = ASYNC[kind]
    if turn >= len(owners):
        pytest.skip("there are no more owners")
    async with Outbox(url, prefix=prefix):
        pass

    answers = []
    for end in ("rollback", "commit", "commit"):
        async with owners[turn](url) as (connection, commit, rollback):
            answers.append(await enqueue_async(connection, message(1), urgent=True, prefix=prefix))
            await (commit if end == "commit" else rollback)()

    assert [True, True, False] == answers
    assert [("order-1", "Your order is on its way", "queued", 1)] == await queued(url, prefix)


async def test_a_message_is_identified_by_its_ref(tmp_path):
    """Equal messages with different refs are both queued; a known ref is not."""
    url = str(tmp_path / "outbox.db")
    async with Outbox(url):
        pass

    with by_sqlite3(url) as (connection, commit, _):
        answers = [enqueue(connection, one) for one in (message(1), message(2), message(1, "x"))]
        commit()

    assert [True, True, False] == answers
    assert ["order-1", "order-2"] == [row[0] for row in await queued(url, "sms_")]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("+12125551234", TypeError),
        (Message("+12125551234", "hi"), TypeError),
        (Message("+12125551234", "hi", 17), TypeError),
        (Message("+12125551234", "hi", ""), ValueError),
        (Message("12", "hi", "a"), InvalidPhone),
        (Message("+12125551234", "", "a"), InvalidMessage),
    ],
)
def test_an_invalid_message_is_refused_when_queued(wrong, error):
    """The error is raised by `enqueue`, so that the caller can roll back."""
    with pytest.raises(error), by_sqlite3(":memory:") as (connection, _, __):
        enqueue(connection, wrong)


async def test_the_wrong_kind_of_connection():
    """The error for a sync connection names `enqueue`, and vice versa `enqueue_async`."""
    with by_sqlite3(":memory:") as (connection, _, __), pytest.raises(TypeError) as caught:
        await enqueue_async(connection, message(1))
    async with by_aiosqlite(":memory:") as (connection, _, __):
        with pytest.raises(TypeError, match="or call enqueue_async if"):
            enqueue(connection, message(1))

    assert "or call enqueue if" in str(caught.value)
