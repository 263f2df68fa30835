"""A bucket: what it really does is tried, keys and rights are told apart from its being away, strangers get URLs."""

import hashlib
import sys
import time
from pathlib import Path

import pytest
from tests.support.bucket import SECRET_KEY, Bucket, free_ports, open_url
from tests.support.records import make_blob

from pfn.protocol.errors import Code, PfnError
from pfn.storage.bucket import BucketBlobStore, open_bucket
from pfn.storage.bucket_address import read_bucket_address
from pfn.storage.bucket_client import BucketClient
from pfn.storage.bucket_probe import Abilities, probe_bucket
from pfn.storage.presign import Signer

CONTENT = b"PK\x03\x04 the bytes of a zip"


@pytest.mark.grown
async def test_a_bucket_that_does_all_lacks_nothing(seaweedfs: Bucket, tmp_path: Path):
    store = await open_bucket(tmp_path, seaweedfs.under("all").address)
    assert store.shortcomings() == []
    client = BucketClient(seaweedfs.under("all").address)
    assert [one.key async for one in client.list("probe")] == []


async def test_what_a_bucket_ignores_is_said(rclone: Bucket, tmp_path: Path):
    assert await probe_bucket(BucketClient(rclone.address)) == Abilities(creates=False, ranges=False, ordered=True)
    store = await open_bucket(tmp_path, rclone.address)
    assert [sentence.split(",")[0] for sentence in store.shortcomings()] == [
        "The bucket ignores If-None-Match",
        "The bucket ignores ranges",
    ]


async def test_where_puts_overwrite_a_blob_is_looked_for_first(rclone: Bucket, tmp_path: Path):
    address = rclone.under("first").address
    store = await open_bucket(tmp_path, address)
    blob = await _keep(store)
    before = await BucketClient(address).head(blob.local_path)
    time.sleep(1.1)  # its clock has seconds
    await _keep(store)
    assert await BucketClient(address).head(blob.local_path) == before


@pytest.mark.grown
async def test_a_bucket_in_no_order_is_listed_in_order(seaweedfs: Bucket, tmp_path: Path):
    store = await open_bucket(tmp_path, seaweedfs.under("order").address)
    store._abilities = Abilities(creates=True, ranges=True, ordered=False)
    digests = sorted([(await _keep(store, b"%d" % number)).sha256 for number in range(5)])
    assert [one.sha256 async for one in store.list()] == digests
    assert [one.sha256 async for one in store.list(digests[1])] == digests[2:]


async def _keep(store: BucketBlobStore, content: bytes = CONTENT):
    temporary, blob = store.receive(), make_blob(content)
    temporary.file.write(content)
    await store.keep([(temporary, blob)])
    temporary.discard()
    return blob


@pytest.mark.grown
async def test_bytes_that_changed_on_the_disk_are_not_stored(seaweedfs: Bucket, tmp_path: Path):
    store = await open_bucket(tmp_path, seaweedfs.under("disk").address)
    temporary, blob = store.receive(), make_blob(CONTENT)
    temporary.file.write(CONTENT.replace(b"zip", b"zap"))
    with pytest.raises(PfnError) as caught:
        await store.keep([(temporary, blob)])
    temporary.discard()
    assert caught.value.code is Code.BLOB_CORRUPT
    assert [one async for one in store.list()] == []


@pytest.mark.grown
async def test_a_stranger_fetches_by_a_signed_url_until_it_ends(seaweedfs: Bucket, tmp_path: Path):
    store = await open_bucket(tmp_path, seaweedfs.under("with/prefix").address)
    blob = await _keep(store)
    url = await store.sign(blob, 60, "hello world.zip")
    assert url is not None
    assert SECRET_KEY not in url
    status, headers, body = open_url(url)
    assert (status, hashlib.sha256(body).hexdigest()) == (200, blob.sha256)
    assert headers["content-disposition"] == 'attachment; filename="hello world.zip"'
    assert headers["content-type"] == "application/zip"
    assert open_url(url, {"Range": "bytes=4-7"})[::2] == (206, CONTENT[4:8])
    assert open_url(url.replace("hello", "other"))[0] == 403
    signer = BucketClient(seaweedfs.address).make_signer()
    assert signer is not None
    assert open_url(signer.sign(f"with/prefix/{blob.local_path}", time.time() - 61, 60, {}))[0] == 403


