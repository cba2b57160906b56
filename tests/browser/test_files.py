"""The files of the inbox, without a browser: what they must not contain."""

import re
from pathlib import Path

import pytest

import customersms_async.sandbox
from customersms_async.sandbox.__main__ import DEFAULT_KEY
from customersms_async.sandbox._gateway.masking import mask_key
from tests.support.sandbox_client import Client, running

FOLDER = Path(customersms_async.sandbox.__file__).parent / "static"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".html", ".css", ".js", ".svg"))

#: Calls that insert text as markup, run it, or open another address.
BANNED = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
    r"|\beval\(|new Function|setAttribute\(\"style\"|\sstyle=|\son[a-z]+=|javascript:"
    r"|https?://(?!www\.w3\.org/2000/svg)"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_inline_or_from_elsewhere(path):
    """No file inserts markup, has inline style or script, or contains an address."""
    assert [] == BANNED.findall(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_stay_small(path):
    """No file is longer than the limit."""
    assert len(path.read_text("utf-8").splitlines()) <= 400


async def test_every_file_is_served():
    """The page and all its files are served, each with its type."""
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    async with running() as (_, client):
        served = {path.name: await kind_of(client, path.name) for path in FILES}

    expected = {path.name: kinds.get(path.suffix, "image/svg+xml") for path in FILES}
    assert expected == served


async def kind_of(client: Client, name: str) -> str:
    async with client.session.get(f"{client.sandbox.url}/static/{name}") as response:
        assert 200 == response.status
        return response.content_type


def test_the_default_key_is_recognised():
    """The empty inbox names the default key of the command, by its hash."""
    text = (FOLDER / "start.js").read_text("utf-8")

    assert f'masked: "{mask_key(DEFAULT_KEY)}", key: "{DEFAULT_KEY}"' in text
