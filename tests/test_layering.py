"""
The house: each room reaches only the rooms that its law names, whatever the form of an import.

A room is a folder, or a few files at the top. `LAW` says of each which rooms it may import and
which modules from outside it does without. Within a room, files may import each other as long as
no circle arises. A file that no room claims fails the suite.
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "customersms_async"

#: Rooms that are files at the top; every other room is the folder of its name.
FILES = {
    "values": {"codes", "errors", "outcomes", "phones"},  # and the folder _values
    "segments": {"segments"},
    "plan": {"plan"},
    "recipients": {"recipients"},
    "system": {"_clock", "_environment"},
    "calls": {"bulk", "client", "limiters", "postgres", "redis"},
    "names": {"__init__", "_public"},
    "command": {"__main__"},
    "testing": {"testing"},
    "telemetry": {"opentelemetry"},
}
#: Files of `_limit` that decide and touch nothing.
PURE_LIMIT = {"_limit." + name for name in ("account_state", "config", "law", "serialization")} | {
    "_limit.rate_refusals",
    "_limit.shared_decisions",
    "_limit.store_view",
}

#: Files of `_delivery` and `_bulk` that decide and touch nothing.
PURE_DELIVERY = {"_delivery.result", "_delivery.retry"}
PURE_BULK = {
    f"_bulk.{name}"
    for name in (
        "concurrency",
        "credit_tracker",
        "flow_control",
        "run_states",
        "stop_rules",
        "throughput",
    )
}

PURE = {
    "_limit": PURE_LIMIT,
    "_delivery": PURE_DELIVERY,
    "_bulk": PURE_BULK,
}

NETWORK = {"aiohttp", "aiolimiter", "asyncpg", "redis", "sqlite3", "socket", "ssl", "http"}
SYSTEM = {"asyncio", "time", "random", "os", "logging", "secrets", "threading"}
CORE = NETWORK | SYSTEM
ENGINE = NETWORK | {"time", "random", "os"}  # lives on ports; may wait and log

#: room: the rooms that it may import, and what it does without.
LAW: dict[str, tuple[set[str], set[str]]] = {
    "values": (set(), CORE),
    "_text": (set(), CORE),
    "segments": ({"_text"}, CORE),
    "_ports": ({"values"}, CORE),
    "_wire": ({"values", "_ports"}, CORE),
    "_limit (pure)": ({"values", "_ports"}, CORE),
    "_limit": ({"values", "_ports", "_limit (pure)"}, {"aiohttp", "http"}),
    "_plan": ({"values", "segments"}, CORE),
    "plan": ({"values", "segments", "_wire", "_limit (pure)", "_plan"}, CORE),
    "_limit.stores": ({"values", "_ports"}, {"aiohttp", "aiolimiter", "http"}),
    "_recipients": ({"values", "_wire", "_text", "_plan"}, NETWORK | {"asyncio"}),
    "recipients": (
        {"values", "_wire", "_text", "_plan", "_recipients"},
        NETWORK | {"asyncio"},
    ),
    "_http": ({"values", "_ports"}, {"aiolimiter", "redis", "sqlite3"}),
    "_delivery (pure)": ({"values", "_ports", "_wire"}, CORE),
    "_delivery": ({"values", "_ports", "_wire", "_delivery (pure)"}, ENGINE),
    "_bulk (pure)": ({"values", "_delivery (pure)"}, CORE),
    "_bulk": (
        {"values", "_plan", "_ports", "_wire", "_delivery", "_delivery (pure)", "_bulk (pure)"},
        ENGINE,
    ),
    "system": ({"values"}, NETWORK),
    "calls": (
        {
            "values",
            "_ports",
            "_wire",
            "_limit",
            "_limit (pure)",
            "_limit.stores",
            "_http",
            "_delivery",
            "_bulk",
        }
        | {"_delivery (pure)", "_bulk (pure)", "system"},
        {"sqlite3"},
    ),
    "sync": (
        {"values", "_ports", "_bulk", "_bulk (pure)", "calls", "system", "plan", "outbox"},
        NETWORK,
    ),
    "names": (
        {"values", "system", "_ports", "_limit (pure)", "_bulk", "_bulk (pure)", "calls"},
        NETWORK | {"asyncio"},
    ),
    "cli": (
        {"values", "system", "_plan", "segments", "plan", "recipients", "calls", "sandbox"}
        | {"_bulk (pure)", "_ports", "outbox", "outbox._core"},
        NETWORK,
    ),
    "command": ({"cli"}, NETWORK),
    "sandbox._gateway": (set(), NETWORK - {"http"} | {"asyncio"}),  # names of HTTP statuses
    "sandbox._http": ({"sandbox._gateway"}, {"aiolimiter", "redis", "sqlite3"}),
    "sandbox": (
        {"sandbox._gateway", "sandbox._http", "segments"},
        {"aiolimiter", "redis", "sqlite3"},
    ),
    "testing": ({"sandbox", "_limit", "_ports"}, NETWORK),
    "telemetry": ({"values", "_ports", "system"}, CORE - {"time"}),  # spans begin and end by it
    "outbox._core": ({"values"}, CORE),
    "outbox": (
        {"values", "_ports", "_plan", "plan", "_wire", "_bulk (pure)", "_limit", "calls"}
        | {"outbox._core"},
        {"aiohttp", "aiolimiter", "redis"},
    ),
}

#: Imports that only type checkers see: from, to.
ONLY_FOR_TYPES = {("errors", "outcomes")}


def file_name(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


SOURCES = {file_name(path): path.read_text() for path in PACKAGE.rglob("*.py")}


def room_of(name):
    """Name the room of a file; None where there is none."""
    for folder, files in PURE.items():
        if name in files:
            return f"{folder} (pure)"
    if name.startswith("_values."):
        return "values"
    for room, files in FILES.items():
        if name in files:
            return room
    folder = name.rpartition(".")[0]
    return folder if folder in LAW else None


def imports(name, source):
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
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(name, node)
            found = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        for one in found:
            yield one, id(node) in guarded


def absolute(name, node):
    if not node.level:
        return node.module
    base = ["customersms_async", *name.split(".")][: -node.level]
    return ".".join([*base, *(node.module or "").split(".")]).rstrip(".")


def target(imported):
    """Find the file that an imported name leads to; None for what is not ours."""
    package, *parts = imported.split(".")
    if package != "customersms_async":
        return None
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in SOURCES:
            return name
        if f"{name}.__init__" in SOURCES:
            return f"{name}.__init__"
    return "__init__"


def faults(name, source):
    """Say what is wrong with the imports of a file."""
    room = room_of(name)
    reach, banned = LAW[room]
    for imported, _ in imports(name, source):
        to = target(imported)
        if to is None:
            if imported.split(".")[0] in banned:
                yield f"{name} imports {imported}, which {room} does without"
        elif room_of(to) != room and room_of(to) not in reach:
            yield f"{name} imports {to}: {room} may not reach {room_of(to)}"


def arrows(name, source):
    """Give the files of ours that a file imports, those for type checkers included."""
    found = {(target(imported), is_for_types) for imported, is_for_types in imports(name, source)}
    return {
        to
        for to, is_for_types in found
        if to not in (None, name) and not (is_for_types and (name, to) in ONLY_FOR_TYPES)
    }


def test_every_file_has_a_room():
    """A new file or folder is given a room and its law before it is used."""
    assert [] == [name for name in SOURCES if room_of(name) is None]


def test_no_room_is_kept_for_what_is_gone():
    """The law names no file and no room that is not there."""
    named = set().union(*PURE.values(), *FILES.values())

    assert named <= set(SOURCES)
    assert set(LAW) == {room_of(name) for name in SOURCES}


def test_the_law_has_no_circle():
    """Rooms stand on each other in one order."""
    TopologicalSorter({room: reach for room, (reach, _) in LAW.items()}).prepare()


def test_no_files_import_each_other_in_a_circle():
    """Whatever is imported can be imported by itself."""
    TopologicalSorter({name: arrows(name, source) for name, source in SOURCES.items()}).prepare()


@pytest.mark.parametrize(
    "source",
    [
        "from .matching import match",
        "if TYPE_CHECKING:\n    from .matching import match",
        "def f():\n    from . import matching",
    ],
)
def test_a_circle_is_seen(source):
    """Two files that import each other are found, inside one room as well."""
    graph = {name: arrows(name, text) for name, text in SOURCES.items()}
    graph["_wire.codec"] |= arrows("_wire.codec", source)

    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_file_keeps_the_law_of_its_room(name):
    """A file imports only what its room may reach, and nothing that its room does without."""
    assert [] == list(faults(name, SOURCES[name]))


@pytest.mark.parametrize("pair", sorted(ONLY_FOR_TYPES))
def test_exceptions_are_needed(pair):
    """An exception that no file makes use of is taken off the list."""
    name, to = pair

    assert to in {target(one) for one, for_types in imports(name, SOURCES[name]) if for_types}


@pytest.mark.parametrize("name", sorted(n for n in SOURCES if n.endswith(".__init__")))
def test_every_folder_says_what_it_is_for(name):
    """The first line of each folder's `__init__.py` says what the folder is for."""
    docstring = ast.get_docstring(ast.parse(SOURCES[name]))

    assert docstring
    assert len(docstring.splitlines()[0]) > 30


