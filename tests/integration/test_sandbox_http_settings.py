"""Settings over HTTP: faults, clock, credits, limits; and invalid calls."""

import pytest

from tests.support.sandbox_client import ACCOUNT, KEY, PHONE, running

NOON = 1_780_315_200.0  # 2026-06-01, 12:00 UTC


async def test_faults():
    """All faults of the constructor can be set over HTTP, and are returned as set."""
    settings = {
        "script": ["http-500", "rate-limited(7)", "ok"],
        "standing": "http-503(9)",
        "probabilities": {"answer-lost": 0.05},
        "seed": 7,
        "latency": "uniform(0, 0.001)",
    }
    async with running() as (_, client):
        set_to = await client.call("POST", "/faults", settings)
        seen = [await client.raw("POST", "/sms_system/api.php", body()) for _ in range(4)]
        later = await client.get("/faults")
        cleared = await client.call("DELETE", "/faults")

    assert (200, {"account": None, **settings}) == set_to
    assert [500, 429, 200, 503] == [status for status, _ in seen]
    assert ([], 35) == (later["script"], len(later["catalogue"]))
    assert (None, {}, None) == tuple(
        cleared[1][name] for name in ("standing", "probabilities", "latency")
    )


def body(key: str = KEY) -> dict[str, object]:
    return {"api_key": key, "phone": PHONE, "message": "Hello"}


async def test_faults_of_one_key():
    """A fault set for one key does not apply to others."""
    async with running(keys={KEY: 9, "cspro_other": 9}) as (_, client):
        await client.call("POST", "/faults", {"key": ACCOUNT, "standing": "http-500"})
        shown = [await client.get("/faults", key=key) for key in (KEY, "cspro_other")]
        said = [await client.post(), await client.post(key="cspro_other")]
        await client.call("DELETE", "/faults", key=KEY)
        afterwards = await client.post()

    assert ["http-500", None] == [one["standing"] for one in shown]
    assert [None, True, True] == [said[0], said[1]["success"], afterwards["success"]]


async def test_the_clock():
    """Advancing the clock frees the limit and dates later messages."""
    async with running(limit=1, clock=lambda: NOON) as (sandbox, client):
        refused = [(await client.post())["success"] for _ in range(2)]
        moved = await client.call("POST", "/clock", {"advance": 60})
        said = await client.post()

    assert ([True, False], True) == (refused, said["success"])
    assert (200, {"now": "2026-06-01T12:01:00.000Z", "ahead": 60.0}) == moved
    assert [NOON, NOON + 60] == [message.at for message in sandbox.messages]


async def test_reading_the_clock():
    """Reading the clock does not change it."""
    async with running(clock=lambda: NOON) as (_, client):
        assert {"now": "2026-06-01T12:00:00.000Z", "ahead": 0.0} == await client.get("/clock")


async def test_credits():
    """Credits can be read and set, and a new key creates an account."""
    async with running() as (_, client):
        await client.call("POST", "/credits", {"key": ACCOUNT, "credits": 1})
        opened = await client.call("POST", "/credits", {"key": "cspro_new_one", "credits": 5})
        said = [await client.post(), await client.post(), await client.post(key="cspro_new_one")]
        left = await client.get("/credits", key=KEY)

    assert [True, False, True] == [answer["success"] for answer in said]
    assert (200, 5, {"account": ACCOUNT, "credits": 0}) == (opened[0], opened[1]["credits"], left)


async def test_closing_an_account():
    """Nothing remains of a closed account, and its key is unknown."""
    async with running(keys={KEY: 9, "cspro_other": 9}) as (sandbox, client):
        await client.call("POST", "/faults", {"key": KEY, "standing": "http-500"})
        await client.post()
        status, shown = await client.call("DELETE", "/account", key=KEY)
        said = await client.post()

    assert (200, 1, 0) == (status, len(shown["accounts"]), shown["requests"])
    assert ("INVALID_API_KEY", {}) == (said["code"], sandbox._service.handler.faults.own)


