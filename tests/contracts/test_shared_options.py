"""Creating shared limiters: valid arguments, and what is refused before any I/O."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import redis

from customersms_async import ConfigurationError, FileLimiter, Rate
from customersms_async.postgres import PostgresLimiter
from customersms_async.redis import RedisLimiter

URLS = {
    FileLimiter: "/nowhere/limit.db",
    PostgresLimiter: "postgresql://:pass@localhost/app",
    RedisLimiter: "redis://:pass@localhost:6379/0",
}


@pytest.fixture(params=list(URLS), ids=lambda kind: kind.__name__)
def make(request):
    """Create a limiter that is never used."""
    return lambda *args, **options: request.param(URLS[request.param], *args, **options)


@pytest.mark.parametrize(
    "options", [{"rate": (100, 60)}, {"burst": 101}, {"reserve": -1}, {"grace": -1}]
)
def test_an_invalid_option_is_refused_by_name(make, options):
    """An invalid option is refused when the limiter is created."""
    (name,) = options

    with pytest.raises(ConfigurationError, match=name):
        make(**options)


@pytest.mark.parametrize("key", ["", b"app", None])
def test_an_invalid_key_is_refused(key):
    """A limiter in Redis needs a name for its key."""
    with pytest.raises(ConfigurationError, match="key must be a text, not"):
        RedisLimiter(URLS[RedisLimiter], key=key)


@pytest.mark.parametrize("table", ["", "Limit", "a b", "a.b.c", "x; --", "1st", None, b"t"])
def test_a_table_that_needs_quotes_is_refused(table):
    """The name of a table goes into statements unquoted."""
    with pytest.raises(ConfigurationError, match="table must be a name in lower case"):
        PostgresLimiter(URLS[PostgresLimiter], table=table)


@pytest.mark.parametrize("table", ["t", "app.customersms_limit", "_2"])
def test_a_plain_table_is_accepted(table):
    """Lower-case letters, digits and a schema are accepted."""
    assert PostgresLimiter(URLS[PostgresLimiter], table=table)


@pytest.mark.parametrize("path", ["", ":memory:", b"/tmp/x", None, 7])
def test_an_invalid_path_is_refused(path):
    """A limiter in a file needs a path."""
    with pytest.raises(ConfigurationError, match="path must name a file"):
        FileLimiter(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "not builtins.NoneType"),
        (redis.Redis(), "not redis.client.Redis"),
        ("localhost:6379?password=4711", "the string given is none"),
        ("redis://localhost?sokcet_timeout=3&password=4711", "the string given is none"),
        ("redis://:4711#x@localhost:6379/0", "write # as %23"),
        ("redis://me:4711@x/4711@localhost:6379/0", "/ as %2F"),
        ("redis://me:4711@x#4711@localhost:6379/0", "@ as %40"),
        ("redis://me:47?4711@localhost:6379/0", r"\? as %3F"),
    ],
)
def test_an_invalid_redis_is_refused(given, said):
    """The error says what is valid (a URL or an asyncio client), and shows no password."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        RedisLimiter(given)

    assert str(caught.value).startswith("redis must be a URL like redis://localhost:6379/0, or a ")
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "not NoneType"),
        ("mysql://root:4711@localhost/app", "the string given is none"),
        ("postgresql://me:4711@localhost:http/app", "the string given is none"),
        ("4711", "the string given is none"),
        ("postgresql://me:4711#x@localhost/app", "write # as %23"),
        ("postgresql://me:4711@x/4711@localhost/app", "/ as %2F"),
        ("postgresql://me:4711@x#4711@localhost/app", "@ as %40"),
        ("postgresql://me:47?4711@localhost/app", r"\? as %3F"),
        ("postgresql://me:4711@localhost/app?sslmode", "behind a . like sslmode=require"),
        ("postgresql://me:47?4711", "behind a . like sslmode=require"),
        ("postgresql://me:4711@[::1/app", "the string given is none"),
        ("postgresql://me:4711@one:5432,two:0/app", "the string given is none"),
    ],
)
def test_an_invalid_database_is_refused(given, said):
    """The error says what is valid, and shows no password."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        PostgresLimiter(given)

    assert str(caught.value).startswith("url must be one like postgresql://user:password@host")
    assert "4711" not in str(caught.value)


def test_its_repr_and_rate(make):
    """The repr and `rate` show the limit, and the repr does not show the store's address."""
    limiter = make(Rate(20, per=1.5))

    assert f"<{type(limiter).__name__} 20 per 1.5 s>" == repr(limiter)
    assert (Rate(20, per=1.5), Rate(100, per=60)) == (limiter.rate, make().rate)


@pytest.mark.parametrize(
    ("module", "needs", "said"),
    [
        ("redis", "redis", "customersms_async.redis needs redis-py: pip install"),
        ("postgres", "asyncpg", "customersms_async.postgres needs asyncpg: pip install"),
    ],
)
def test_the_error_names_the_extra(module, needs, said):
    """Without the driver, the ImportError shows the command to install it."""
    program = f"import sys; sys.modules[{needs!r}] = None; import customersms_async.{module}"
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 1 == done.returncode
    assert f"{said} 'customersms-async[{module}]'" in done.stderr


def test_no_driver_is_imported_by_default():
    """Without a shared store, neither redis-py nor asyncpg is imported."""
    program = (
        "import sys, customersms_async; customersms_async.CustomerSMS;"
        " sys.exit(bool({'redis', 'asyncpg'} & set(sys.modules)))"
    )

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_closing_an_unused_limiter(make):
    """An unused limiter has no connection to close."""
    asyncio.run(make().aclose())
