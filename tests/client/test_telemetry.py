"""OpenTelemetry: spans and metrics, as its SDK exports them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from customersms_async import ConfigurationError, LocalLimiter, Rate, SendError
from customersms_async.opentelemetry import Telemetry
from customersms_async.sync import CustomerSMS as SyncCustomerSMS
from tests.support.client_in_memory import (
    MemoryTransport,
    accepts,
    answers,
    cannot_connect,
    loses_answer,
    phones,
    turns_away,
)

PHONE = "+12125551234"


class Backend:
    """Collects spans and metrics."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.traces = TracerProvider()
        self.traces.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = Telemetry(
            tracer_provider=self.traces,
            meter_provider=MeterProvider([self._metrics]),
        )

    @property
    def spans(self):
        return self._spans.get_finished_spans()

    @property
    def attempts(self):
        return [span for span in self.spans if span.kind is SpanKind.CLIENT]

    def points(self, name):
        """Return the points of a metric with their attributes."""
        data = self._metrics.get_metrics_data()
        resources = data.resource_metrics if data else []
        scopes = [scope for resource in resources for scope in resource.scope_metrics]
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in metrics for point in metric.data.data_points]

    def values(self, name, by):
        """Return the values of a counter or gauge, by one attribute."""
        return {point.attributes.get(by): point.value for point in self.points(name)}


@pytest.fixture
def backend(monkeypatch):
    monkeypatch.delenv("CUSTOMERSMS_ENDPOINT", raising=False)
    return Backend()


@pytest.fixture
def send(make_client, backend):
    """Send a message through a scripted gateway, ignoring errors."""

    async def send(*script, **options):
        gateway = MemoryTransport(*script, credits=500)
        options.setdefault("retries", 0)
        with contextlib.suppress(SendError):
            await make_client(gateway, on_request=backend.telemetry, **options).send(PHONE, "hi")

    return send


@pytest.mark.virtual_time
async def test_an_attempt_is_a_span(send, backend):
    """Name, kind and attributes of a span follow the messaging conventions."""
    await send(accepts())
    (span,) = backend.attempts

    assert ("send customersms.pro:443", SpanKind.CLIENT) == (span.name, span.kind)
    assert {
        "messaging.system": "customersms",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "server.address": "customersms.pro",
        "server.port": 443,
        "customersms.kind": "send",
        "customersms.numbers.sent": 1,
    }.items() <= dict(span.attributes).items()
    assert StatusCode.UNSET is span.status.status_code
    assert "https://opentelemetry.io/schemas/1.44.0" == span.instrumentation_scope.schema_url


@pytest.mark.virtual_time
async def test_the_duration_of_a_span(send, backend):
    """A span begins when the slot is granted, and ends when the attempt is reported."""
    await send(accepts(takes=2.5))
    (span,) = backend.attempts

    assert pytest.approx(2.5e9, rel=1e-6) == span.end_time - span.start_time


@pytest.mark.virtual_time
async def test_only_a_bulk_request_has_a_message_count(make_client, backend):
    """`messaging.batch.message_count` is set for bulk requests only."""
    sms = make_client(MemoryTransport(), on_request=backend.telemetry)
    await sms.send(PHONE, "hi")
    await sms.send_many(phones(7), "hi")

    name = "messaging.batch.message_count"
    assert [None, 7] == [span.attributes.get(name) for span in backend.attempts]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        (loses_answer(), "ANSWER_LOST"),
        (cannot_connect(), "CONNECT_FAILED"),
        (turns_away(), "RATE_LIMITED"),
        (accepts(refuse=[PHONE]), "NO_ROUTE"),
        (answers({"success": True, "results": []}), "MISSING_IN_ANSWER"),
    ],
)
async def test_a_failed_attempt_has_an_error_type(send, backend, behaviour, word):
    """`error.type` is the code of the exception, and the span's status is an error."""
    await send(behaviour, send_timeout=0.9)
    span = backend.attempts[0]

    assert word == span.attributes["error.type"]
    assert StatusCode.ERROR is span.status.status_code


@pytest.mark.virtual_time
async def test_a_partly_refused_request_is_no_error(make_client, backend):
    """A request with some refused numbers is not an error; they are counted."""
    numbers = phones(3)
    gateway = MemoryTransport(accepts(refuse=numbers[:1]))
    await make_client(gateway, on_request=backend.telemetry).send_many(numbers, "hi")
    (span,) = backend.attempts

    assert "error.type" not in span.attributes
    assert {"rejected": 1, "sent": 2} == backend.values("customersms.numbers", "customersms.status")


@pytest.mark.virtual_time
async def test_a_partly_unknown_request_is_an_error(make_client, backend):
    """If some fates are unknown, `error.type` is `_OTHER`."""
    numbers = phones(2)
    entry = {"phone": numbers[0], "success": True, "message_id": "msg_1"}
    gateway = MemoryTransport(answers({"success": True, "results": [entry]}))
    await make_client(gateway, on_request=backend.telemetry).send_many(numbers, "hi")

    assert "_OTHER" == backend.attempts[0].attributes["error.type"]
    assert {None: 1} == backend.values("customersms.unknown", "")


