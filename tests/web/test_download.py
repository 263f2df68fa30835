"""Zips under their unchanging addresses: exact bytes, every header a client or a cache relies on, and who gets none."""

import base64
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.problem import assert_problem

from pfn.protocol.ed25519 import verify
from pfn.protocol.errors import Code
from pfn.storage.release import mark_releases
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.file import HotFiles
from pfn.web.links import zip_path

SLUG = "reading-time"
VERSION = "1.2.0+build.7"


class Shelf:
    """A node with one signed release that anybody may ask for, without a key."""

    def __init__(self, node: ServedNode, publisher: FakePublisherV2, source: str, content: bytes) -> None:
        self.node = node
        self.publisher = publisher
        self.source = source
        self.content = content
        self.path = zip_path(source, SLUG, VERSION)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.blob = f"sha256/{self.sha256[:2]}/{self.sha256[2:]}"

    async def ask(self, path: str | None = None, method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(base_url=self.node.url) as anybody:
            return await anybody.request(method, path or self.path, headers=named)

    async def downloads(self) -> int:
        key = (self.source, SLUG)
        await self.node.services.usage.flush()
        return (await self.node.services.usage.totals([key]))[key].downloads

    async def block(self, reason: str | None) -> None:
        """Block the release as another process would."""
        async with self.node.database.write() as connection:
            await mark_releases(connection, self.source, SLUG, VERSION, block_reason=reason)


@asynccontextmanager
async def open_shelf(data: Path, *, files: dict[str, bytes] | None = None, **settings: Any) -> AsyncIterator[Shelf]:
    async with serve_node(data, **settings) as node, FakePublisherV2() as publisher:
        content = publisher.add_plugin(SLUG, VERSION, description="Tells how long it takes. " * 40, files=files)
        yield Shelf(node, publisher, await follow(node, publisher), content)


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with open_shelf(tmp_path / "node") as opened:
        yield opened


@pytest.fixture
async def large_shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """One whose zip is kept in memory only when it is asked for again."""
    async with open_shelf(tmp_path / "node", files={"data.bin": random.Random(1).randbytes(900_000)}) as opened:
        yield opened


async def test_the_exact_bytes_and_every_header(shelf: Shelf) -> None:
    assert "%2B" in shelf.path
    assert "@127.0.0.1:" in shelf.path
    answer = await shelf.ask()
    assert (answer.status_code, answer.content) == (200, shelf.content)
    expected = {
        "content-type": "application/zip",
        "content-length": str(len(shelf.content)),
        "content-disposition": f'attachment; filename="{SLUG}.zip"',
        "cache-control": "public, max-age=31536000, s-maxage=5, immutable",
        "etag": f'"{shelf.sha256}"',
        "accept-ranges": "bytes",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
        "x-pfn-version": VERSION,
        "x-pfn-signature-level": "artifact",
        "last-modified": formatdate(shelf.node.clock.now, usegmt=True),
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "x-pfn-yanked" not in answer.headers
    # As PHP reads it: padded standard base64 of 64 bytes, over the raw SHA-384.
    signature = base64.b64decode(answer.headers["x-content-signature"], validate=True)
    assert len(signature) == 64
    assert verify(shelf.publisher.release_key.public_key, hashlib.sha384(shelf.content).digest(), signature)


async def test_a_plus_needs_no_escape(shelf: Shelf) -> None:
    assert (await shelf.ask(shelf.path.replace("%2B", "+"))).content == shelf.content


async def test_head_says_what_get_does_and_counts_nothing(shelf: Shelf) -> None:
    whole, head = await shelf.ask(), await shelf.ask(method="HEAD")
    changing = {"x-request-id", "date"}
    assert head.content == b""
    for left, right in (
        (head, whole),
        (await shelf.ask(f"{shelf.path}.sig", "HEAD"), await shelf.ask(f"{shelf.path}.sig")),
    ):
        assert left.status_code == right.status_code == 200
        assert {k: v for k, v in left.headers.items() if k not in changing} == {
            k: v for k, v in right.headers.items() if k not in changing
        }
    assert await shelf.downloads() == 1


OLD, NEW = formatdate(1_000_000, usegmt=True), formatdate(4_000_000_000, usegmt=True)
CONDITIONS = {
    "the very ETag": ({"If_None_Match": '"{sha256}"'}, 304),
    "weak": ({"If_None_Match": 'W/"{sha256}"'}, 304),
    "one of several": ({"If_None_Match": '"a", "{sha256}"'}, 304),
    "any": ({"If_None_Match": "*"}, 304),
    "another": ({"If_None_Match": '"{sha256}x"'}, 200),
    "unquoted": ({"If_None_Match": "{sha256}"}, 200),
    "the very date": ({"If_Modified_Since": "{date}"}, 304),
    "a later date": ({"If_Modified_Since": NEW}, 304),
    "an older date": ({"If_Modified_Since": OLD}, 200),
    "no date": ({"If_Modified_Since": "yesterday"}, 200),
    "the ETag outweighs the date": ({"If_None_Match": '"other"', "If_Modified_Since": NEW}, 200),
}


async def test_what_the_client_has_is_not_sent_again(shelf: Shelf) -> None:
    date = formatdate(shelf.node.clock.now, usegmt=True)
    for case, (given, status) in CONDITIONS.items():
        before = await shelf.downloads()
        answer = await shelf.ask(**{name: text.format(sha256=shelf.sha256, date=date) for name, text in given.items()})
        assert answer.status_code == status, case
        assert answer.content == (shelf.content if status == 200 else b""), case
        assert answer.headers["etag"] == f'"{shelf.sha256}"'
        assert answer.headers["cache-control"] == "public, max-age=31536000, s-maxage=5, immutable"
        assert await shelf.downloads() - before == (1 if status == 200 else 0), case


RANGES: dict[str, tuple[dict[str, str], slice | None, int]] = {
    "the beginning": ({"Range": "bytes=0-99"}, slice(0, 100), 1),
    "one byte": ({"Range": "bytes=7-7"}, slice(7, 8), 0),
    "the middle": ({"Range": "bytes=100-299"}, slice(100, 300), 0),
    "to the end": ({"Range": "bytes=100-"}, slice(100, None), 0),
    "past the end": ({"Range": "bytes=100-99999999"}, slice(100, None), 0),
    "the last ones": ({"Range": "bytes=-50"}, slice(-50, None), 0),
    "more last ones than there are": ({"Range": "bytes=-99999999"}, slice(0, None), 1),
    "all, as a range": ({"Range": "bytes=0-"}, slice(0, None), 1),
    "several are ignored": ({"Range": "bytes=0-1,5-6"}, None, 1),
    "another unit is ignored": ({"Range": "lines=0-1"}, None, 1),
    "backwards is ignored": ({"Range": "bytes=9-3"}, None, 1),
    "the same ETag": ({"Range": "bytes=100-", "If_Range": '"{sha256}"'}, slice(100, None), 0),
    "a weak ETag is never the same": ({"Range": "bytes=0-9", "If_Range": 'W/"{sha256}"'}, None, 1),
    "another ETag": ({"Range": "bytes=0-9", "If_Range": '"other"'}, None, 1),
    "the same date": ({"Range": "bytes=100-", "If_Range": "{date}"}, slice(100, None), 0),
    "a later date is not the same": ({"Range": "bytes=0-9", "If_Range": NEW}, None, 1),
}


async def test_ranges(shelf: Shelf) -> None:
    date, size = formatdate(shelf.node.clock.now, usegmt=True), len(shelf.content)
    for case, (given, part, counted) in RANGES.items():
        before = await shelf.downloads()
        answer = await shelf.ask(**{name: text.format(sha256=shelf.sha256, date=date) for name, text in given.items()})
        if part is None:
            assert (answer.status_code, answer.content) == (200, shelf.content), case
            assert "content-range" not in answer.headers, case
        else:
            start, stop, _ = part.indices(size)
            assert (answer.status_code, answer.content) == (206, shelf.content[start:stop]), case
            assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}", case
            assert answer.headers["content-length"] == str(stop - start), case
        assert answer.headers["etag"] == f'"{shelf.sha256}"'
        assert await shelf.downloads() - before == counted, case


async def test_a_range_past_the_end_and_ranges_of_head(shelf: Shelf) -> None:
    size = len(shelf.content)
    past = await shelf.ask(Range=f"bytes={size}-")
    assert_problem(past, Code.RANGE_NOT_SATISFIABLE)
    assert past.headers["content-range"] == f"bytes */{size}"
    head = await shelf.ask(method="HEAD", Range="bytes=0-9")
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))
    assert await shelf.downloads() == 0


