"""Where a bucket is and what opens it, read from what an operator wrote."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pfn.protocol.errors import Code, PfnError

# Nothing that one service would escape and another not.
_URL = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<prefix>(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?)")


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket; ``prefix`` is empty or ends with a slash, ``endpoint`` is None for Amazon's own.

    Without keys the client takes those of its surroundings: environment, instance, web identity.
    """

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Name the bucket, without what opens it."""
        where = f" at {self.endpoint}" if self.endpoint else ""
        return f"s3://{self.bucket}/{self.prefix}{where}"


def read_bucket_address(
    url: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> BucketAddress:
    """Read ``s3://bucket/prefix`` and what goes with it. Raises PfnError (``config_invalid``)."""
    match = _URL.fullmatch(url)
    if match is None:
        raise PfnError(
            Code.CONFIG_INVALID,
            "blobs_url: it must read s3://bucket or s3://bucket/prefix, of letters, digits and - . _ alone.",
        )
    if (access_key is None) != (secret_key is None):
        raise PfnError(Code.CONFIG_INVALID, "s3_access_key, s3_secret_key: both or neither must be set.")
    if endpoint is not None and (urlsplit(endpoint).scheme not in {"http", "https"} or "@" in endpoint):
        raise PfnError(Code.CONFIG_INVALID, "s3_endpoint: it must be an http or https URL without a name or password.")
    prefix = match["prefix"].strip("/")
    return BucketAddress(
        bucket=match["bucket"],
        prefix=f"{prefix}/" if prefix else "",
        endpoint=endpoint.rstrip("/") if endpoint else None,
        region=region,
        access_key=access_key,
        secret_key=secret_key,
    )
