"""
A local gateway that speaks the documented API, keeps what it gets, and sends nothing.

    async with Sandbox(keys={"cspro_test": 98}) as sandbox:
        async with CustomerSMS("cspro_test", endpoint=sandbox.endpoint) as sms:
            await sms.send("+12125551234", "Your code is 4711")
        assert sandbox.last_code("+12125551234") == "4711"

Faults happen when a script asks for them (`Sandbox.fail_next`) or a number (`MAGIC_NUMBERS`):

    +…6660001 is rejected, alone in its array        +…6660004 gets an HTML page
    +…6660002 is accepted and its answer is lost     +…6660005 gets a late answer
    +…6660003 is accepted and its answer is cut      …

It shares no code with the client, so that each proves the other.
"""

from ._faults import MAGIC_NUMBERS, Fault
from ._ledger import SandboxMessage, SandboxRequest
from ._sandbox import Sandbox

__all__ = ["MAGIC_NUMBERS", "Fault", "Sandbox", "SandboxMessage", "SandboxRequest"]

for _public in (Fault, Sandbox, SandboxMessage, SandboxRequest):
    _public.__module__ = __name__
