"""The web applications of examples/, served, put under load, and ended in the middle of it."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.support.application import Arrivals, judge, running, told

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")

SERVED = {
    "fastapi": "uvicorn examples.login_fastapi:app --port {port} --workers 2",
    "django-asgi": "uvicorn examples.login_django_asgi:application --port {port} --workers 2",
    "django-wsgi": (
        "gunicorn examples.login_django_wsgi:application --bind 127.0.0.1:{port}"
        " --workers 2 --threads 40"
    ),
    "aiohttp": "examples.login_aiohttp {port}",
}


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.sms_sandbox(limit=100)
async def test_under_load_and_ended(sms_sandbox, tmp_path, name):
    """Users were told what the gateway has, the limit holds, and the shutdown is clean."""
    arrivals = Arrivals(0.5, 95)
    sms_sandbox.set_faults(latency=arrivals)
    environment = {"CUSTOMERSMS_LIMITER": f"sqlite:///{tmp_path}/sms.limit"}
    with running(tmp_path, SERVED[name].split(), environment) as service:
        await service.is_up()
        said = await told(service, arrivals, steadily=85, at_once=60)
        code = service.wait()

    assert (0, []) == (code, judge(said, sms_sandbox)), service.log
    assert () == sms_sandbox.refused
    assert Counter(said.values())["sent"] >= 95
    assert "Traceback" not in service.log