def test_no_file_is_longer_than_a_room():
    """No file has more than 400 lines."""
    assert [] == [name for name, source in SOURCES.items() if source.count("\n") > 400]


def test_a_store_is_small():
    """No store has more than 120 lines: it keeps bytes, and the law decides."""
    stores = {name: text for name, text in SOURCES.items() if name.startswith("_limit.stores.")}

    assert {"file", "postgres", "redis"} <= {name.rpartition(".")[2] for name in stores}
    assert [] == [name for name, source in stores.items() if source.count("\n") > 120]


def test_what_a_store_runs_in_its_server_is_small():
    """No script and no statement has more than fifteen lines."""
    texts = [
        node.value.strip()
        for name, source in SOURCES.items()
        if name.startswith("_limit.stores.")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    scripts = [text for text in texts if re.search(r"redis\.call|SELECT|INSERT|UPDATE", text)]

    assert len(scripts) >= 7
    assert [] == [script for script in scripts if script.count("\n") >= 15]


def test_the_top_of_the_package_can_be_read_at_a_glance():
    """At most 20 files stand beside the wings."""
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]

    assert 20 >= len([path for path in entries if path.is_file()])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("_wire.codec", "from .._delivery.delivery import Delivery"),
        ("_wire.codec", "from .. import _delivery"),
        ("_wire.codec", "import customersms_async._delivery.delivery"),
        ("_wire.codec", "from customersms_async._delivery import delivery"),
        ("_wire.codec", "def f():\n    from .._http import transport"),
        ("_wire.codec", "if TYPE_CHECKING:\n    from .._bulk.run import Run"),
        ("_wire.codec", "from .. import CustomerSMS"),
        ("_wire.codec", "import asyncio"),
        ("_wire.codec", "from os import path"),
        ("_wire.codec", "async def f():\n    import aiohttp.web"),
        ("_limit.law", "import time"),
        ("_limit.law", "from .fork_lock import lock"),
        ("_ports.limiter", "from .._wire.codec import Answer"),
        ("errors", "from ._wire.codec import Answer"),
        ("_http.transport", "from .._delivery.delivery import Delivery"),
        ("_delivery.delivery", "from ..limiters import LocalLimiter"),
        ("_delivery.delivery", "from .._http.transport import AiohttpTransport"),
        ("_delivery.delivery", "import time"),
        ("_bulk.run", "from ..bulk import Bulk"),
        ("sandbox._gateway.accounts", "from ...client import CustomerSMS"),
        ("sandbox._gateway.accounts", "from ... import client"),
        ("sandbox._gateway.accounts", "from .._http.app import make_app"),
        ("sandbox._sandbox", "from .._wire.codec import read_answer"),
        ("segments", "from .outcomes import Message"),
        ("plan", "from ._bulk.reader import MessageReader"),
        ("__init__", "from .sandbox import Sandbox"),
        ("__init__", "from . import sandbox"),
    ],
)
def test_a_wrong_arrow_is_seen(name, source):
    """An arrow that the law forbids is found in every form that an import can take."""
    assert 1 == len(list(faults(name, source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("_wire.matching", "from .codec import Entry"),
        ("_wire.matching", "from .. import codes\nimport re"),
        ("errors", "if TYPE_CHECKING:\n    from .outcomes import Report"),
        ("client", "import asyncio, aiohttp\nfrom .bulk import Bulk"),
        ("sandbox._gateway.accounts", "from . import mailboxes"),
        ("sandbox.__main__", "from . import Sandbox"),
        ("__init__", "from .client import CustomerSMS"),
    ],
)
def test_a_right_arrow_is_left_alone(name, source):
    """An arrow that the law allows is nobody's business."""
    assert [] == list(faults(name, source))