async def test_the_signature_beside_the_zip(shelf: Shelf) -> None:
    answer = await shelf.ask(f"{shelf.path}.sig")
    whole = await shelf.ask()
    assert answer.text == whole.headers["x-content-signature"] + "\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    again = await shelf.ask(f"{shelf.path}.sig", If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


async def test_without_a_signature_over_the_zip_there_is_none_to_show(tmp_path: Path) -> None:
    async with serve_node(tmp_path / "node") as node, FakePublisher() as publisher:
        content = publisher.add_plugin(SLUG, "1.0")
        shelf = Shelf(node, FakePublisherV2(), await follow(node, publisher), content)
        path = zip_path(shelf.source, SLUG, "1.0")
        answer = await shelf.ask(path)
        assert answer.content == content
        assert answer.headers["x-pfn-signature-level"] == "metadata"
        assert "x-content-signature" not in answer.headers
        assert_problem(await shelf.ask(f"{path}.sig"), Code.STATEMENT_UNKNOWN)


async def test_a_takedown_acts_at_once_also_one_by_another_process(shelf: Shelf) -> None:
    assert (await shelf.ask()).status_code == 200
    await shelf.block("Its key was revoked.")
    for path in (shelf.path, f"{shelf.path}.sig"):
        blocked = await shelf.ask(path)
        assert_problem(blocked, Code.RELEASE_BLOCKED)
        assert blocked.status_code == 410
        assert blocked.json()["detail"] == "Its key was revoked."
        assert blocked.headers["cache-control"] == "no-store"
    await shelf.block(None)
    assert (await shelf.ask()).content == shelf.content
    await shelf.node.services.sources.suspend("test", shelf.source, "We look into it.")
    assert_problem(await shelf.ask(), Code.SOURCE_SUSPENDED)
    await shelf.node.services.sources.resume("test", shelf.source)
    assert (await shelf.ask()).content == shelf.content


