"""
The house: each room imports only rooms below it, whatever the form and place of the import.

Floors are listed from the ground up, and each floor has steps: the rooms of one step know nothing
of each other. So the whole list is an order in which every arrow points back, and no circle can be.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "customersms_async"

HOUSE = {
    0: [  # values, rules and ports: no clock, no dice, no network, no event loop
        {"codes", "errors"},
        {"_checks"},
        {"_secrets", "phones", "_columns", "_window"},
        {"outcomes", "_wire", "_terms"},
        {"_ports", "_matching", "_retrying"},
        {"_queueing", "_options", "_script"},
        {"_dialogue"},
    ],
    1: [  # one adapter for each port
        {"_clock", "_transport", "_pacing", "_forking", "_waiting"},
        {"_account", "_store"},
        {"_serving", "_member"},
        {"limiters", "redis"},
    ],
    2: [  # the life of one request
        {"_desk"},
        {"_delivery"},
    ],
    3: [  # the life of a run
        {"_source", "_detaching"},
        {"_ledger"},
        {"_worker"},
        {"_run"},
        {"bulk"},
    ],
    4: [  # the face
        {"_sessions", "_environment"},
        {"_sending"},
        {"client"},
    ],
    5: [  # extras, each imported by its own path
        {"sandbox._answers", "sandbox._faults", "sandbox._rules", "sandbox._latency"},
        {"sandbox._segments"},
        {"sandbox._masking", "sandbox._time", "sandbox._events", "sandbox._guard"},
        {"sandbox._options", "sandbox._replies", "sandbox._script", "sandbox._shapes"},
        {"sandbox._budget", "sandbox._engine", "sandbox._ledger", "sandbox._transcripts"},
        {"sandbox._gateway", "sandbox._parameters"},
        {"sandbox._exchange"},
        {"sandbox._views"},
        {"sandbox._control"},
        {"sandbox._reading", "sandbox._settings", "sandbox._wire"},
        {"sandbox._changing"},
        {"sandbox._routes"},
        {"sandbox._help"},
        {"sandbox._app"},
        {"sandbox._sandbox"},
        {"sandbox._thread"},
        {"sandbox._fixture"},
        {"sandbox"},
        {"testing"},
        {"sandbox.__main__"},
    ],
    6: [{"_public"}, {"__init__"}],
}

#: What lies below is not always in reach: who knows ports only must not meet their adapters.
IN_REACH = {
    0: {0},
    1: {0, 1},
    2: {0, 2},
    3: {0, 2, 3},
    4: {0, 1, 2, 3, 4},
    5: {0, 5},
    6: {0, 1, 2, 3, 4, 6},
}

_NETWORK = {"aiohttp", "aiolimiter", "redis", "sqlite3", "socket", "ssl", "http"}
BANNED = {
    0: {*_NETWORK, "asyncio", "time", "random", "os", "logging", "secrets", "threading"},
    1: set[str](),
    2: {*_NETWORK, "asyncio", "time", "random", "os"},
    3: {*_NETWORK, "time", "random", "os"},
    4: {"redis", "sqlite3"},
    5: set[str](),
    6: {*_NETWORK, "asyncio"},
}

#: Imports that only type checkers see: from, to.
ONLY_FOR_TYPES = {("errors", "outcomes")}

FLOOR_OF = {room: floor for floor, steps in HOUSE.items() for step in steps for room in step}
_STEPS = [step for steps in HOUSE.values() for step in steps]
STEP_OF = {room: number for number, step in enumerate(_STEPS) for room in step}


def room_of(path):
    room = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return room.removesuffix(".__init__")


ROOMS = {room_of(path): path.read_text() for path in PACKAGE.rglob("*.py")}


def imports(room, source):
    """Give what a file imports, wherever in it, as (absolute name, whether for types only)."""
    tree = ast.parse(source)
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(room, node)
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) in guarded


def absolute(room, node):
    if not node.level:
        return node.module
    here = ["customersms_async", *room.split(".")]
    is_package = room in ("__init__", "sandbox")
    base = here[: len(here) - node.level + is_package]
    if room == "__init__":
        base = ["customersms_async"]
    return ".".join([*base, *(node.module or "").split(".")]).rstrip(".")


def target(name):
    """Find the room that a name of the package leads to; None for what is not ours."""
    package, _, rest = name.partition(".")
    if package != "customersms_async":
        return None
    parts = rest.split(".")
    return next((room for n in (2, 1) if (room := ".".join(parts[:n])) in FLOOR_OF), "__init__")


def faults(room, source):
    """Say what is wrong with the imports of a file."""
    floor = FLOOR_OF[room]
    for name, is_for_types in imports(room, source):
        to = target(name)
        if to is None:
            if name.split(".")[0] in BANNED[floor]:
                yield f"{room} imports {name}, which floor {floor} does without"
        elif is_for_types and (room, to) in ONLY_FOR_TYPES:
            continue
        elif STEP_OF[to] >= STEP_OF[room]:
            yield f"{room} imports {to}, which does not lie below it"
        elif FLOOR_OF[to] not in IN_REACH[floor]:
            yield f"{room} imports {to}, which floor {floor} knows by its port only"


def test_every_room_has_its_floor():
    """A new file is given a floor before it is used, and no floor is kept for one that is gone."""
    assert set(FLOOR_OF) == set(ROOMS)


def test_no_room_stands_twice():
    """Each room has one place."""
    assert len(FLOOR_OF) == sum(map(len, _STEPS))


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_arrows_point_down(room):
    """A room imports rooms below it, and nothing that its floor does without."""
    assert [] == list(faults(room, ROOMS[room]))


@pytest.mark.parametrize("pair", sorted(ONLY_FOR_TYPES))
def test_exceptions_are_needed(pair):
    """An exception that no file makes use of is taken off the list."""
    room, to = pair

    assert to in {target(name) for name, is_for_types in imports(room, ROOMS[room]) if is_for_types}


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("_wire", "from ._matching import match"),
        ("_wire", "from . import _matching"),
        ("_wire", "import customersms_async._wire.matching"),
        ("_wire", "from customersms_async import _matching"),
        ("_wire", "from customersms_async._wire.matching import match"),
        ("_wire", "def f():\n    from ._matching import match"),
        ("_wire", "if TYPE_CHECKING:\n    from ._matching import match"),
        ("_wire", "from . import CustomerSMS"),
        ("_wire", "from .outcomes import Report"),
        ("_wire", "import asyncio"),
        ("_wire", "from os import path"),
        ("_wire", "async def f():\n    import aiohttp.web"),
        ("errors", "from .outcomes import Report"),
        ("_pacing", "from ._transport import AiohttpTransport"),
        ("_delivery", "from .limiters import LocalLimiter"),
        ("_delivery", "import asyncio"),
        ("bulk", "from ._transport import AiohttpTransport"),
        ("sandbox._gateway", "from ..client import CustomerSMS"),
        ("sandbox._gateway", "from .. import client"),
        ("sandbox._gateway", "from ._app import make_app"),
        ("sandbox", "from .__main__ import main"),
        ("__init__", "from .sandbox import Sandbox"),
        ("__init__", "from . import sandbox"),
    ],
)
def test_a_wrong_arrow_is_seen(room, source):
    """An arrow upwards or sideways is found in every form that an import can take."""
    assert 1 == len(list(faults(room, source)))


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("_matching", "from ._wire import Entry"),
        ("_matching", "from . import codes\nimport re"),
        ("errors", "if TYPE_CHECKING:\n    from .outcomes import Report"),
        ("client", "import asyncio, aiohttp\nfrom .bulk import Bulk"),
        ("sandbox._gateway", "from ..errors import Status\nfrom . import _ledger"),
        ("sandbox.__main__", "from . import Sandbox"),
        ("__init__", "from .client import CustomerSMS"),
    ],
)
def test_a_right_arrow_is_left_alone(room, source):
    """An arrow downwards is nobody's business."""
    assert [] == list(faults(room, source))
