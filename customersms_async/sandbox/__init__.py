"""
A local gateway that speaks the documented API, keeps every message, and sends nothing.

    async with Sandbox(keys={"cspro_test": 98}) as sandbox:
        async with CustomerSMS("cspro_test", endpoint=sandbox.endpoint) as sms:
            await sms.send("+12125551234", "Your code is 4711")
        assert sandbox.last_code("+12125551234") == "4711"

It shares no protocol code with the client, so that each verifies the other. Its page at ``/`` shows
what arrived, and ``/_sandbox/`` describes the HTTP calls for tests in other languages. In pytest,
the fixture ``sms_sandbox`` gives each test a separate account: see `SmsSandbox`.

Faults are scripted, ``sandbox.fail_next("answer-lost")``; permanent,
``sandbox.set_faults(standing="http-500")``; random but reproducible,
``Sandbox(probabilities={"answer-lost": 0.05}, seed=7)``; or triggered by the last seven digits of a
number:

    ========= ==================== ===============================================================
    …6660001  reject               this number fails, with a code; the others of the array are sent
    …6660002  answer-lost          accepted, then the connection is closed without a byte
    …6660003  cut-body             accepted, half of the announced body
    …6660004  html                 accepted, an HTML page with status 200
    …6660005  slow                 accepted, answered late
    …6660006  missing-entry        accepted, this number is not in the answer
    …6660007  doubled-entry        accepted, this number is in the answer twice
    …6660008  extra-entry          accepted, an unrequested number is in the answer
    …6660009  reordered            accepted, answered from last to first
    …6660010  integer-phones       accepted, numbers are JSON numbers
    …6660011  results-as-object    accepted, results is an object
    …6660012  zero-one-booleans    accepted, 1 and 0 for true and false
    …6660013  odd-fields           accepted, fields other than phone and success have odd types
    …6660014  php-notice           accepted, a PHP notice before the JSON
    …6660015  bom                  accepted, a byte-order mark before the JSON
    …6660016  stall                accepted, silence, then the connection is closed
    …6660017  reset-before         not carried out, the connection is reset
    …6660018  reset-after          accepted, then the connection is reset without a byte
    …6660019  http-500             not carried out, an error page with status 500
    …6660020  http-503             not carried out, a bare page with status 503
    …6660021  rate-limited         not carried out, status 429
    …6660022  http-504             accepted, a proxy's page with status 504
    …6660023  reject-bare          this number fails, without a reason; the others are sent
    …6660024  refuse               not carried out, the whole request is refused with a code
    …6660025  cut-silent           accepted, half of a body whose length was not announced
    …6660026  empty                accepted, an empty body with status 200
    …6660027  digit-phones         accepted, numbers come without the plus sign
    …6660028  spaced-phones        accepted, numbers come with spaces
    …6660029  false-with-results   accepted, success is false but entries are true
    …6660030  no-results           accepted, the answer has no results
    …6660031  wrong-numbers        accepted, another request's numbers are in the answer
    …6660032  slow-body            accepted, the answer comes late and in small pieces
    …6660033  html-type            accepted, the JSON is declared as HTML
    …6660034  rate-limited-html    not carried out, status 429 with a page of the web server
    …6660035  rate-limited-200     not carried out, status 200 with a rate-limit code
    ========= ==================== ===============================================================

In a script, ``reject`` and ``reject-bare`` fail every number of the request, and faults of a single
entry hit the first one.
"""

from __future__ import annotations

from ._fixture import SmsSandbox
from ._gateway.faults import MAGIC_NUMBERS, Fault
from ._gateway.rate_budget import SandboxUsage
from ._gateway.records import SandboxMessage, SandboxRequest
from ._sandbox import Sandbox

__all__ = [
    "MAGIC_NUMBERS",
    "Fault",
    "Sandbox",
    "SandboxMessage",
    "SandboxRequest",
    "SandboxUsage",
    "SmsSandbox",
]

for _public in (Fault, Sandbox, SandboxMessage, SandboxRequest, SandboxUsage, SmsSandbox):
    _public.__module__ = __name__