async def test_a_yanked_version_is_still_given_by_its_number(shelf: Shelf) -> None:
    assert (await shelf.ask()).status_code == 200
    shelf.publisher.yank(SLUG, VERSION, reason="It loses posts (très) fast.")
    await sync(shelf.node, shelf.source)
    answer = await shelf.ask()
    assert (answer.status_code, answer.content) == (200, shelf.content)
    assert answer.headers["x-pfn-yanked"] == "It loses posts (tr%C3%A8s) fast."


async def test_lost_bytes_are_named_before_the_answer_begins(shelf: Shelf) -> None:
    path = shelf.node.data / "blobs" / shelf.blob
    path.write_bytes(shelf.content[:-1])
    assert_problem(await shelf.ask(), Code.BLOB_CORRUPT)
    path.unlink()
    assert_problem(await shelf.ask(), Code.BLOB_MISSING)
    assert_problem(await shelf.ask(Range="bytes=0-5"), Code.BLOB_MISSING)


async def assert_kept_when_whole(shelf: Shelf) -> None:
    """Ask for a file that would be kept: damaged it is not, and whole it is."""
    path = shelf.node.data / "blobs" / shelf.blob
    path.write_bytes(shelf.content[::-1])
    assert (await shelf.ask()).content == shelf.content[::-1]
    path.write_bytes(shelf.content)
    assert (await shelf.ask()).content == shelf.content
    path.unlink()
    assert (await shelf.ask()).content == shelf.content


async def test_damaged_bytes_are_not_kept_in_memory(shelf: Shelf) -> None:
    # A small file that was sent is not read again.
    await assert_kept_when_whole(shelf)
    assert (await shelf.ask(Range="bytes=5-9")).content == shelf.content[5:10]


async def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(1_000_000)
    zipped = plugin_zip(SLUG, "1.0", files={"data.bin": content})
    async with serve_node(tmp_path / "node") as node, FakePublisher() as publisher:
        publisher.add_plugin(SLUG, "1.0", content=zipped)
        source = await follow(node, publisher)
        path = zip_path(source, SLUG, "1.0")
        async with httpx.AsyncClient(base_url=node.url) as anybody:
            assert (await anybody.get(path)).content == zipped
            part = await anybody.get(path, headers={"Range": "bytes=100000-899999"})
        assert (part.status_code, part.content) == (206, zipped[100_000:900_000])


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    hot = HotFiles(most_bytes=250)
    files = [bytes([number]) * 100 for number in range(3)]
    tags = [f'"{hashlib.sha256(file).hexdigest()}"' for file in files]
    hot.keep(tags[0], files[0])
    hot.keep(tags[1], files[1])
    assert hot.get(tags[0]) == files[0]
    hot.keep(tags[2], files[2])
    assert [hot.get(tag) is not None for tag in tags] == [True, False, True]
    hot.keep(tags[1], files[0])
    assert hot.get(tags[1]) is None


async def test_a_larger_file_is_kept_when_it_is_asked_for_again(large_shelf: Shelf) -> None:
    assert (await large_shelf.ask()).content == large_shelf.content
    await assert_kept_when_whole(large_shelf)


async def test_one_that_was_asked_for_once_is_not_kept(large_shelf: Shelf) -> None:
    assert (await large_shelf.ask()).content == large_shelf.content
    (large_shelf.node.data / "blobs" / large_shelf.blob).unlink()
    assert_problem(await large_shelf.ask(), Code.BLOB_MISSING)


