"""The fake v2 publisher: honest unless told otherwise, and each misbehaviour is what the protocol has a name for."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from pfn.protocol.artifact import check_artifact, check_artifact_signature
from pfn.protocol.catalog import Catalog, check_listed, verify_catalog
from pfn.protocol.challenge import new_challenge
from pfn.protocol.document import Head
from pfn.protocol.dsse import Envelope, parse_envelope
from pfn.protocol.ed25519 import PublicKey, SigningKey, parse_public_key, parse_signature, verify
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.ownership import check_ownership, new_ownership_challenge, new_probe
from pfn.protocol.publisher_chain import TrustedPublisher, advance_trust, begin_trust
from pfn.protocol.publisher_v1 import read_author_data, read_federation_info
from pfn.protocol.release_statement import VerifiedStatement, verify_statement, verify_statement_chain
from pfn.testing.publisher_v2 import FakePublisherV2

NOW = 1_800_000_000
DAY = 24 * 3600
RELEASE_FILES = "/.well-known/pfn/releases"


class Reader:
    """What a node does with a v2 publisher, as far as the protocol goes."""

    def __init__(self, publisher: FakePublisherV2, http: aiohttp.ClientSession) -> None:
        self.publisher = publisher
        self.http = http
        self.source = f"alice@{publisher.url.removeprefix('http://')}"

    async def get(self, path: str) -> bytes:
        async with self.http.get(self.publisher.url + path) as answer:
            assert answer.status == 200, path
            return await answer.read()

    async def envelope(self, name: str) -> Envelope:
        return parse_envelope(await self.get(f"/.well-known/pfn/{name}"))

    async def trust(self, pin: PublicKey | None = None, *, oracle: bool = False) -> TrustedPublisher:
        newest = json.loads((await self.envelope("publisher.json")).payload)["version"]
        chain = [await self.envelope(f"publisher/{version}.json") for version in range(1, newest + 1)]
        return begin_trust(
            chain,
            pin=pin or parse_public_key(self.publisher.public_key_pem),
            pin_is_oracle=oracle,
            source=self.source,
            instance_url=self.publisher.url,
            now=self.publisher.present,
        )

    async def catalog(self, trusted: TrustedPublisher | None = None, *, known: Head | None = None) -> Catalog:
        trusted = trusted or await self.trust()
        envelope = await self.envelope("catalog.json")
        return verify_catalog(envelope, trusted, known=known, now=self.publisher.present).catalog

    async def release(
        self, slug: str = "one", version: str = "1.0", *, known: Head | None = None, listed: bool = True
    ) -> VerifiedStatement:
        """Everything a node checks of the newest release; ``listed`` False leaves the catalogue out."""
        trusted = await self.trust()
        catalog = await self.catalog(trusted) if listed else None
        verified = verify_statement(
            await self.envelope(f"releases/{slug}/{version}.json"),
            trusted,
            slug=slug,
            version=version,
            known=known,
            now=self.publisher.present,
            endorsed_by=catalog,
        )
        if catalog:
            check_listed(catalog, slug=slug, version=version, head=verified.head)
        statement = verified.statement
        path = self.publisher.zip_path(slug, version)
        served = await self.get(path)
        sha384 = hashlib.sha384(served)
        sha256 = hashlib.sha256(served).hexdigest()
        check_artifact(statement, length=len(served), sha256=sha256, sha384=sha384.hexdigest())
        signature = parse_signature((await self.get(f"{path}.sig")).decode().strip())
        check_artifact_signature([verified.key], sha384=sha384.digest(), signature=signature or b"")
        return verified

    async def prove(self, challenge: str) -> bytes:
        asked = {"username": "alice", "challenge": challenge}
        async with self.http.post(f"{self.publisher.url}/verify-ownership", json=asked) as answer:
            if answer.status != 200:
                return b""
            return base64.b64decode((await answer.json())["signature"])

    def challenge(self, byte: bytes = b"\x07") -> str:
        return new_ownership_challenge(
            node_origin="https://node.example",
            instance_url=self.publisher.url,
            username="alice",
            now=self.publisher.present,
            random_bytes=lambda size: byte * size,
        ).text


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisherV2]:
    async with FakePublisherV2(now=NOW) as running:
        running.add_plugin("one", "1.0")
        yield running


@pytest.fixture
async def reader(publisher: FakePublisherV2) -> AsyncIterator[Reader]:
    async with aiohttp.ClientSession() as http:
        yield Reader(publisher, http)


async def refused(call: Any) -> Code:
    with pytest.raises(SecurityError) as caught:
        await call
    return caught.value.code


async def test_left_alone_everything_holds(publisher: FakePublisherV2, reader: Reader) -> None:
    publisher.add_plugin("one", "1.1", tags=("a",))
    publisher.add_plugin("two", "3.0")
    verified = await reader.release("one", "1.1")
    assert (verified.statement.sequence, verified.statement.tags) == (2, ("a",))
    await reader.release("two", "3.0")
    info = read_federation_info(await reader.get("/federation-info"))
    assert {"pfn-v2", "ownership-v2"} <= set(info.features)
    assert info.public_key == publisher.public_key_pem
    listed = read_author_data(await reader.get("/author-data?author=alice"))
    assert [plugin.slug for plugin in listed.plugins] == ["one", "two"]


async def test_the_v1_key_is_a_pin_too_for_it_signed_the_first_document(
    publisher: FakePublisherV2, reader: Reader
) -> None:
    publisher.rotate_root_key()
    await reader.trust(publisher.key.public_key)
    await reader.trust()
    assert await refused(reader.trust(SigningKey.generate().public_key)) is Code.KEY_MISMATCH
    assert await refused(reader.trust(oracle=True)) is Code.SIGNING_ORACLE


async def test_a_document_that_did_not_change_costs_304(publisher: FakePublisherV2, reader: Reader) -> None:
    url = f"{publisher.url}/.well-known/pfn/catalog.json"
    async with reader.http.get(url) as first:
        etag = first.headers["ETag"]
    async with reader.http.get(url, headers={"If-None-Match": etag}) as again:
        assert again.status == 304
    publisher.renew_catalog()
    async with reader.http.get(url, headers={"If-None-Match": etag}) as changed:
        assert changed.status == 200


@pytest.mark.parametrize("rotate", ["rotate_release_key", "rotate_ownership_key", "rotate_root_key"])
async def test_keys_may_change_hands_honestly(publisher: FakePublisherV2, reader: Reader, rotate: str) -> None:
    trusted = await reader.trust()
    pin = parse_public_key(publisher.public_key_pem)
    old = getattr(publisher, rotate)()
    newer = advance_trust(trusted, await reader.envelope("publisher.json"))
    assert newer == await reader.trust(pin)
    assert old.public_key not in [key.key for key in (*newer.document.root_keys, *newer.document.ownership_keys)]
    publisher.add_plugin("one", "1.1")
    await reader.release("one", "1.1")


async def test_after_a_theft_what_was_signed_before_is_signed_anew(publisher: FakePublisherV2, reader: Reader) -> None:
    first = await reader.release()
    publisher.now = NOW + DAY
    publisher.revoke_release_key(compromised_since=NOW + DAY)
    assert await refused(reader.release()) is Code.RELEASE_KEY_REVOKED
    publisher.add_plugin("one", "1.0")
    again = await reader.release(known=first.head)
    assert again.statement.sequence == 2
    assert again.statement.sha256 == first.statement.sha256


async def test_several_roots_sign_together() -> None:
    async with (
        FakePublisherV2(now=NOW, root_keys=3, threshold=2) as publisher,
        aiohttp.ClientSession() as http,
    ):
        reader = Reader(publisher, http)
        trusted = await reader.trust()
        publisher.publish_document(signed_by=publisher.root_keys[1:])
        advance_trust(trusted, await reader.envelope("publisher.json"))
        publisher.publish_document(signed_by=publisher.root_keys[:1])
        assert await refused(reader.trust()) is Code.DOCUMENT_THRESHOLD


async def test_yanked_is_not_the_newest(publisher: FakePublisherV2, reader: Reader) -> None:
    publisher.add_plugin("one", "2.0")
    publisher.yank("one", "2.0", "Loses data.")
    catalog = await reader.catalog()
    listed, yank = catalog.find_release("one"), catalog.find_yank("one", "2.0")
    assert listed
    assert yank
    assert (listed.version, yank.reason) == ("1.0", "Loses data.")


# Key documents that are not what they should be, to somebody who knows versions 1 and 2.
DOCUMENTS: dict[str, tuple[Callable[[FakePublisherV2], Any], Code]] = {
    "rollback": (lambda p: p.roll_back_document(), Code.DOCUMENT_ROLLBACK),
    "gap": (lambda p: p.publish_document(skip=1), Code.DOCUMENT_GAP),
    "fork": (lambda p: p.publish_document(skip=-1), Code.DOCUMENT_FORK),
    "threshold": (lambda p: p.publish_document(signed_by=[]), Code.DOCUMENT_THRESHOLD),
    "chain": (lambda p: p.publish_document(previous="00" * 32), Code.DOCUMENT_CHAIN),
    "another URL": (
        lambda p: p.publish_document(source="alice@a.example", instance_url="https://a.example"),
        Code.DOCUMENT_MISMATCH,
    ),
    "custody": (lambda p: (p.start_over(), p.publish_document(), p.publish_document()), Code.DOCUMENT_THRESHOLD),
}


@pytest.mark.parametrize("case", DOCUMENTS)
async def test_a_key_document_that_is_wrong(publisher: FakePublisherV2, reader: Reader, case: str) -> None:
    publisher.publish_document()
    trusted = await reader.trust()
    misbehave, code = DOCUMENTS[case]
    misbehave(publisher)
    with pytest.raises(SecurityError) as caught:
        advance_trust(trusted, await reader.envelope("publisher.json"))
    assert caught.value.code is code


async def test_custody_shows_to_a_newcomer_with_the_old_pin(publisher: FakePublisherV2, reader: Reader) -> None:
    pin = parse_public_key(publisher.public_key_pem)
    publisher.start_over()
    assert await refused(reader.trust(pin)) is Code.KEY_MISMATCH
    await reader.trust()


# Catalogues that are not what they should be, to somebody who knows the one before.
CATALOGS: dict[str, tuple[Callable[[FakePublisherV2], Any], Code]] = {
    "rollback": (lambda p: p.roll_back_catalog(), Code.CATALOG_ROLLBACK),
    "fork": (lambda p: p.renew_catalog(skip=-1), Code.CATALOG_FORK),
    "expired": (lambda p: p.renew_catalog(issued=NOW - 9, expires=NOW - 1), Code.CATALOG_EXPIRED),
    "of the future": (lambda p: p.renew_catalog(issued=NOW + DAY, expires=NOW + 2 * DAY), Code.CATALOG_MISMATCH),
    "another source": (lambda p: p.renew_catalog(source="bob@a.example"), Code.CATALOG_MISMATCH),
    "unknown key": (lambda p: p.renew_catalog(sign_with=SigningKey.generate()), Code.RELEASE_KEY_UNKNOWN),
    "the v1 key": (lambda p: p.renew_catalog(sign_with=p.key), Code.RELEASE_KEY_UNKNOWN),
    "limited key": (lambda p: p.renew_catalog(sign_with=p.add_release_key(slugs=("one",))), Code.RELEASE_KEY_SCOPE),
    "key of the past": (lambda p: p.renew_catalog(sign_with=p.add_release_key(not_after=NOW)), Code.RELEASE_KEY_TIME),
    "key of the future": (
        lambda p: p.renew_catalog(sign_with=p.add_release_key(not_before=NOW + 1)),
        Code.RELEASE_KEY_TIME,
    ),
    "revoked key": (lambda p: p.renew_catalog(sign_with=p.revoke_release_key()), Code.RELEASE_KEY_REVOKED),
    "a key document ahead": (lambda p: p.renew_catalog(publisher_version=9), Code.DOCUMENT_GAP),
}


@pytest.mark.parametrize("case", CATALOGS)
async def test_a_catalogue_that_is_wrong(publisher: FakePublisherV2, reader: Reader, case: str) -> None:
    before = await reader.envelope("catalog.json")
    known = Head(json.loads(before.payload)["sequence"], before.payload_hash)
    misbehave, code = CATALOGS[case]
    misbehave(publisher)
    assert await refused(reader.catalog(known=known)) is code


async def test_a_withheld_catalogue_expires(publisher: FakePublisherV2, reader: Reader) -> None:
    publisher.renew_catalog(lifetime=60)
    await reader.catalog()
    publisher.now = NOW + 60
    assert await refused(reader.catalog()) is Code.CATALOG_EXPIRED


# A release 1.1 that is not what it should be, to somebody who knows 1.0.
RELEASES: dict[str, tuple[Callable[[FakePublisherV2], Any], Code]] = {
    "fast-forward": (lambda p: p.add_plugin("one", "1.1", skip=1), Code.STATEMENT_GAP),
    "one number twice": (lambda p: p.add_plugin("one", "1.1", skip=-1), Code.STATEMENT_FORK),
    "broken row": (lambda p: p.add_plugin("one", "1.1", statement={"previous": "00" * 32}), Code.STATEMENT_CHAIN),
    "other bytes": (lambda p: p.add_plugin("one", "1.1", content=b"PK other"), Code.ARTIFACT_DIGEST),
    "bytes replaced": (
        lambda p: (p.add_plugin("one", "1.1"), p.replace_zip("one", "1.1", b"PK other")),
        Code.ARTIFACT_DIGEST,
    ),
    "mix-and-match": (
        lambda p: (p.add_plugin("one", "1.1"), p.renew_catalog(listed={"one": {"statement": "00" * 32}})),
        Code.CATALOG_MISMATCH,
    ),
    "not listed": (lambda p: p.add_plugin("one", "1.1", listed=False), Code.CATALOG_MISMATCH),
    "unknown key": (lambda p: p.add_plugin("one", "1.1", sign_with=SigningKey.generate()), Code.RELEASE_KEY_UNKNOWN),
    "root key": (lambda p: p.add_plugin("one", "1.1", sign_with=p.root_keys[0]), Code.RELEASE_KEY_UNKNOWN),
    "revoked key": (
        lambda p: p.add_plugin("one", "1.1", sign_with=p.revoke_release_key()),
        Code.RELEASE_KEY_REVOKED,
    ),
    "limited key": (
        lambda p: p.add_plugin("one", "1.1", sign_with=p.add_release_key(slugs=("two",))),
        Code.RELEASE_KEY_SCOPE,
    ),
    "another plugin's": (
        lambda p: (
            p.add_plugin("two", "1.1"),
            p.add_plugin("one", "1.1"),
            p.files.update({f"{RELEASE_FILES}/one/1.1.json": p.files[f"{RELEASE_FILES}/two/1.1.json"]}),
        ),
        Code.STATEMENT_MISMATCH,
    ),
    "wrong .sig": (
        lambda p: (p.add_plugin("one", "1.1"), p.replace_signature("one", "1.1", b"\x00" * 64)),
        Code.ARTIFACT_SIGNATURE,
    ),
}


@pytest.mark.parametrize("case", RELEASES)
async def test_a_release_that_is_wrong(publisher: FakePublisherV2, reader: Reader, case: str) -> None:
    first = await reader.release()
    misbehave, code = RELEASES[case]
    misbehave(publisher)
    assert await refused(reader.release("one", "1.1", known=first.head)) is code


async def test_a_key_past_its_time_signs_nothing_new(publisher: FakePublisherV2, reader: Reader) -> None:
    old = publisher.rotate_release_key(overlap=0)
    publisher.add_plugin("one", "1.1", sign_with=old, listed=False)
    assert await refused(reader.release("one", "1.1", listed=False)) is Code.RELEASE_KEY_TIME


async def test_two_zips_of_one_version_both_hold(publisher: FakePublisherV2, reader: Reader) -> None:
    first = await reader.release()
    publisher.add_plugin("one", "1.0", description="Something else.")
    second = await reader.release(known=first.head)
    assert second.statement.sequence == 2
    assert second.statement.sha256 != first.statement.sha256


async def test_who_missed_some_finds_each_by_its_number(publisher: FakePublisherV2, reader: Reader) -> None:
    first = await reader.release()
    for version in ("1.1", "1.2", "1.3"):
        publisher.add_plugin("one", version)
    row = [await reader.envelope(f"releases/one/sequence/{number}.json") for number in (2, 3, 4)]
    walked = verify_statement_chain(row, await reader.trust(), slug="one", known=first.head, now=NOW)
    assert [one.statement.version for one in walked.believed] == ["1.1", "1.2", "1.3"]


async def test_no_signature_beside_the_zip(publisher: FakePublisherV2, reader: Reader) -> None:
    publisher.replace_signature("one", "1.0", None)
    async with reader.http.get(publisher.url + publisher.zip_path("one", "1.0") + ".sig") as answer:
        assert answer.status == 404


async def test_downgraded_it_is_a_v1_publisher(publisher: FakePublisherV2, reader: Reader) -> None:
    publisher.hidden = True
    async with reader.http.get(f"{publisher.url}/.well-known/pfn/publisher.json") as answer:
        assert answer.status == 404
    info = read_federation_info(await reader.get("/federation-info"))
    assert not {"pfn-v2", "ownership-v2"} & set(info.features)
    assert read_author_data(await reader.get("/author-data?author=alice")).plugins


async def test_it_signs_what_it_may_and_with_which_key(publisher: FakePublisherV2, reader: Reader) -> None:
    keys = [key.key for key in (await reader.trust()).document.ownership_keys]
    text = reader.challenge()
    assert check_ownership(keys, challenge=text, signature=await reader.prove(text))
    uuid = new_challenge(lambda size: b"\x01" * size)
    assert verify(publisher.key.public_key, uuid.encode(), await reader.prove(uuid))
    assert await reader.prove(new_probe(lambda size: b"\x01" * size)) == b""
    publisher.now = NOW + 301
    assert await reader.prove(text) == b""


async def test_an_oracle_signs_anything(publisher: FakePublisherV2, reader: Reader) -> None:
    publisher.oracle_key = publisher.root_keys[0]
    probe = new_probe(lambda size: b"\x01" * size)
    assert verify(publisher.root_keys[0].public_key, probe.encode(), await reader.prove(probe))


async def test_an_old_proof_proves_nothing(publisher: FakePublisherV2, reader: Reader) -> None:
    first = await reader.prove(reader.challenge())
    publisher.replays = True
    text = reader.challenge(b"\x08")
    assert await reader.prove(text) == first
    with pytest.raises(SecurityError):
        check_ownership([publisher.ownership_key.public_key], challenge=text, signature=first)
