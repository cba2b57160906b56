"""
The site of docs/: pages made from the code, examples put into pages, and what the builder reads.

    python -m docs.site            # put the examples into the pages as they are today
    python -m docs.site stage DIR  # make all that belongs to the site in DIR

What stands between ``<!-- from examples/x.py -->`` and ``<!-- end -->`` of a page is that file.
`GENERATED` pages are made for the site alone, whole: the API from docstrings, the codes, the calls
of the sandbox, and ``llms.txt``.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_origin, is_typeddict

import attrs

from customersms_async import NOT_GIVEN, codes
from customersms_async.sandbox._http import views
from customersms_async.sandbox._http.routes import PREFIX, ROUTES

__all__ = ["GENERATED", "filled", "nav", "stage", "titles"]

DOCS = Path(__file__).parent
ROOT = DOCS.parent
RESULTS = ROOT / "benchmarks" / "results"

#: Modules of the reference, in the order in which a reader meets them, and what each is for.
MODULES = {
    "customersms_async": "the client, what it returns and what it raises",
    "customersms_async.sync": "the same calls for programs without an event loop",
    "customersms_async.redis": "a limit shared through Redis or Valkey",
    "customersms_async.postgres": "a limit shared through PostgreSQL",
    "customersms_async.outbox": "campaigns in a database",
    "customersms_async.recipients": "lists as people keep them",
    "customersms_async.plan": "what a run will cost, before it begins",
    "customersms_async.segments": "how a text is cut into messages",
    "customersms_async.phones": "phone numbers",
    "customersms_async.opentelemetry": "traces and metrics",
    "customersms_async.sandbox": "the gateway on your machine",
}

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Source|Class attributes):\s*(.*)$")
#: Characters of a signature that stands in one line.
_WIDTH = 88

_ENTRY = re.compile(r"^    (?! )([^\s:]+(?:, [^\s:]+)*): (.*)$")
_EMBEDDED = re.compile(r"(<!-- from (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


# --- docstrings -----------------------------------------------------------------------------------


def _markdown(doc: str) -> str:
    """Write a docstring as Markdown: sections as lists, literal blocks as code."""
    text, *blocks = re.split(r"(?m)^(.*)::\n((?:\n|    .*\n?)+)", inspect.cleandoc(doc) + "\n")
    parts = [_prose(text)]
    for head, code, after in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True):
        lead = f"{_prose(head)}:\n\n" if head.strip() else ""
        parts.append(f"{lead}```{_language(code)}\n{inspect.cleandoc(code)}\n```")
        parts.append(_prose(after))
    return "\n\n".join(filter(None, parts))


def _language(code: str) -> str:
    try:
        ast.parse(f"async def _():\n{code}")
    except SyntaxError:
        return "text"
    return "py"


def _prose(text: str) -> str:
    lines, in_section = [""], False
    for line in text.replace("``", "`").splitlines():
        if found := _SECTION.match(line):
            in_section = True
            lines += ["", f"**{found[1]}**", "", found[2]]
        elif in_section and (entry := _ENTRY.match(line)):
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif in_section and line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.strip() if in_section else line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _signature(name: str, thing: Any) -> str:
    """Write the signature of a call, one argument a line where it is long."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    arguments = [one for each, one in signature.parameters.items() if each != "self"]
    listed = list(_with_star(arguments))
    end = "" if inspect.isclass(thing) else f" -> {_type(signature.return_annotation)}"
    one_line = f"{name}({', '.join(listed)}){end}"
    if len(one_line) <= _WIDTH:
        return one_line
    lines = "".join(f"    {one},\n" for one in listed)
    return f"{name}(\n{lines}){end}"


def _with_star(arguments: Iterable[inspect.Parameter]) -> Iterator[str]:
    """Give the arguments as they are written, with the star before those that need a keyword."""
    starred = False
    for one in arguments:
        starred = starred or one.kind is one.VAR_POSITIONAL
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield _argument(one)


def _argument(one: inspect.Parameter) -> str:
    stars = "**" if one.kind is one.VAR_KEYWORD else "*" * (one.kind is one.VAR_POSITIONAL)
    shown = f"{stars}{one.name}: {_type(one.annotation)}"
    return shown if one.default is one.empty else f"{shown} = {_default(one.default)}"


def _type(annotation: Any) -> str:
    """Write a type by its short name."""
    if isinstance(annotation, str):
        return annotation
    written = inspect.formatannotation(annotation).replace("'", '"')
    unpacked = re.sub(r"\*<class \"([\w.]+)\">", r"Unpack[\1]", written)
    return re.sub(r"\b(?:customersms_async|collections|typing)\.(?:\w+\.)*", "", unpacked)


