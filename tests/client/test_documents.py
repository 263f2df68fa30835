"""Where documents come from: a folder, a site, and what is refused on the way."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.client.published import NEW, OLD, Published
from tests.support.signed import ROOT, SLUG

from pfn.client import documents as module
from pfn.client import find_instance_url, read_documents
from pfn.protocol.dsse import MAX_ENVELOPE_BYTES
from pfn.protocol.errors import PfnError

WELL_KNOWN = "/.well-known/pfn"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def answering(status: int = 200, body: bytes = b"", **headers: str) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

    return Handler


def refused(where: str | Path, *, slug: str = SLUG, version: str | None = None) -> str:
    with pytest.raises(PfnError) as caught:
        read_documents(where, slug=slug, version=version)
    return caught.value.code.slug


@pytest.fixture
def published() -> Published:
    """A publisher whose key document is in its third version."""
    published = Published()
    published.add_keys(ROOT)
    published.add_keys(ROOT)
    return published


def test_a_folder_and_a_site_show_the_same(published: Published, tmp_path: Path) -> None:
    published.write(tmp_path / "site" / WELL_KNOWN.lstrip("/"))
    wanted = {version: published.documents(version, signature=None) for version in (OLD, NEW)}
    with serving(partial(Quiet, directory=str(tmp_path / "site"))) as url:
        for where in (
            tmp_path / "site",
            str(tmp_path / "site"),
            tmp_path / "site/.well-known/pfn",
            url,
            f"{url}/",
            url + WELL_KNOWN,
        ):
            assert read_documents(where, slug=SLUG) == wanted[NEW]
            assert read_documents(where, slug=SLUG, version=OLD) == wanted[OLD]


def test_what_is_not_there_is_left_out(published: Published, tmp_path: Path) -> None:
    published.write(tmp_path)
    assert read_documents(tmp_path, slug="other").statement is None
    assert read_documents(tmp_path, slug=SLUG, version="9").statement is None
    (tmp_path / "publisher/2.json").unlink()
    assert len(read_documents(tmp_path, slug=SLUG).chain) == 2
    (tmp_path / "catalog.json").unlink()
    found = read_documents(tmp_path, slug=SLUG)
    assert (found.catalog, found.statement) == (None, None)
    (tmp_path / "publisher.json").unlink()
    assert read_documents(tmp_path, slug=SLUG).chain == ()


@pytest.mark.parametrize("status", [404, 410])
def test_a_site_without_documents_is_no_error(status: int) -> None:
    with serving(answering(status)) as url:
        found = read_documents(url, slug=SLUG)
    assert (found.chain, found.catalog, found.statement) == ((), None, None)


def test_documents_that_cannot_be_read_are_brought_as_they_are(tmp_path: Path) -> None:
    for name in ("publisher.json", "catalog.json"):
        (tmp_path / name).write_bytes(b"<html>")
    found = read_documents(tmp_path, slug=SLUG)
    assert (found.chain, found.catalog, found.statement) == ((b"<html>",), b"<html>", None)


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (answering(500), "publisher_status"),
        (answering(204), "publisher_status"),
        (answering(302, Location="/elsewhere"), "publisher_status"),
        (answering(200, b"{}", Content_Encoding="gzip"), "publisher_status"),
        (answering(200, b"{}", Content_Length="3"), "source_unreachable"),
        (answering(200, b" " * (MAX_ENVELOPE_BYTES + 1)), "publisher_too_large"),
    ],
    ids=["500", "204", "redirect", "encoding", "cut-off", "large"],
)
def test_a_site_that_misbehaves(handler: type[BaseHTTPRequestHandler], code: str) -> None:
    with serving(handler) as url:
        assert refused(url) == code


class Dripping(Quiet):
    """Sends a byte at a time; each comes soon enough."""

    finished = False

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            for _ in range(500):
                self.wfile.write(b" ")
                time.sleep(0.01)
            Dripping.finished = True


@pytest.mark.parametrize(("handler", "seconds"), [(answering(404), -1), (Dripping, 0.2)], ids=["asked", "dripping"])
def test_a_site_that_takes_too_long(
    handler: type[BaseHTTPRequestHandler], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOTAL_SECONDS", seconds)
    with serving(handler) as url, pytest.raises(PfnError, match="took longer than"):
        read_documents(url, slug=SLUG)
    assert not Dripping.finished


def test_nobody_there(tmp_path: Path) -> None:
    assert refused("http://127.0.0.1:9") == "source_unreachable"
    assert refused(tmp_path / "none") == "source_unreachable"


@pytest.mark.parametrize("url", ["http://plugins.example.com", "ftp://127.0.0.1", "https://a b", "http://192.168.0.1"])
def test_an_address_that_is_not_asked(url: str) -> None:
    assert refused(url) == "invalid_url"


def test_too_large_files_and_chains(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published.write(tmp_path)
    monkeypatch.setattr(module, "MAX_KEY_DOCUMENTS", 2)
    assert refused(tmp_path) == "publisher_too_large"
    (tmp_path / "publisher.json").write_bytes(b" " * (MAX_ENVELOPE_BYTES + 1))
    assert refused(tmp_path) == "publisher_too_large"


@pytest.mark.parametrize(
    ("slug", "version"),
    [("..", None), ("a/b", None), ("", None), ("A", None), (SLUG, ".."), (SLUG, "1/../2"), (SLUG, "1\n"), (SLUG, "")],
)
def test_names_that_could_lead_elsewhere(slug: str, version: str | None, tmp_path: Path) -> None:
    assert refused(tmp_path, slug=slug, version=version) == "invalid_field"


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("alice@plugins.example.com", "https://plugins.example.com"),
        ("alice@plugins.example.com:8443", "https://plugins.example.com:8443"),
        ("alice@localhost:8100", "http://localhost:8100"),
        ("alice@127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("alice@[::1]:8100", "http://[::1]:8100"),
        ("alice@localhost", "http://localhost"),
    ],
)
def test_where_a_source_is(source: str, url: str) -> None:
    assert find_instance_url(source) == url


@pytest.mark.parametrize(
    "source",
    ["alice", "@plugins.example.com", "alice@", "alice@EXAMPLE.com", "alice@a.example/x", "a@b@c.example", "a b@c"],
)
def test_what_is_no_source(source: str) -> None:
    with pytest.raises(PfnError) as caught:
        find_instance_url(source)
    assert caught.value.code.slug == "invalid_field"
