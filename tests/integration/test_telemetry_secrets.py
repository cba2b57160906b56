"""A canary as key, text and number: no span, metric or log contains it."""

from __future__ import annotations

from typing import Final

import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from customersms_async.opentelemetry import Telemetry
from tests.integration.test_secrets import TOLD, client, unreachable, use
from tests.support.canary import Net, parrot

CAUGHT: Final[list[tuple[Net, str, str]]] = []


async def caught() -> tuple[Net, str, str]:
    """Meet every gateway once; return logs, and spans and metrics as exported."""
    if not CAUGHT:
        spans, metrics, net = InMemorySpanExporter(), InMemoryMetricReader(), Net()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(spans))
        telemetry = Telemetry(tracer_provider=traces, meter_provider=MeterProvider([metrics]))
        net.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                processors=[structlog.processors.JSONRenderer()],
                foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
            )
        )
        with net.spread():
            for name, say in TOLD.items():
                net.where = name
                async with (
                    parrot(say) as endpoint,
                    client(endpoint, on_request=telemetry) as sms,
                ):
                    await use(net, sms)
            await unreachable(net)
        exported = "\n".join(span.to_json() for span in spans.get_finished_spans())
        CAUGHT.append((net, exported, metrics.get_metrics_data().to_json()))
    return CAUGHT[0]


@pytest.mark.parametrize("needle", ["canary42xyz", "budgerigar", "2125557788", "5557788"])
async def test_nothing_secret_is_exported(needle):
    """Spans and metrics, exported as JSON, contain neither key nor text nor number."""
    _, spans, metrics = await caught()

    assert spans.count("send customersms.pro:443") > 50
    assert "customersms.unknown" in metrics
    assert (False, False) == (needle in spans.lower(), needle in metrics.lower())


@pytest.mark.parametrize("needle", ["key", "text", "phone"])
async def test_nothing_secret_is_logged(needle):
    """Log records of all loggers, through structlog with every extra, contain none of them."""
    net, _, _ = await caught()

    assert any('"event"' in line for line in net.logged)
    assert [] == net.found_in_logs(needle)
