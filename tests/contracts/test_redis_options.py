"""`RedisLimiter`: what it is made of, and what is refused before any I/O."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import redis

from customersms_async import ConfigurationError, Rate
from customersms_async.redis import RedisLimiter
from tests.support.callers import KEY, now, take

URL = "redis://localhost:6379/0"


@pytest.mark.parametrize(
    "options",
    [
        {"rate": (100, 60)},
        {"burst": 101},
        {"reserve": -1},
        {"grace": -1},
        {"prefix": ""},
        {"prefix": "{app}"},
        {"prefix": b"app"},
        {"timeout": 0},
    ],
)
def test_a_nonsense_option_is_refused_by_name(options):
    """What makes no sense is refused when the limiter is made."""
    (name,) = options

    with pytest.raises(ConfigurationError, match=name):
        RedisLimiter(URL, **options)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "not builtins.NoneType"),
        (redis.Redis(), "not redis.client.Redis"),
        ("localhost:6379?password=4711", "the string given is none"),
        ("redis://localhost?sokcet_timeout=3&password=4711", "the string given is none"),
    ],
)
def test_what_is_no_store_is_refused(given, said):
    """Neither a URL nor an asyncio client: it says what would be right, and shows no password."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        RedisLimiter(given)

    assert str(caught.value).startswith("redis must be a URL like redis://localhost:6379/0, or a ")
    assert "4711" not in str(caught.value)


def test_it_shows_its_rate():
    """Its repr and `rate` tell what is kept, and not where."""
    limiter = RedisLimiter("redis://:pass@localhost", Rate(20, per=1.5))

    assert ("<RedisLimiter 20 per 1.5 s>", Rate(20, per=1.5)) == (repr(limiter), limiter.rate)
    assert Rate(100, per=60) == RedisLimiter(URL).rate


def test_it_says_which_extra_it_needs():
    """Without redis-py, the import fails with the command that helps."""
    program = "import sys; sys.modules['redis'] = None; import customersms_async.redis"
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 1 == done.returncode
    assert done.stderr.strip().endswith(
        "customersms_async.redis needs redis-py: pip install 'customersms-async[redis]'"
    )


def test_the_library_itself_does_not_need_it():
    """Whoever shares no store imports no redis-py."""
    program = "import sys, customersms_async; sys.exit('redis' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_closing_what_was_never_used_does_nothing():
    """A limiter that nobody asked has no connection."""

    async def use():
        async with RedisLimiter(URL):
            pass

    asyncio.run(use())


@pytest.mark.virtual_time
async def test_closing_tells_how_requests_ended(make_shared):
    """What would have been told later is told before the connections close."""
    limiter, other = make_shared(1, 60.0), make_shared(1, 60.0)
    slot = await take(limiter)
    slot.answered()
    assert 1 == (await other.usage(KEY)).in_flight

    await limiter.aclose()

    assert (0, 1) == ((await other.usage(KEY)).in_flight, (await other.usage(KEY)).busy)
    assert 60.1 == pytest.approx((await other.usage(KEY)).next_free_at - now())


@pytest.mark.virtual_time
async def test_a_closed_limiter_may_be_used_again(make_shared):
    """It begins anew, and the store has not forgotten."""
    limiter = make_shared(2, 60.0)
    (await take(limiter)).answered()
    await limiter.aclose()

    (await take(limiter)).answered()

    assert 2 == (await limiter.usage(KEY)).busy