MISSING = {
    "/dl/{source}/other/other.1.0.zip": Code.PLUGIN_UNKNOWN,
    "/dl/{source}/reading-time/reading-time.9.9.zip": Code.RELEASE_UNKNOWN,
    "/dl/{source}/reading-time/other.1.0.zip": Code.NOT_FOUND,
    "/dl/{source}/reading-time/reading-time.zip": Code.NOT_FOUND,
    "/dl/{source}/reading-time/reading-time..zip": Code.NOT_FOUND,
    "/dl/{source}/reading-time/reading-time.1.0.tar.gz": Code.NOT_FOUND,
    "/dl/eve@127.0.0.1:1/reading-time/reading-time.1.0.zip": Code.SOURCE_UNKNOWN,
    "/dl/alice@%5B2001:db8::1%5D:8443/reading-time/reading-time.1.0.zip": Code.SOURCE_UNKNOWN,
    "/dl/{source}/reading-time%2F../reading-time.1.0.zip": Code.NOT_FOUND,
}


async def test_what_is_not_there(shelf: Shelf) -> None:
    for path, code in MISSING.items():
        assert_problem(await shelf.ask(path.format(source=shelf.source)), code)


async def test_a_source_at_an_ipv6_address_is_found_by_its_id(shelf: Shelf) -> None:
    services = shelf.node.services
    await services.sources.add("test", "http://[::1]:8080", "alice", shelf.publisher.public_key_pem)
    answer = await shelf.ask(zip_path("alice@[::1]:8080", SLUG, "1.0"))
    assert_problem(answer, Code.PLUGIN_UNKNOWN)
    assert "alice@[::1]:8080" in answer.json()["detail"]


async def test_the_older_address_sends_the_same(shelf: Shelf) -> None:
    query = f"/federation/download?source={shelf.source}&plugin={SLUG}"
    by_dl, newest = await shelf.ask(), await shelf.ask(query)
    named = await shelf.ask(f"{query}&version=1.2.0%2Bbuild.7")
    assert newest.headers["cache-control"] == "public, max-age=300, s-maxage=5"
    changing = {"x-request-id", "date"}
    assert {k: v for k, v in named.headers.items() if k not in changing} == {
        k: v for k, v in by_dl.headers.items() if k not in changing
    }
    assert named.content == newest.content == shelf.content
    assert await shelf.downloads() == 3


KEPT = ("etag", "last-modified", "x-content-signature", "x-pfn-version", "x-pfn-signature-level", "content-disposition")


async def test_sent_on_to_a_public_store(tmp_path: Path) -> None:
    async with open_shelf(tmp_path / "node", download_redirect="https://store.example/blobs/") as shelf:
        answer = await shelf.ask()
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["location"] == f"https://store.example/blobs/{shelf.blob}"
        assert answer.headers["cache-control"] == "public, max-age=300, s-maxage=5"
        assert answer.headers["etag"] == f'"{shelf.sha256}"'
        assert all(name in answer.headers for name in KEPT)
        assert (await shelf.ask(method="HEAD")).headers["location"] == answer.headers["location"]
        # The precondition is the store's to look at.
        assert (await shelf.ask(If_None_Match="*")).status_code == 302
        assert (await shelf.ask(f"{shelf.path}.sig")).status_code == 200
        # Those who ask by digest or by the older address may not follow.
        for path in (f"/blobs/sha256/{shelf.sha256}", f"/federation/download?source={shelf.source}&plugin={SLUG}"):
            assert (await shelf.ask(path)).content == shelf.content
        assert await shelf.downloads() == 3
        await shelf.block("Malware was found in it.")
        assert_problem(await shelf.ask(), Code.RELEASE_BLOCKED)


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        (
            {"download_offload": "x-accel-redirect", "download_offload_prefix": "/zips"},
            "x-accel-redirect",
            "/zips/{blob}",
        ),
        ({"download_offload": "x-sendfile"}, "x-sendfile", "{data}/blobs/{blob}"),
    ],
)
async def test_left_to_the_proxy(tmp_path: Path, settings: dict[str, str], header: str, value: str) -> None:
    data = tmp_path / "node"
    async with open_shelf(data, **settings) as shelf:
        answer = await shelf.ask(Range="bytes=5-9")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers[header] == value.format(blob=shelf.blob, data=data)
        assert answer.headers["cache-control"] == "public, max-age=31536000, s-maxage=5, immutable"
        assert all(name in answer.headers for name in KEPT)
        assert await shelf.downloads() == 0
        assert header in (await shelf.ask(f"/blobs/sha256/{shelf.sha256}")).headers
        again = await shelf.ask(If_None_Match=answer.headers["etag"])
        assert again.status_code == 304
        assert header not in again.headers
        assert header in (await shelf.ask()).headers
        assert await shelf.downloads() == 1
        await shelf.block("Malware was found in it.")
        blocked = await shelf.ask()
        assert_problem(blocked, Code.RELEASE_BLOCKED)
        assert header not in blocked.headers
