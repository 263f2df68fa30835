"""One bucket through ``obstore``: objects by key, in the words of this house.

Every error of the bucket or the way to it is PfnError (``storage_unavailable``) with a wait; what the service said goes
into ``internal`` without the body of its answer, which may quote what a request was signed with. Whoever is asked too
often or fails is asked again a few times within seconds (``obstore`` does that); what fails still is the caller's
matter. Writing has a longer time-out than the rest, for a zip goes up in one piece.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pfn.protocol.errors import Code, PfnError
from pfn.storage.bucket_address import BucketAddress
from pfn.storage.presign import Signer

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

RETRY_AFTER_S = 30
_TIMEOUT = timedelta(seconds=30)
_UPLOAD_TIMEOUT = timedelta(seconds=300)
_PIECE = 1024 * 1024
_LISTED_AT_ONCE = 1000
_ATTRIBUTES = {"Content-Type": "application/zip"}
_REASON = re.compile(r"<Code>(\w{1,64})</Code>")


class BucketRefusedError(PfnError):
    """The bucket is there and says no: other keys or rights are needed, or there is no such bucket."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object; ``modified_at`` in Unix seconds."""

    key: str
    size: int
    modified_at: float


class BucketClient:
    """The objects below the address's prefix. Needs the extra ``s3``: raises PfnError (``config_invalid``) without."""

    def __init__(self, address: BucketAddress) -> None:
        try:
            import obstore
        except ImportError as error:
            raise PfnError(
                Code.CONFIG_INVALID,
                "blobs_url: zips in a bucket need the extra s3, which is not installed; install pfn[s3].",
            ) from error
        self._obstore = obstore
        self.address = address
        self._store = _open(address, _TIMEOUT)
        self._uploads = _open(address, _UPLOAD_TIMEOUT)

    def make_signer(self) -> Signer | None:
        """Give what signs URLs for strangers; None where the keys are those of the surroundings, which change."""
        address = self.address
        if address.access_key is None or address.secret_key is None:
            return None
        region = self._store.config.get("region") or "us-east-1"
        endpoint = self._store.config.get("endpoint") or f"https://s3.{region}.amazonaws.com"
        return Signer(f"{endpoint.rstrip('/')}/{address.bucket}", region, address.access_key, address.secret_key)

    async def put(self, key: str, content: Path | bytes, *, create: bool) -> bool:
        """Write an object, durable and whole once this returns; with ``create`` False tells that there is one already.

        The service compares what came with its SHA-256, and with the signature over it.
        """
        with self._errors("write"):
            try:
                await self._obstore.put_async(
                    self._uploads,
                    key,
                    content,
                    attributes=_ATTRIBUTES,
                    mode="create" if create else "overwrite",
                    use_multipart=False,
                )
            except self._obstore.exceptions.AlreadyExistsError:
                return False
        return True

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """Give a whole object, in pieces. Raises FileNotFoundError."""
        with self._errors("read"):
            result = await self._obstore.get_async(self._uploads, key)
            async for piece in result.stream(min_chunk_size=_PIECE):
                yield bytes(piece)

    async def get_range(self, key: str, first: int, length: int) -> tuple[bytes, int]:
        """Give a part of an object, shorter where the object ends, and the object's size. Raises FileNotFoundError.

        Where it ends before ``first`` there is nothing to give, and no size.
        """
        with self._errors("read"):
            options: Any = {"range": (first, first + length)}
            try:
                result = await self._obstore.get_async(self._store, key, options=options)
            except self._obstore.exceptions.BaseError as error:
                if "416" in _sum_up(error):
                    return b"", 0
                raise
            return bytes(await result.bytes_async()), result.meta["size"]

    async def head(self, key: str) -> StoredObject | None:
        """Look whether there is an object."""
        with self._errors("read"):
            try:
                return _read(await self._obstore.head_async(self._store, key))
            except FileNotFoundError:
                return None

    async def list(self, prefix: str, after: str | None = None) -> AsyncIterator[StoredObject]:
        """Give the objects below ``prefix``, a folder, from behind the key ``after`` on, as the service orders them."""
        with self._errors("list"):
            stream = self._obstore.list(self._store, prefix, offset=after, chunk_size=_LISTED_AT_ONCE)
            async for page in stream:
                for one in page:
                    yield _read(one)

    async def ping(self) -> None:
        """Ask for nothing, to see whether there is an answer."""
        async for _ in self.list("nothing"):
            pass

    async def copy(self, source: str, target: str) -> bool:
        """Copy an object within the bucket; False where there is none."""
        with self._errors("write"):
            try:
                await self._obstore.copy_async(self._uploads, source, target)
            except FileNotFoundError:
                return False
        return True

    async def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with self._errors("delete"):
            try:
                await self._obstore.delete_async(self._store, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        known = self._obstore.exceptions
        try:
            yield
        except (known.BaseError, OSError) as error:
            said = _sum_up(error)
            if "NoSuchBucket" in said:
                detail = "There is no such bucket as the one for the zips."
                raise BucketRefusedError(
                    Code.STORAGE_UNAVAILABLE, detail, internal=said, retry_after=RETRY_AFTER_S
                ) from error
            if isinstance(error, FileNotFoundError):
                raise
            if isinstance(error, known.PermissionDeniedError | known.UnauthenticatedError):
                detail = f"The bucket for the zips does not let the node {doing} there."
                raise BucketRefusedError(
                    Code.STORAGE_UNAVAILABLE, detail, internal=said, retry_after=RETRY_AFTER_S
                ) from error
            detail = "The bucket for the zips does not answer as it should; try again later."
            raise PfnError(Code.STORAGE_UNAVAILABLE, detail, internal=said, retry_after=RETRY_AFTER_S) from error


def _open(address: BucketAddress, timeout: timedelta) -> "S3Store":
    from obstore.store import S3Store

    given: dict[str, Any] = {
        "endpoint": address.endpoint,
        "region": address.region,
        "access_key_id": address.access_key,
        "secret_access_key": address.secret_key,
    }
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        checksum_algorithm="sha256",
        # One at a time goes everywhere; many at once is not known to every service.
        disable_bulk_delete=True,
        client_options={
            "allow_http": (address.endpoint or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timeout,
        },
        retry_config={
            "max_retries": 3,
            "retry_timeout": timedelta(seconds=20),
            "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2},
        },
        **{name: value for name, value in given.items() if value is not None},
    )


def _read(found: "ObjectMeta") -> StoredObject:
    return StoredObject(found["path"], found["size"], found["last_modified"].timestamp())


def _sum_up(error: BaseException) -> str:
    """Tell what happened in a line, without the body of the service's answer but for its code."""
    text = str(error)
    reason = _REASON.search(text)
    line = text.partition("<")[0].partition("\n")[0][:300].strip()
    return f"{line} {reason[1]}" if reason else line
