"""Whole programs with the synchronous client, which end without output, forked or not."""

import os
import sys

import pytest

from tests.support.python_program import run_python

BEGIN = """
import gc, logging, os, sys, threading
from customersms_async.sync import CustomerSMS

logging.basicConfig(level=logging.INFO)
sms = CustomerSMS()
"""

PROGRAMS = {
    "a script that closes nothing": """
sms.send("+12125550001", "one")
sms.send_many((f"+1212555{n:04d}" for n in range(2, 6)), "two")
print("sent 5")
""",
    "a client that was never used": """
print("sent 0")
""",
    "a client that is dropped": """
sms.send("+12125550001", "one")
del sms
gc.collect()
sms = CustomerSMS()
sms.send("+12125550001", "two")
print("sent 2")
""",
    "a limiter in a file": """
import atexit, customersms_async.sync.background, tempfile
folder = tempfile.mkdtemp()
sms = CustomerSMS(limiter=f"sqlite:///{folder}/sms.limit")
sms.send("+12125550001", "one", timeout=20)
# Before the file's own, as under gunicorn, which has finalizers from before our import.
atexit.unregister(customersms_async.sync.background._process.end)
atexit.register(customersms_async.sync.background._process.end)
print("sent 1")
""",
    "an error at the end": """
sms.send("+12125550001", "one")
print("sent 1")
sys.exit(3)
""",
    "a stream that is left open": """
bulk = sms.stream_many([f"+1212555{n:04d}" for n in range(5)], "one")
bulk.__enter__()
print("sent", len(list(bulk)))
""",
    "threads that go on": """
def work(n):
    for k in range(5):
        sms.send("+12125550001", f"{n} {k}")

for n in range(20):
    threading.Thread(target=work, args=(n,)).start()
print("sent 100")
""",
    "a daemon thread that waits": """
asked = threading.Event()
def numbers():
    yield "+12125550001"
    asked.set()
    threading.Event().wait()

threading.Thread(target=lambda: sms.send_many(numbers(), "one"), daemon=True).start()
asked.wait()
print("sent 0")
""",
    "a signal handler that sends while the first call starts the loop": """
import signal

def handler(*_):
    sys.setprofile(None)
    sms.send("+12125550002", "from the handler")

def profile(frame, event, _):
    if event == "call" and frame.f_code.co_qualname == "BackgroundLoop.__init__":
        signal.raise_signal(signal.SIGTERM)

signal.signal(signal.SIGTERM, handler)
sys.setprofile(profile)
sms.send("+12125550001", "one")
print("sent 2")
""",
    "a call after the end": """
import atexit, customersms_async.sync.background
def late():
    try:
        sms.send("+12125550001", "late")
    except RuntimeError as error:
        print("sent 1", error)
atexit.unregister(customersms_async.sync.background._process.end)
atexit.register(late)
atexit.register(customersms_async.sync.background._process.end)
sms.send("+12125550001", "one")
""",
}

FORKS = {
    "a child that sends": """
sms.send("+12125550001", "parent")
child = os.fork()
if not child:
    sms.send("+12125550001", "child")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
sms.send("+12125550001", "parent again")
print("sent 3")
""",
    "a child that does not send": """
sms.send("+12125550001", "parent")
child = os.fork()
if not child:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
sms.send("+12125550001", "parent again")
print("sent 2")
""",
    "a child that was forked without the hooks of Python, as by uWSGI": """
import ctypes
sms.send("+12125550001", "parent")
child = ctypes.PyDLL(None).fork()
if not child:
    sms.send("+12125550001", "child")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print("sent 2")
""",
    "a child that was forked without hooks, and does not send": """
import ctypes, time
sms.send("+12125550001", "parent")
child = ctypes.PyDLL(None).fork()
if not child:
    del sms
    gc.collect()
    sys.exit(0)
began = time.monotonic()
assert os.waitpid(child, 0)[1] == 0
assert time.monotonic() - began < 5, "it waited for the loop of its parent"
print("sent 1")
""",
    "a child that drops the client": """
sms.send("+12125550001", "parent")
child = os.fork()
if not child:
    del sms
    gc.collect()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print("sent 1")
""",
    "a client that is first used in children": """
children = []
for n in range(3):
    child = os.fork()
    if not child:
        sms.send("+12125550001", f"child {n}")
        sys.exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
print("sent 3")
""",
    "a child that is forked while the parent sends": """
ended = threading.Event()
def work():
    for n in range(50):
        sms.send("+12125550001", f"parent {n}")
    ended.set()

thread = threading.Thread(target=work)
thread.start()
for n in range(5):
    child = os.fork()
    if not child:
        sms.send("+12125550001", f"child {n}")
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
thread.join()
print("sent 55")
""",
}


if sys.version_info < (3, 12):  # newer versions of Python end at once if only this hook is called
    FORKS["a child with its own hook alone, as with uWSGI's py-call-osafterfork"] = """
import ctypes
sms.send("+12125550001", "parent")
child = ctypes.PyDLL(None).fork()
if not child:
    ctypes.pythonapi.PyOS_AfterFork_Child()
    sms.send("+12125550001", "child")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print("sent 2")
"""


def run(source: str) -> tuple[int, str, str]:
    """Run a program with all warnings as errors; return status, stdout and stderr."""
    # Newer versions of Python warn about every fork of a process with threads.
    forks = "ignore:This process:DeprecationWarning"
    done = run_python(BEGIN + source, "-X", "dev", "-W", "error", "-W", forks)
    return done.returncode, done.stdout, done.stderr


def complaints(name: str, errors: str) -> list[str]:
    """Return unexpected lines of stderr; in debug mode asyncio reports slow callbacks."""
    harmless = ("INFO:", "DEBUG:", "WARNING:asyncio:Executing")
    if "daemon" in name:
        harmless += ("WARNING:customersms_async:closing the client waits",)  # which is expected
    return [line for line in errors.splitlines() if not line.startswith(harmless)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(sms_sandbox, name):
    """It ends without a warning or a traceback, and each message has arrived."""
    status, output, errors = run(PROGRAMS[name])

    assert [] == complaints(name, errors)
    assert (3 if "error" in name else 0) == status
    assert f"sent {len(sms_sandbox.messages)}" in output
    assert () == sms_sandbox.duplicates()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows knows no fork")
@pytest.mark.parametrize("name", FORKS)
def test_a_forked_child(sms_sandbox, name):
    """Parent and child have their own connections, and both end without output."""
    status, output, errors = run(FORKS[name])

    assert [] == complaints(name, errors)
    assert 0 == status
    assert f"sent {len(sms_sandbox.messages)}" in output
    assert () == sms_sandbox.duplicates()
