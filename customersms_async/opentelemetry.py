"""
`Telemetry`: a span for each attempt, and metrics, by OpenTelemetry's messaging conventions.

Needs the extra ``[opentelemetry]``: ``pip install 'customersms-async[opentelemetry]'``. It installs
the API only; without an SDK, an attempt costs a few microseconds and nothing is recorded.

Rule of this module: it reports only data of a `RequestRecord`, which has no key, text or number.

Source: OpenTelemetry semantic conventions 1.44, messaging spans and messaging client metrics.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import metadata
from typing import Final
from urllib.parse import urlsplit

try:
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider, get_tracer
except ModuleNotFoundError as _exc:
    msg = (
        "customersms_async.opentelemetry needs the OpenTelemetry API: "
        "pip install 'customersms-async[opentelemetry]'"
    )
    raise ModuleNotFoundError(msg, name=_exc.name) from _exc

from ._environment import NOT_GIVEN, NotGiven, find_endpoint
from ._ports.hooks import RequestRecord
from ._ports.limiter import Lane
from ._values.status import Status
from ._values.validation import check_endpoint

__all__ = ["Telemetry"]

_NAME: Final = "customersms_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"

#: Bounds of the histograms, in seconds: the conventions' for calls, and up to a limiter's minute.
_DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30)
_WAITS: Final = (0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)

#: The conventions' value for an error without a code.
_OTHER: Final = "_OTHER"

_Attributes = dict[str, str | int]

# Looked up once: without an SDK, lookups are most of the cost of an attempt.
_SENT: Final = Status.SENT
_UNKNOWN: Final = Status.UNKNOWN
_BY_STATUS: Final = {status: {"customersms.status": status.value} for status in Status}
_BY_KIND: Final = {lane.value: {"customersms.kind": lane.value} for lane in Lane}


class Telemetry:
    """
    An ``on_request`` hook that reports to OpenTelemetry.

    ::

        async with CustomerSMS(on_request=Telemetry()) as sms:
            ...

    Each attempt is a span ``send customersms.pro:443`` of kind CLIENT, a child of the caller's
    span. A request without an attempt has no span, but counts in the metrics:

    - ``messaging.client.operation.duration``, seconds of an attempt;
    - ``messaging.client.sent.messages``, numbers in attempts, retries included;
    - ``customersms.numbers``, numbers of requests by ``customersms.status``, each once (bad
      numbers and duplicates reach no request);
    - ``customersms.unknown``, numbers whose fate is unknown: the one to alert on;
    - ``customersms.limiter.wait.duration``, seconds in the limiter's queue;
    - ``customersms.credits``, the last reported balance, by ``customersms.account``.

    One object may serve any number of clients and threads.

    Args:
        endpoint: The URL that the clients use, for span names and ``server.address``. If omitted:
            ``CUSTOMERSMS_ENDPOINT``, else the gateway's, as for `CustomerSMS`.

        tracer_provider: Where spans go; None for the global provider.

        meter_provider: Where metrics go; None for the global provider.

    Raises:
        ConfigurationError: The endpoint is not a URL, or is set but empty.
    """

    def __init__(
        self,
        endpoint: str | NotGiven = NOT_GIVEN,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        server, port = _server(endpoint)
        version = metadata.version("customersms-async")
        self._tracer = get_tracer(_NAME, version, tracer_provider, _SCHEMA)
        meter = get_meter(_NAME, version, meter_provider, _SCHEMA)
        self._span_name = f"send {server}:{port}"
        self._common: _Attributes = {
            "messaging.system": "customersms",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "server.address": server,
            "server.port": port,
        }
        self._duration = meter.create_histogram(
            "messaging.client.operation.duration",
            "s",
            "Duration of messaging operation initiated by a producer or consumer client.",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._attempted = meter.create_counter(
            "messaging.client.sent.messages",
            "{message}",
            "Number of messages producer attempted to send to the broker.",
        )
        self._numbers = meter.create_counter(
            "customersms.numbers", "{number}", "Numbers with a final fate, by fate."
        )
        self._unknown = meter.create_counter(
            "customersms.unknown", "{number}", "Numbers whose fate is unknown."
        )
        self._wait = meter.create_histogram(
            "customersms.limiter.wait.duration",
            "s",
            "Time in the limiter's queue.",
            explicit_bucket_boundaries_advisory=_WAITS,
        )
        self._credits = meter.create_gauge(
            "customersms.credits", "{credit}", "The last reported balance."
        )

    def __call__(self, record: RequestRecord) -> None:
        """Report an attempt, or a request that ended without one."""
        if record.took:
            self._report_attempt(record, _error_type(record))
        self._wait.record(record.waited, _BY_KIND[record.kind])
        if record.is_final:
            self._count(record.fates)
        if record.credits is not None:
            self._credits.set(record.credits, {"customersms.account": record.account})

    def _report_attempt(self, record: RequestRecord, error_type: str | None) -> None:
        attributes = self._common
        if error_type is not None:
            attributes = {**attributes, "error.type": error_type}
        self._report_span(record, error_type)
        self._duration.record(record.took, attributes)
        self._attempted.add(record.numbers, attributes)

    def _report_span(self, record: RequestRecord, error_type: str | None) -> None:
        """Make the span of an attempt that has just ended, and so began ``took`` seconds ago."""
        ended_at = time.time_ns()
        span = self._tracer.start_span(
            self._span_name,
            kind=SpanKind.CLIENT,
            attributes=self._common,
            start_time=ended_at - int(record.took * 1e9),
        )
        if span.is_recording():
            _describe(span, record, error_type)
        span.end(ended_at)

    def _count(self, fates: Mapping[Status, int]) -> None:
        for status, numbers in fates.items():
            self._numbers.add(numbers, _BY_STATUS[status])
        if unknown := fates.get(_UNKNOWN):
            self._unknown.add(unknown)


def _describe(span: Span, record: RequestRecord, error_type: str | None) -> None:
    """Set the attributes that are known only after the attempt."""
    attributes: _Attributes = {
        "customersms.account": record.account,
        "customersms.request": record.request,
        "customersms.kind": record.kind,
    }
    if record.kind == "bulk":  # the conventions require it for batches only
        attributes["messaging.batch.message_count"] = record.numbers
    for status, numbers in record.fates.items():
        attributes[f"customersms.numbers.{status.value}"] = numbers
    span.set_attributes({**attributes, "customersms.limiter.wait": record.waited})
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(StatusCode.ERROR)


def _error_type(record: RequestRecord) -> str | None:
    """Return the code of a failed attempt; a partly refused batch is not a failure."""
    if record.code is not None:
        return record.code
    failed = record.fates.get(_UNKNOWN) or not record.fates.get(_SENT)
    return _OTHER if failed else None


def _server(endpoint: str | NotGiven) -> tuple[str, int]:
    """Return host and port of the endpoint; the client checks whether plain http is allowed."""
    url = urlsplit(str(check_endpoint(find_endpoint(endpoint), allow_insecure_http=True)))
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
