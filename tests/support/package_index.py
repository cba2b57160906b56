"""
A package index in a folder: wheels of the installed packages, and of a stand-in for `uv`.

New environments are installed from it without the network, through ``PIP_NO_INDEX`` and
``PIP_FIND_LINKS``. The stand-in adds the packages of the tests to an environment.
"""

from __future__ import annotations

import re
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import parse_tag

__all__ = ["make_index"]

ROOT = Path(__file__).parents[2]

UV = """#!python
import pathlib, sysconfig
links = pathlib.Path(sysconfig.get_path("purelib"), "of_the_tests.pth")
links.write_text(f"{{pathlib.Path.cwd()}}\\n{packages}\\n")
"""


def make_index(folder: Path, *wanted: str) -> None:
    """Write wheels of *wanted* and of everything they require, and of ``uv``."""
    folder.mkdir()
    for name in needed(*wanted):
        write_installed(metadata.distribution(name), folder)
    (version,) = re.findall(r"^uv==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    script = UV.format(packages=sysconfig.get_path("purelib"))
    files = {f"uv-{version}.data/scripts/uv": script.encode()}
    write_wheel(folder / f"uv-{version}-py3-none-any.whl", f"uv-{version}.dist-info", files)


def needed(*wanted: str) -> set[str]:
    """Return the names of *wanted* and of all that they require on this machine."""
    found: set[str] = set()
    left = [Requirement(each) for each in wanted]
    while left:
        requirement = left.pop()
        found.add(requirement.name)
        requires = map(Requirement, metadata.requires(requirement.name) or ())
        left += [each for each in requires if _is_new(each, requirement.extras, found)]
    return found


def _is_new(requirement: Requirement, extras: set[str], found: set[str]) -> bool:
    if requirement.name in found:
        return False
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def write_installed(package: metadata.Distribution, folder: Path) -> None:
    """Write the wheel that an installed package could come from."""
    info = next(str(file.parent) for file in package.files or () if file.name == "METADATA")
    (tag,) = re.findall(r"^Tag: (\S+)", package.read_text("WHEEL") or "", re.MULTILINE)[-1:]
    assert parse_tag(tag)
    wheel = folder / f"{info.removesuffix('.dist-info')}-{tag}.whl"
    write_wheel(wheel, info, dict(_files(package)))


def _files(package: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Return the files of a package without metadata that only an installer writes."""
    for file in package.files or ():
        if file.parts[0] != ".." and file.suffix != ".pyc" and file.name != "RECORD":
            yield str(file), file.read_binary()


def write_wheel(wheel: Path, info: str, files: dict[str, bytes]) -> None:
    """Write a wheel with the required metadata."""
    name, _, version = info.removesuffix(".dist-info").partition("-")
    tag = "-".join(wheel.stem.split("-")[-3:])
    least = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files = {f"{info}/{name}": text.encode() for name, text in least.items()} | files
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16  # scripts must be executable
            archive.writestr(entry, content)
        record = [*files, f"{info}/RECORD"]
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in record))
