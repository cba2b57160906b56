"""What is shipped: the metadata, the files, and what an import costs."""

from __future__ import annotations

import os
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
    """Run *code* in a fresh interpreter that turns warnings into errors, and measures nothing."""
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


def build(target: str, directory: Path) -> Path:
    """Build a wheel or an sdist, and say where it is."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    return next(directory.iterdir())


def bare_name(requirement: str) -> str:
    """The name in ``name[extra]>=1.0; marker``."""
    return requirement.replace("[", " ").replace(">", " ").replace("=", " ").split(maxsplit=1)[0]


def test_installed_metadata_is_the_projects():
    """The installed distribution has the version, Python and licence that pyproject.toml names."""
    installed = metadata.metadata("customersms-async")

    assert PROJECT["version"] == installed["Version"]
    assert PROJECT["requires-python"] == installed["Requires-Python"]
    assert "MIT" == installed["License-Expression"]
    assert "Typing :: Typed" in installed.get_all("Classifier")


def test_only_four_dependencies_come_along():
    """An installation brings four direct dependencies; the others are asked for by name."""
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
    """constraints.txt names each dependency with one version, so that a run can be repeated."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    named = {bare_name(line) for line in PROJECT["dependencies"]}

    assert len(lines) == len(pinned)
    assert set() == named - pinned


def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path):
    """The wheel has the package, its py.typed and its licence, and no tests or examples."""
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
        "LICENSE",
        "Makefile",
        "README.md",
        "constraints.txt",
        "customersms_async/py.typed",
        "examples/recipients.csv",
        "pyproject.toml",
        "tests/test_packaging.py",
    ],
)
def test_sdist_holds_what_it_takes_to_test_it(path: str, sdist_names: set[str]):
    """Whoever packages the library for a system finds the tests and what they need."""
    assert f"customersms_async-{PROJECT['version']}/{path}" in sdist_names


@pytest.fixture(scope="module")
def sdist_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as sdist:
        return set(sdist.getnames())


def test_public_names_are_sorted_and_there():
    """``__all__`` is in order, constants first, names nothing twice, and each name exists."""
    names = customersms_async.__all__

    assert sorted(set(names), key=lambda name: (not name.isupper(), name)) == list(names)
    assert [] == [name for name in names if not hasattr(customersms_async, name)]


def test_pytest_finds_the_plugin():
    """The fixture comes with the installed distribution, under a name that turns it off."""
    (plugin,) = metadata.distribution("customersms-async").entry_points.select(group="pytest11")

    assert ("customersms_async", "customersms_async.testing") == (plugin.name, plugin.value)


def test_import_loads_no_client():
    """The package itself is light, and loads the client when a name of it is asked for."""
    heavy = "{'aiohttp', 'customersms_async.client'} & sys.modules.keys()"
    code = f"import sys, customersms_async as c; print({heavy}); c.Rate; print(len({heavy}))"

    assert "set()\n2\n" == python(code)


def test_a_name_that_is_not_public():
    """An unknown name is an error that names it, and all public names can be listed."""
    with pytest.raises(AttributeError, match="'customersms_async' has no attribute 'nonsense'"):
        _ = customersms_async.nonsense

    assert set(customersms_async.__all__) <= set(dir(customersms_async))


def test_import_is_silent():
    """Importing the library warns of nothing and prints nothing."""
    assert "" == python("import customersms_async")


def test_import_brings_in_no_extra():
    """Importing the library loads neither Redis nor the sandbox, nor anything for tests."""
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
