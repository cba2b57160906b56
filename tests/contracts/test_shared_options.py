"""Shared limiters: what they are made of, and what is refused before any I/O."""

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
    """Make a limiter that is never used."""
    return lambda *args, **options: request.param(URLS[request.param], *args, **options)


@pytest.mark.parametrize(
    "options", [{"rate": (100, 60)}, {"burst": 101}, {"reserve": -1}, {"grace": -1}]
)
def test_a_nonsense_option_is_refused_by_name(make, options):
    """What makes no sense is refused when the limiter is made."""
    (name,) = options

    with pytest.raises(ConfigurationError, match=name):
        make(**options)


@pytest.mark.parametrize("key", ["", b"app", None])
def test_a_key_that_is_none_is_refused(key):
    """A limiter in Redis needs a name for its key."""
    with pytest.raises(ConfigurationError, match="key must be a text, not"):
        RedisLimiter(URLS[RedisLimiter], key=key)


@pytest.mark.parametrize("table", ["", "Limit", "a b", "a.b.c", "x; --", "1st", None, b"t"])
def test_a_table_that_needs_quotes_is_refused(table):
    """A table's name goes into statements as it is."""
    with pytest.raises(ConfigurationError, match="table must be a name in lower case"):
        PostgresLimiter(URLS[PostgresLimiter], table=table)


@pytest.mark.parametrize("table", ["t", "app.customersms_limit", "_2"])
def test_a_plain_table_is_taken(table):
    """Small letters, digits and a schema are fine."""
    assert PostgresLimiter(URLS[PostgresLimiter], table=table)


@pytest.mark.parametrize("path", ["", ":memory:", b"/tmp/x", None, 7])
def test_a_path_that_is_none_is_refused(path):
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
    ],
)
def test_what_is_no_redis_is_refused(given, said):
    """Neither a URL nor an asyncio client: it says what would be right, and shows no password."""
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
    ],
)
def test_what_is_no_database_is_refused(given, said):
    """It says what would be right, and shows no password."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        PostgresLimiter(given)

    assert str(caught.value).startswith("url must be one like postgresql://user:password@host")
    assert "4711" not in str(caught.value)


def test_it_shows_its_rate(make):
    """Its repr and `rate` tell what is kept, and not where."""
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
def test_it_says_which_extra_it_needs(module, needs, said):
    """Without the driver, the import fails with the command that helps."""
    program = f"import sys; sys.modules[{needs!r}] = None; import customersms_async.{module}"
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 1 == done.returncode
    assert f"{said} 'customersms-async[{module}]'" in done.stderr


def test_the_library_itself_needs_no_driver():
    """Without a shared store, neither redis-py nor asyncpg is imported."""
    program = (
        "import sys, customersms_async; customersms_async.CustomerSMS;"
        " sys.exit(bool({'redis', 'asyncpg'} & set(sys.modules)))"
    )

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_closing_what_was_never_used_does_nothing(make):
    """A limiter that nobody asked has no connection."""
    asyncio.run(make().aclose())
