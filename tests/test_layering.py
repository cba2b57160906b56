"""
The law of imports: each folder imports only what `LAW` allows, in any form of import.

A room is a folder, or a few files at the top level. For each room, `LAW` has the rooms that it may
import and the modules from outside that it may not. Within a room, files may import each other
without cycles. A file without a room fails the suite.
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "customersms_async"

#: Rooms that are files at the top level; every other room is a folder with its name.
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
#: Files of `_limit` that make decisions, without I/O.
PURE_LIMIT = {"_limit." + name for name in ("account_state", "config", "law", "serialization")} | {
    "_limit.rate_refusals",
    "_limit.shared_decisions",
    "_limit.store_view",
}

#: Files of `_delivery` and `_bulk` that make decisions, without I/O.
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
ENGINE = NETWORK | {"time", "random", "os"}  # uses ports; may wait and log

#: room: the rooms that it may import, and the modules that it may not.
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
    "_limit.stores": ({"values", "_ports", "system"}, {"aiohttp", "aiolimiter", "http"}),
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
    "_loop": (set(), NETWORK),
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
        {"values", "_ports", "_bulk", "_bulk (pure)", "calls", "system", "plan", "outbox"}
        | {"_loop"},
        NETWORK,
    ),
    "names": (
        {"values", "system", "_ports", "_limit (pure)", "_bulk", "_bulk (pure)", "calls"},
        NETWORK | {"asyncio"},
    ),
    "cli": (
        {"values", "system", "_plan", "segments", "plan", "recipients", "calls", "sandbox"}
        | {"_recipients", "_bulk (pure)", "_ports", "outbox", "outbox._core"},
        NETWORK,
    ),
    "command": ({"cli"}, NETWORK),
    "sandbox._gateway": (set(), NETWORK - {"http"} | {"asyncio"}),  # names of HTTP statuses
    "sandbox._http": ({"sandbox._gateway"}, {"aiolimiter", "redis", "sqlite3"}),
    "sandbox": (
        {"sandbox._gateway", "sandbox._http", "segments", "_loop"},
        {"aiolimiter", "redis", "sqlite3"},
    ),
    "testing": ({"sandbox", "_limit", "_ports"}, NETWORK),
    "telemetry": ({"values", "_ports", "system"}, CORE - {"time"}),  # start and end of spans
    "outbox._core": ({"values"}, CORE),
    "outbox": (
        {"values", "_ports", "_plan", "plan", "_wire", "_bulk (pure)", "_limit", "calls"}
        | {"outbox._core", "system"},
        {"aiohttp", "aiolimiter", "redis"},
    ),
}

#: Imports that only type checkers see: from, to.
ONLY_FOR_TYPES = {("errors", "outcomes")}


def file_name(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


SOURCES = {file_name(path): path.read_text() for path in PACKAGE.rglob("*.py")}


def room_of(name):
    """Return the room of a file, or None."""
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
    """Return all imports of a file, nested ones too: (absolute name, whether for types only)."""
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
    """Return the file that an imported name refers to; None if it is not in the package."""
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
    """Return what is wrong with the imports of a file."""
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
    """Return the files of the package that a file imports, including imports for types only."""
    found = {(target(imported), is_for_types) for imported, is_for_types in imports(name, source)}
    return {
        to
        for to, is_for_types in found
        if to not in (None, name) and not (is_for_types and (name, to) in ONLY_FOR_TYPES)
    }


def test_every_file_has_a_room():
    """Every file and folder belongs to a room of the law."""
    assert [] == [name for name in SOURCES if room_of(name) is None]


def test_every_room_exists():
    """Every file and room named in the law exists."""
    named = set().union(*PURE.values(), *FILES.values())

    assert named <= set(SOURCES)
    assert set(LAW) == {room_of(name) for name in SOURCES}


def test_the_law_has_no_cycle():
    """The rooms can be ordered without a cycle."""
    TopologicalSorter({room: reach for room, (reach, _) in LAW.items()}).prepare()


def test_no_files_import_each_other_in_a_cycle():
    """Every file can be imported on its own."""
    TopologicalSorter({name: arrows(name, source) for name, source in SOURCES.items()}).prepare()


@pytest.mark.parametrize(
    "source",
    [
        "from .matching import match",
        "if TYPE_CHECKING:\n    from .matching import match",
        "def f():\n    from . import matching",
    ],
)
def test_a_cycle_is_found(source):
    """Two files that import each other are reported, even within a room."""
    graph = {name: arrows(name, text) for name, text in SOURCES.items()}
    graph["_wire.codec"] |= arrows("_wire.codec", source)

    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_file_keeps_the_law(name):
    """A file imports only what its room may."""
    assert [] == list(faults(name, SOURCES[name]))


@pytest.mark.parametrize("pair", sorted(ONLY_FOR_TYPES))
def test_exceptions_are_needed(pair):
    """An exception that no file needs is an error."""
    name, to = pair

    assert to in {target(one) for one, for_types in imports(name, SOURCES[name]) if for_types}


@pytest.mark.parametrize("name", sorted(n for n in SOURCES if n.endswith(".__init__")))
def test_every_folder_has_a_purpose(name):
    """The first line of each `__init__.py` says what the folder is for."""
    docstring = ast.get_docstring(ast.parse(SOURCES[name]))

    assert docstring
    assert len(docstring.splitlines()[0]) > 30


def test_files_are_short():
    """No file has more than 400 lines."""
    assert [] == [name for name, source in SOURCES.items() if source.count("\n") > 400]


def test_stores_are_short():
    """No store has more than 120 lines, since decisions belong to the law."""
    stores = {name: text for name, text in SOURCES.items() if name.startswith("_limit.stores.")}

    assert {"file", "postgres", "redis"} <= {name.rpartition(".")[2] for name in stores}
    assert [] == [name for name, source in stores.items() if source.count("\n") > 120]


def test_scripts_and_statements_are_short():
    """No script or statement for a server has more than fifteen lines."""
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


def test_the_top_level_is_small():
    """At most 20 files are at the top level of the package."""
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
def test_a_forbidden_import_is_found(name, source):
    """A forbidden import is found in every form of import."""
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
def test_an_allowed_import_is_accepted(name, source):
    """An allowed import is not reported."""
    assert [] == list(faults(name, source))
