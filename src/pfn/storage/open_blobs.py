"""Open the blob store that an operator chose: a folder, or a bucket."""

import asyncio
from pathlib import Path

from pfn.storage.blob_store import BlobStore
from pfn.storage.bucket_address import BucketAddress
from pfn.storage.file_blobs import FileBlobStore


async def open_blobs(folder: Path, address: BucketAddress | None) -> BlobStore:
    """Give the store: files in ``folder``, or the bucket at ``address`` with temporary files in ``folder``.

    Raises PfnError (``config_invalid``) where the bucket's client is not installed or the bucket is refused.
    """
    if address is None:
        return await asyncio.to_thread(FileBlobStore, folder)
    # Only who keeps zips in a bucket needs its client, the extra s3.
    from pfn.storage.bucket import open_bucket

    return await open_bucket(folder / "tmp", address)
