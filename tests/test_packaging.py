"""What is shipped: metadata, files, and the cost of an import."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import customersms_async

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def python(code: str) -> str:
    """Run *code* in a new interpreter, with warnings as errors and without coverage."""
    environment = {name: value for name, value in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment,
        text=True,
        timeout=60,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def build(target: str, directory: Path, source: Path = ROOT) -> Path:
    """Build a wheel or an sdist, and return its path."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)],
        capture_output=True,
        check=True,
        cwd=source,
        timeout=120,
    )
    return next(directory.iterdir())


def bare_name(requirement: str) -> str:
    """The name in ``name[extra]>=1.0; marker``."""
    return requirement.replace("[", " ").replace(">", " ").replace("=", " ").split(maxsplit=1)[0]


def test_installed_metadata_is_current():
    """The installed distribution has the version, Python and licence of pyproject.toml."""
    installed = metadata.metadata("customersms-async")

    assert PROJECT["version"] == installed["Version"]
    assert PROJECT["requires-python"] == installed["Requires-Python"]
    assert "MIT" == installed["License-Expression"]
    assert "Typing :: Typed" in installed.get_all("Classifier")


def test_there_are_four_direct_dependencies():
    """An installation needs four direct dependencies; others are extras."""
    required = metadata.requires("customersms-async") or []

    always = {bare_name(line) for line in required if "extra ==" not in line}
    extra = {bare_name(line) for line in required if "extra ==" in line}

    assert {"aiohttp", "aiolimiter", "attrs", "msgspec"} == always
    assert {
        "asyncpg",
        "cyclopts",
        "openpyxl",
        "opentelemetry-api",
        "phonenumberslite",
        "redis",
        "rich",
    } == extra


def test_every_dependency_has_an_exact_version_for_ci():
    """constraints.txt has one exact version of each dependency, for reproducible runs."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    named = {bare_name(line) for line in PROJECT["dependencies"]}

    assert len(lines) == len(pinned)
    assert set() == named - pinned


def test_wheel_contains_only_the_package(tmp_path: Path):
    """The wheel has the package, py.typed and the licence, but no tests or examples."""
    with zipfile.ZipFile(build("wheel", tmp_path)) as wheel:
        names = wheel.namelist()

    folders = {name.split("/")[0] for name in names}
    assert {"customersms_async", f"customersms_async-{PROJECT['version']}.dist-info"} == folders
    assert "customersms_async/py.typed" in names
    assert {"inbox.css", "inbox.html", "inbox.js", "help.css"} <= {
        Path(name).name for name in names if name.startswith("customersms_async/sandbox/static/")
    }
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.parametrize(
    "path",
    [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "customersms_async/py.typed",
        "docs/start.md",
        "pyproject.toml",
    ],
)
def test_sdist_contains_sources_and_docs(path: str, sdist: Path):
    """Sources, licence and pages are in the archive; tests are in the repository only."""
    with tarfile.open(sdist) as archive:
        assert f"customersms_async-{PROJECT['version']}/{path}" in archive.getnames()


def test_sdist_is_small(sdist: Path):
    """The archive is smaller than half a megabyte."""
    assert 500_000 > sdist.stat().st_size


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", tmp_path_factory.mktemp("sdist"))


def test_wheel_is_reproducible(tmp_path: Path):
    """The wheel is the same bit for bit in another place, by another user, at another time."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "customersms_async", copy / "customersms_async")
    for path in copy.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1e9, 1e9))

    here = build("wheel", tmp_path / "here")
    there = build("wheel", tmp_path / "there", copy)

    assert here.read_bytes() == there.read_bytes()


VERSIONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]


def test_every_python_version_is_listed_everywhere():
    """Classifiers, the workflow and `make test-all` list the same versions of Python."""
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    workflow = (ROOT / ".github/workflows/test.yml").read_text("utf-8")
    (matrix,) = re.findall(r"python: \[(.*)\]", workflow)
    (tested,) = re.findall(
        r"^PYTHONS \?= (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE
    )

    assert VERSIONS == classifiers
    assert VERSIONS == [word.strip(' "') for word in matrix.split(",")]
    assert VERSIONS == tested.split()


@pytest.mark.parametrize("name", ["test", "publish"])
def test_workflows_are_pinned(name: str):
    """Each action is pinned by the hash of a commit, and has no permissions by default."""
    text = (ROOT / f".github/workflows/{name}.yml").read_text("utf-8")
    actions = re.findall(r"uses: (\S+)", text)

    assert actions
    assert all(re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", action) for action in actions)
    assert "\npermissions: {}\n" in text


def test_public_names_are_sorted_and_exist():
    """``__all__`` is sorted, constants first, without duplicates, and each name exists."""
    names = customersms_async.__all__

    assert sorted(set(names), key=lambda name: (not name.isupper(), name)) == list(names)
    assert [] == [name for name in names if not hasattr(customersms_async, name)]


def test_pytest_finds_the_plugin():
    """The fixture is in the installed distribution, and its plugin can be disabled by name."""
    (plugin,) = metadata.distribution("customersms-async").entry_points.select(group="pytest11")

    assert ("customersms_async", "customersms_async.testing") == (plugin.name, plugin.value)


def test_import_loads_no_client():
    """Importing the package does not load the client until one of its names is used."""
    heavy = "{'aiohttp', 'customersms_async.client'} & sys.modules.keys()"
    code = f"import sys, customersms_async as c; print({heavy}); c.Rate; print(len({heavy}))"

    assert "set()\n2\n" == python(code)


def test_an_unknown_name():
    """An unknown name raises an error that names it, and `dir` lists all public names."""
    with pytest.raises(AttributeError, match="'customersms_async' has no attribute 'nonsense'"):
        _ = customersms_async.nonsense

    assert set(customersms_async.__all__) <= set(dir(customersms_async))


def test_import_is_silent():
    """Importing the package gives no warning and no output."""
    assert "" == python("import customersms_async")


def test_import_loads_no_extra():
    """Importing the package loads neither Redis nor the sandbox, nor anything for tests."""
    loaded = set(python("import customersms_async, sys; print(*sys.modules, sep='\\n')").split())

    unwanted = {
        "aiohttp.web",
        "customersms_async.redis",
        "customersms_async.sandbox",
        "customersms_async.testing",
        "pytest",
        "redis",
        "rich",
        "sqlite3",
        "uvloop",
    }
    assert set() == loaded & unwanted