async def test_a_limit():
    """A limit is set for all keys or for one; options that are not given are kept."""
    async with running(keys={KEY: 9, "cspro_other": 9}, per=30) as (_, client):
        await client.call("POST", "/limit", {"limit": 1, "rate_refusal": "rate-limited-200"})
        await client.call("POST", "/limit", {"key": "cspro_other", "limit": 2})
        said = [await client.post(key=key) for key in (KEY, KEY, "cspro_other", "cspro_other")]
        shown = [await client.get("/limit"), await client.get("/limit", key="cspro_other")]
        usage = await client.get("/usage", key=KEY)

    assert [True, False, True, True] == [answer["success"] for answer in said]
    assert [(1, 30, "rate-limited-200"), (2, 30, "rate-limited-200")] == [
        (one["limit"], one["per"], one["rate_refusal"]) for one in shown
    ]
    assert (1, 1, 0, 2, 1) == tuple(
        usage["usage"][name] for name in ("used", "capacity", "free", "requests", "refused")
    )


@pytest.mark.parametrize(
    ("call", "query", "sent", "status", "error"),
    [
        ("GET /messages", {"fone": 1}, None, 400, "takes key, phone, contains"),
        ("GET /clock", {"x": 1}, None, 400, "takes none"),
        ("GET /messages", {"limit": "x"}, None, 400, "from 1 to 10000, not 'x'"),
        ("GET /messages", {"limit": 0}, None, 400, "from 1 to 10000, not '0'"),
        ("GET /messages", {"after": "x"}, None, 400, "an id like 7 or 'msg_123456', not 'x'"),
        ("GET /messages", {"key": "cspro_no"}, None, 404, "has no account"),
        ("GET /messages", {"key": "c…zzzzzz"}, None, 404, "key 'c…zzzzzz' has no"),
        ("GET /messages/msg_1", {}, None, 404, "'msg_1'"),
        ("GET /requests/7", {}, None, 404, "request 7"),
        ("GET /requests/x", {}, None, 400, "not 'x'"),
        ("GET /requests", {"fate": "x"}, None, 400, "one of answered, refused, failed, lost"),
        ("GET /wait", {"timeout": 61}, None, 400, "from 0 to 60, not 61"),
        ("GET /wait", {"timeout": "x"}, None, 400, "from 0 to 60, not 'x'"),
        ("GET /last-code", {}, None, 400, "phone is missing"),
        ("GET /credits", {}, None, 400, "key is missing"),
        ("GET /usage", {"key": ""}, None, 400, "key is missing"),
        ("DELETE /account", {}, None, 400, "key is missing"),
        ("POST /credits", {}, {"key": KEY}, 400, "credits must be"),
        ("POST /credits", {}, {"key": KEY, "credits": -1}, 400, "at least 0, not -1"),
        ("POST /credits", {}, {"key": 7, "credits": 1}, 400, "key must be a text, not 7"),
        ("POST /clock", {}, {"advance": -1}, 400, "from 0 to 3.2e+09, not -1"),
        ("POST /clock", {}, {}, 400, "not None"),
        ("POST /clock", {}, [1], 400, "must be a JSON object"),
        ("POST /faults", {}, {"standing": "lost"}, 400, "not 'lost'"),
        ("POST /faults", {}, {"fault": "html"}, 400, "'fault'"),
        ("POST /limit", {}, {"rule": "leaky"}, 400, "not 'leaky'"),
        ("POST /limit", {}, {"burts": 1}, 400, "'burts'"),
        ("PUT /limit", {}, None, 405, "PUT /_sandbox/limit: Method Not Allowed"),
        ("GET /nothing", {}, None, 404, "see /_sandbox/ for all calls"),
    ],
)
async def test_an_invalid_call(call, query, sent, status, error):
    """The error is JSON, and names the value and what is valid."""
    async with running() as (_, client):
        found, shown = await client.call(*call.split(), sent, **query)

    assert status == found
    assert error in shown["error"]
    assert {"error", "code"} == set(shown)


async def test_a_body_that_is_not_json():
    """A body that is not JSON is refused; an empty one has no parameters."""
    async with running() as (_, client):
        url = f"{client.sandbox.url}/_sandbox/faults"
        found = []
        for data in (b"x", b'{"a":\xff}', b"[" * 100_000, b""):
            async with client.session.post(url, data=data) as response:
                found.append(response.status)

    assert [400, 400, 400, 200] == found


async def test_credits_of_an_unknown_masked_name():
    """Setting credits for an unknown masked name creates no account."""
    async with running() as (_, client):
        body = {"key": "cspro_…ffffff", "credits": 7}
        status, shown = await client.call("POST", "/credits", body)
        accounts = (await client.get("/status"))["accounts"]

    assert (404, "NOT_FOUND") == (status, shown["code"])
    assert "cspro_…ffffff" in shown["error"]
    assert [ACCOUNT] == [account["account"] for account in accounts]