def _default(value: Any) -> str:
    """Write a default as it is written in a call; what is made for each object is three dots."""
    if value is attrs.NOTHING:
        return "..."
    if isinstance(value, enum.Enum):
        return value.name if value is NOT_GIVEN else f"{type(value).__name__}.{value.name}"
    if callable(value):
        return "..." if "<" in value.__qualname__ else str(value.__qualname__)
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _property(name: str, member: property) -> str:
    given = inspect.get_annotations(member.fget)["return"] if member.fget else "object"
    return f"{name}: {_type(given)}"


def _members(thing: type) -> Iterator[tuple[str, Any]]:
    """Give the public methods and properties that a class itself documents."""
    for name, member in vars(thing).items():
        if name.startswith("_"):
            continue
        inner = getattr(member, "__func__", member)
        is_call = inspect.isfunction(inner) or isinstance(member, property)
        if is_call and inspect.getdoc(inner):
            yield name, member


def _describe(name: str, thing: Any) -> Iterator[str]:
    if inspect.isclass(thing):
        yield f"### {name}\n"
        if not issubclass(thing, BaseException) and not _is_plain(thing) and _can_be_made(thing):
            yield f"```text\n{_signature(name, thing)}\n```\n"
        yield _markdown(thing.__doc__ or "") + "\n"
        for one, member in _members(thing):
            inner = getattr(member, "__func__", member)
            shown = (
                _property(one, member) if isinstance(member, property) else _signature(one, inner)
            )
            begin = "async " if inspect.iscoroutinefunction(inner) else ""
            yield f"#### {name}.{one}\n\n```text\n{begin}{shown}\n```\n"
            yield _markdown(inspect.getdoc(inner) or "") + "\n"
    elif get_origin(thing):
        yield f"### {name}\n\n```text\n{name} = {_type(thing)}\n```\n"
    elif callable(thing):
        yield f"### {name}\n\n```text\n{_signature(name, thing)}\n```\n"
        yield _markdown(inspect.getdoc(thing) or "") + "\n"


def _can_be_made(thing: type) -> bool:
    """Tell whether readers can make one: what takes a private object is returned by a call."""
    public = {name for module in MODULES for name in importlib.import_module(module).__all__}
    taken = inspect.signature(thing).parameters.values()
    words = re.findall(r"\w+", " ".join(str(one.annotation) for one in taken))
    calls = filter(inspect.isfunction, vars(thing).values())
    known = {name: it for call in calls for name, it in call.__globals__.items()}
    modules = {word: str(getattr(known.get(word), "__module__", "")) for word in words}
    ours = [word for word, module in modules.items() if module.startswith("customersms_async")]
    return public.issuperset(ours)


def _is_plain(thing: type) -> bool:
    is_protocol = getattr(thing, "_is_protocol", False)
    return is_protocol or hasattr(thing, "__members__") or is_typeddict(thing)


def api() -> str:
    """Make the reference of all public names."""
    parts = [
        "# API\n",
        "Every public name, from its docstring. What is not here is private and may change.\n",
    ]
    seen: set[int] = set()
    for module_name, what in MODULES.items():
        module = importlib.import_module(module_name)
        parts.append(f"## {module_name}\n\n{what[0].upper()}{what[1:]}.\n")
        for name in module.__all__:
            thing = getattr(module, name)
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            parts += _describe(name, thing)
    return "\n".join(parts)


def codes_page() -> str:
    """Make the page of codes, from the comments beside them."""
    parts = [
        "# Codes\n",
        "`Outcome.code` and `SendError.code` are stable words; programs may compare with them.",
        "They are in `customersms_async.codes`.",
        "The gateway's own words are passed on as they are, in upper case.",
    ]
    path = Path(inspect.getfile(codes))
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("# "):
            parts += [f"\n## {line[2:].partition('.')[0].partition(',')[0].partition(':')[0]}\n"]
            parts += ["| code | when |", "| --- | --- |"]
        elif found := re.match(r"^(\w+): Final = \"(\w+)\"(?:  #: (.*))?$", line):
            meaning = (found[3] or "the gateway said no, and gave no word").replace("``", "`")
            parts.append(f"| `{found[2]}` | {meaning} |")
    return "\n".join(parts) + "\n"