@pytest.mark.virtual_time
async def test_numbers_are_counted_once(send, backend):
    """A message sent at the third attempt counts as three attempts and one fate."""
    await send(cannot_connect(), cannot_connect(), retries=3)

    by_error = backend.values("messaging.client.sent.messages", "error.type")
    assert {"CONNECT_FAILED": 2, None: 1} == by_error
    assert {"sent": 1} == backend.values("customersms.numbers", "customersms.status")


@pytest.mark.virtual_time
async def test_unknown_fates_have_a_counter(send, backend):
    """Each number with an unknown fate is counted, so that one can alert on it."""
    await send(loses_answer())

    assert {None: 1} == backend.values("customersms.unknown", "")
    assert {"unknown": 1} == backend.values("customersms.numbers", "customersms.status")


@pytest.mark.virtual_time
async def test_durations_and_waits_are_histograms(make_client, backend):
    """The duration of attempts and the wait in the limiter are histograms in seconds."""
    clock = asyncio.get_running_loop().time
    limiter = LocalLimiter(Rate(1, per=10), clock=clock, burst=1, reserve=0)
    sms = make_client(
        MemoryTransport(then=accepts(takes=0.25)), limiter=limiter, on_request=backend.telemetry
    )
    for _ in range(2):
        await sms.send(PHONE, "hi", timeout=60)

    (took,) = backend.points("messaging.client.operation.duration")
    (waited,) = backend.points("customersms.limiter.wait.duration")
    assert (2, 0.5) == (took.count, pytest.approx(took.sum))
    assert (2, {"customersms.kind": "send"}) == (waited.count, dict(waited.attributes))
    assert 10 <= waited.max <= 10.5


@pytest.mark.virtual_time
async def test_the_balance_is_a_gauge_of_the_account(send, backend):
    """The last balance is a gauge per account, named by the hash of its key."""
    await send(accepts())
    ((account, credit),) = backend.values("customersms.credits", "customersms.account").items()

    assert (499, backend.attempts[0].attributes["customersms.account"]) == (credit, account)


@pytest.mark.virtual_time
async def test_a_message_without_an_attempt_has_no_span(make_client, backend):
    """A message that is refused by the limiter counts as not sent, and has no span."""
    limiter = LocalLimiter(Rate(1, per=60), clock=asyncio.get_running_loop().time)
    sms = make_client(MemoryTransport(), limiter=limiter, on_request=backend.telemetry)
    for _ in range(2):
        with contextlib.suppress(SendError):
            await sms.send(PHONE, "hi", timeout=5)

    assert 1 == len(backend.attempts)
    fates = backend.values("customersms.numbers", "customersms.status")
    assert {"sent": 1, "not_sent": 1} == fates


@pytest.mark.virtual_time
async def test_the_span_of_a_call_is_the_parent(make_client, backend):
    """A span belongs to the trace of its caller, also in bulk runs."""
    sms = make_client(MemoryTransport(), on_request=backend.telemetry)
    with backend.traces.get_tracer("app").start_as_current_span("login") as login:
        await sms.send(PHONE, "hi")
        await sms.send_many(phones(3), "hi")

    parents = {span.parent.span_id for span in backend.attempts}
    assert {login.get_span_context().span_id} == parents


@pytest.mark.usefixtures("sms_sandbox")
def test_the_span_of_a_synchronous_call_is_the_parent():
    """The trace context is passed on to the background loop."""
    backend = Backend()
    sms = SyncCustomerSMS(on_request=backend.telemetry)
    with backend.traces.get_tracer("app").start_as_current_span("login") as login, sms:
        sms.send(PHONE, "hi")

    (span,) = backend.attempts
    assert login.get_span_context().span_id == span.parent.span_id


def test_the_endpoint_names_the_server(monkeypatch):
    """The server of a span is that of the argument, else of the environment."""
    backend = Backend()
    monkeypatch.setenv("CUSTOMERSMS_ENDPOINT", "http://127.0.0.1:8025/api.php")
    places = [
        Telemetry(tracer_provider=backend.traces),
        Telemetry("https://sms.example/api.php", tracer_provider=backend.traces),
        Telemetry("http://sms.example/api.php", tracer_provider=backend.traces),
    ]

    assert ["send 127.0.0.1:8025", "send sms.example:443", "send sms.example:80"] == [
        place._span_name for place in places
    ]


@pytest.mark.parametrize("endpoint", ["", "sms.example", None])
def test_an_invalid_endpoint(endpoint):
    """An endpoint that the client would refuse is refused here too."""
    with pytest.raises(ConfigurationError, match="endpoint must be a URL"):
        Telemetry(endpoint)


def test_the_error_names_the_extra():
    """Without OpenTelemetry's API, the ImportError shows the command to install it."""
    program = (
        "import sys; sys.modules['opentelemetry.metrics'] = None; "
        "import customersms_async.opentelemetry"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert 1 == done.returncode
    assert "pip install 'customersms-async[opentelemetry]'" in done.stderr


@pytest.mark.virtual_time
async def test_without_an_sdk_nothing_is_recorded(make_client):
    """With the API but no SDK, the message is sent and nothing is recorded."""
    receipt = await make_client(MemoryTransport(), on_request=Telemetry()).send(PHONE, "hi")

    assert receipt.message_id is not None