def test_a_signature_is_amazons_own_example():
    """The documentation of Signature Version 4, "Authenticating Requests: Using Query Parameters"."""
    signer = Signer(
        "https://examplebucket.s3.amazonaws.com",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    url = signer.sign("test.txt", 1369353600, 86400, {})
    assert url.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


@pytest.mark.grown
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret_key": "another secret"}, "does not let the node write"),
        ({"access_key": "NOBODY"}, "does not let the node write"),
    ],
)
async def test_wrong_keys_are_a_wrong_setting_that_is_told_without_them(
    seaweedfs: Bucket, tmp_path: Path, change: dict[str, str], words: str
):
    keys = {"access_key": "PFNTESTKEY", "secret_key": SECRET_KEY} | change
    address = read_bucket_address("s3://blobs/keys", endpoint=seaweedfs.endpoint, **keys)
    with pytest.raises(PfnError, match=words) as caught:
        await open_bucket(tmp_path, address)
    assert caught.value.code is Code.CONFIG_INVALID
    assert keys["secret_key"] not in f"{caught.value} {caught.value.internal} {address!r}"


async def test_a_missing_bucket_is_no_missing_zip(rclone: Bucket, tmp_path: Path):
    address = read_bucket_address(
        "s3://elsewhere", endpoint=rclone.endpoint, access_key="PFNTESTKEY", secret_key=SECRET_KEY
    )
    with pytest.raises(PfnError, match="no such bucket") as caught:
        await open_bucket(tmp_path, address)
    assert caught.value.code is Code.CONFIG_INVALID
    store = await open_bucket(tmp_path, rclone.under("gone").address)
    store._client = BucketClient(address)
    for look in (store.require, store.matches):
        with pytest.raises(PfnError) as gone:
            await look(make_blob(CONTENT))
        assert gone.value.code is Code.STORAGE_UNAVAILABLE


async def test_a_bucket_that_is_away_is_opened_and_tried_later(tmp_path: Path):
    [port] = free_ports(1)
    store = await open_bucket(tmp_path, Bucket(f"http://127.0.0.1:{port}").address)
    blob = make_blob(CONTENT)
    for look in (lambda: store.require(blob), lambda: _keep(store)):
        with pytest.raises(PfnError) as caught:
            await look()
        assert caught.value.code is Code.STORAGE_UNAVAILABLE
        assert caught.value.retry_after
        assert caught.value.__cause__ is not None


async def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(PfnError, match=r"install pfn\[s3\]") as caught:
        await open_bucket(tmp_path, read_bucket_address("s3://bucket"))
    assert caught.value.code is Code.CONFIG_INVALID


@pytest.mark.parametrize(
    "url",
    ["https://bucket", "s3://", "s3://key:secret@bucket", "s3://bucket?x=1", "bucket", "s3://b/a b", "s3://b/%41"],
)
def test_other_addresses_are_refused(url: str):
    with pytest.raises(PfnError) as caught:
        read_bucket_address(url)
    assert caught.value.code is Code.CONFIG_INVALID


def test_half_a_key_or_a_strange_endpoint_is_refused():
    for wrong in ({"access_key": "one"}, {"secret_key": "one"}, {"endpoint": "ftp://x"}, {"endpoint": "http://a:b@x"}):
        with pytest.raises(PfnError) as caught:
            read_bucket_address("s3://bucket", **wrong)
        assert caught.value.code is Code.CONFIG_INVALID


def test_an_address_is_read_and_names_no_secret():
    address = read_bucket_address(
        "s3://my.bucket/a/b/", endpoint="https://s3.example/", access_key="one", secret_key="two"
    )
    assert (address.bucket, address.prefix, address.endpoint) == ("my.bucket", "a/b/", "https://s3.example")
    assert str(address) == "s3://my.bucket/a/b/ at https://s3.example"
    assert "two" not in repr(address)