def sandbox_http() -> str:
    """Make the page of the sandbox's calls, from the table that serves them."""
    parts = [
        "# The sandbox over HTTP\n",
        "For tests in any language. A GET or DELETE takes its parameters in the query, a POST in a",
        "JSON object; an error is a JSON object with `error` and `code`. Keys are masked in every",
        f"answer. The running sandbox shows the same at `{PREFIX}/`, with its address filled in.\n",
    ]
    for route in ROUTES:
        parts.append(f"## {route.method} {PREFIX}{route.path}\n\n{route.summary}\n")
        parts += [f"- `{name}`: {meaning}" for name, meaning in route.parameters.items()]
        parts.append("")
    parts += ["## Faults\n", "| name | number | what happens |", "| --- | --- | --- |"]
    for fault in views.catalogue():
        parts.append(f"| `{fault['name']}` | {fault['number']} | {fault['meaning']} |")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)) + "\n"


# --- The site -------------------------------------------------------------------------------------


def nav() -> dict[str, list[str]]:
    """Give the pages of the site, by section."""
    project = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
    return {title: pages for section in project["nav"] for title, pages in section.items()}


def titles(page: Path) -> tuple[str, str]:
    """Give the headline of a page, and its first sentence."""
    text = page.read_text("utf-8")
    headline = re.search(r"^# (.*)$", text, flags=re.MULTILINE)
    assert headline, page
    body = re.sub(r"(?ms)^```.*?^```$", "", text[headline.end() :])
    prose = (each for each in body.split("\n\n") if re.match(r"\s*[\w`*]", each))
    sentence = re.split(r"(?<=[.:])\s", " ".join(next(prose, "").split()))[0]
    return headline[1], re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", sentence).rstrip(":")


def llms(folder: Path) -> str:
    """Make llms.txt: what there is to read, for programs that read."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [f"# {project['name']}", "", f"> {project['description']}"]
    for section, pages in nav().items():
        lines += ["", f"## {section}", ""]
        for name in pages:
            title, sentence = titles(folder / name)
            place = f"{name.removesuffix('.md')}.html"
            lines.append(f"- [{title}]({place}): {sentence}")
    return "\n".join(lines) + "\n"


#: Pages of the site that are made from the code.
GENERATED = {
    "api.md": api,
    "codes.md": codes_page,
    "sandbox-http.md": sandbox_http,
}


def filled(page: str) -> str:
    """Give a page with its examples as they are today."""

    def embedded(found: re.Match[str]) -> str:
        source = (ROOT / found[2]).read_text("utf-8").rstrip("\n")
        ast.parse(source)
        return f"{found[1]}```py\n{source}\n```\n{found[3]}"

    return _EMBEDDED.sub(embedded, page)


def write() -> None:
    """Put the examples into the pages."""
    for page in DOCS.glob("*.md"):
        page.write_text(filled(page.read_text("utf-8")), "utf-8")


#: Files outside of docs/ that pages link to, and the folder of the site that they get.
_OUTSIDE = {"benchmarks/results": "results", "examples": "examples"}
_DRAWING = re.compile(r"^```mermaid\n.*?^```$", re.DOTALL | re.MULTILINE)
_ARROW = re.compile(r"^ +(\S+) --> (\S+)(?:: (.*))?$", re.MULTILINE)


def arrows_as_table(page: str) -> str:
    """Write a drawing as a table, since what draws it would come from another site."""

    def table(found: re.Match[str]) -> str:
        arrows = (one for one in _ARROW.findall(found[0]) if one[1] != "[*]")
        lines = (f"| {before.strip('[*]')} | {after} | {when} |" for before, after, when in arrows)
        return "\n".join(["| from | to | when |", "| --- | --- | --- |", *lines])

    return _DRAWING.sub(table, page)


def results(folder: Path) -> str:
    """Make the list of the files that benchmarks wrote."""
    pages = sorted(folder.glob("*.md"))
    lines = [f"- [{titles(page)[0]}]({page.name})" for page in pages if page.name != "index.md"]
    return "\n".join(["# Results of the benchmarks", "", *lines]) + "\n"


def stage(target: Path) -> None:
    """Copy pages, pictures, results and examples into one folder, and mend the links."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for source, folder in _OUTSIDE.items():
        shutil.copytree(ROOT / source, target / folder, ignore=shutil.ignore_patterns("__pyc*"))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, target / name)
    (target / "results" / "index.md").write_text(results(target / "results"), "utf-8")
    for page in target.glob("*.md"):
        text = arrows_as_table(page.read_text("utf-8"))
        text = text.replace("](../benchmarks/results)", "](results/index.md)")
        for source, folder in _OUTSIDE.items():
            text = text.replace(f"../{source}/", f"{folder}/")
        page.write_text(re.sub(r"(?<=\]\()\.\./(?=[A-Z]+\.md)", "", text), "utf-8")
    for name, make in GENERATED.items():
        (target / name).write_text(make(), "utf-8")
    (target / "llms.txt").write_text(llms(target), "utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["stage"]:
        stage(Path(sys.argv[2]))
    else:
        write()
