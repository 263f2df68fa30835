"""The static site, on a real static host: a newcomer believes all of it, and it never goes back."""

import functools
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from tests.publisher.conftest import DAY, NOW, own_key, profile, put_zip
from tests.publisher.reader import believe

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_v1 import read_author_data, read_federation_info
from pfn.publisher.build import build_site
from pfn.publisher.creation import create_publisher
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.key_change import RootKeys
from pfn.publisher.keys import Role
from pfn.publisher.renewal import renew, yank
from pfn.publisher.rotation import rotate_key


class QuietHandler(SimpleHTTPRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        del code, size


@contextmanager
def static_host(root: Path, listener: socket.socket) -> Iterator[None]:
    server = ThreadingHTTPServer(
        listener.getsockname(), functools.partial(QuietHandler, directory=str(root)), bind_and_activate=False
    )
    server.socket.close()
    server.socket = listener
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def test_any_static_host_will_do(tmp_path: Path) -> None:
    now = int(time.time())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/shop"
        folder = create_publisher(tmp_path / "publisher", profile(url), now=now).folder
        contents = {
            version: put_zip(folder, "one", version, now=now, tags=("a",)) for version in ("1.0", "1.1+x", "2.0")
        }
        put_zip(folder, "two", "1.0", now=now)
        rotate_key(folder, Role.RELEASE, roots=RootKeys(), now=now)
        put_zip(folder, "one", "3.0", now=now)
        yank(folder, "one", "3.0", reason="Bad.", now=now)
        # Whoever builds needs no key at all but, for v1's signatures, the v1 key.
        pin = own_key(folder, Role.ROOT).public_key
        for path in folder.keys.glob("*.key"):
            if path.name != "v1.key":
                path.unlink()
        built = build_site(folder, tmp_path / "site" / "shop", now=now)
        with static_host(tmp_path / "site", listener), httpx.Client() as http:

            def fetch(path: str) -> bytes:
                answer = http.get(f"{url}/{path}")
                assert answer.status_code == 200, path
                return answer.content

            believed = believe(fetch, url, pin, now=now)
            assert believed.versions == {"one": ["1.0", "1.1+x", "2.0"], "two": ["1.0"]}
            assert fetch("plugins/alice/one/one.1.1%2Bx.zip") == contents["1.1+x"]
            info = read_federation_info(fetch("federation-info"))
            assert info.public_key == pin.pem
            assert "pfn-v2" in info.features
            assert not {"ownership-v2", "key-verification"} & set(info.features)
            listed = read_author_data(fetch("author-data?author=alice"))
            assert [(one.slug, one.version, bool(one.signature)) for one in listed.plugins] == [
                ("one", "2.0", True),
                ("two", "1.0", True),
            ]
            assert b"one.2.0.zip" in fetch("")
    assert built.files == built.written == len([path for path in (tmp_path / "site").rglob("*") if path.is_file()])
    seeds = [path.read_bytes() for path in folder.keys.glob("*.key")]
    assert not any(
        seed in path.read_bytes() for seed in seeds for path in (tmp_path / "site").rglob("*") if path.is_file()
    )


def test_built_again_only_what_changed_is_written(made: PublisherFolder, tmp_path: Path) -> None:
    put_zip(made, "one", "1.0")
    out = tmp_path / "out"
    first = build_site(made, out, now=NOW)
    assert build_site(made, out, now=NOW).written == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.zip")}
    put_zip(made, "one", "1.1")
    second = build_site(made, out, now=NOW + 1)
    # Zip, signature, statement under two names; catalogue, page, federation-info, author-data.
    assert (second.files - first.files, second.written) == (4, 8)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_foreign_folder_is_left_alone(made: PublisherFolder, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("")
    with pytest.raises(PfnError, match="something else") as caught:
        build_site(made, tmp_path / "out", now=NOW)
    assert caught.value.code is Code.CONFIG_INVALID
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_another_publishers_site_is_left_alone(made: PublisherFolder, tmp_path: Path) -> None:
    other = create_publisher(tmp_path / "other", profile("https://other.example"), now=NOW).folder
    build_site(other, tmp_path / "out", now=NOW)
    with pytest.raises(PfnError, match="another publisher"):
        build_site(made, tmp_path / "out", now=NOW)


def test_an_old_checkout_does_not_roll_the_site_back(made: PublisherFolder, tmp_path: Path) -> None:
    shutil.copytree(made.path, tmp_path / "old")
    old = PublisherFolder(tmp_path / "old", made.profile)
    renew(made, now=NOW)
    build_site(made, tmp_path / "out", now=NOW)
    catalog = (tmp_path / "out/.well-known/pfn/catalog.json").read_bytes()
    with pytest.raises(PfnError, match="newest state"):
        build_site(old, tmp_path / "out", now=NOW)
    assert (tmp_path / "out/.well-known/pfn/catalog.json").read_bytes() == catalog


def test_what_a_node_would_refuse_is_not_built(made: PublisherFolder, tmp_path: Path) -> None:
    with pytest.raises(PfnError, match="A node would refuse") as caught:
        build_site(made, tmp_path / "out", now=NOW + 15 * DAY)
    assert caught.value.code is Code.WRONG_STATE
    assert not (tmp_path / "out").exists()


def test_without_the_v1_key_v1_is_unsigned(made: PublisherFolder, tmp_path: Path) -> None:
    put_zip(made, "one", "1.0")
    (made.keys / "v1.key").unlink()
    build_site(made, tmp_path / "out", now=NOW)
    plugin = json.loads((tmp_path / "out" / "author-data").read_bytes())["plugins"][0]
    assert "signature" not in plugin
    info = json.loads((tmp_path / "out" / "federation-info").read_bytes())
    assert "v1PublicKey" not in info
    assert "signature-verification" not in info["features"]
