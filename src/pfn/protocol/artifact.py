"""The zip against what its publisher signed (protocol.md sections 3.2 and 3.3).

Answers for: length and both digests of the statement; the artifact signature, Ed25519 over the raw 48 bytes of the
zip's SHA-384, the one message that WordPress itself checks (facts: client contracts 3d); the hash of a file manifest.

Does not answer for: reading the zip. Callers bring its length and digests.
"""

import hashlib
from collections.abc import Iterable

from pfn.protocol.ed25519 import PublicKey, SigningKey, verify
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.release_statement import ReleaseStatement

SHA384_BYTES = 48


def check_artifact(statement: ReleaseStatement, *, length: int, sha256: str, sha384: str) -> None:
    """Raise SecurityError (``artifact_digest``) unless these, digests in hex, are the statement's."""
    if length != statement.length:
        raise SecurityError(
            Code.ARTIFACT_DIGEST, f"The zip has {length} bytes; the publisher signed one of {statement.length}."
        )
    if (sha256, sha384) != (statement.sha256, statement.sha384):
        raise SecurityError(
            Code.ARTIFACT_DIGEST, f"The zip's SHA-256 is {sha256}; the publisher signed {statement.sha256}."
        )


def sign_artifact(key: SigningKey, sha384: bytes) -> bytes:
    """The 64 bytes served in base64 as ``X-Content-Signature`` and ``.sig``; ``sha384`` is the raw digest."""
    return key.sign(_require_digest(sha384))


def check_artifact_signature(keys: Iterable[PublicKey], *, sha384: bytes, signature: bytes) -> PublicKey:
    """The one of ``keys`` that signed the raw 48-byte digest. Raises SecurityError (``artifact_signature``)."""
    message = _require_digest(sha384)
    for key in keys:
        if verify(key, message, signature):
            return key
    raise SecurityError(Code.ARTIFACT_SIGNATURE, "The signature beside the zip is by no release key over these bytes.")


def manifest_hash(files: Iterable[tuple[str, int, str]]) -> str:
    """SHA-256, in hex, over one line per file (path, size in bytes, SHA-256 in hex), sorted by the path's bytes.

    A line is ``sha256 size path`` with single spaces and a newline, in UTF-8.
    """
    lines = []
    for path, size, sha256 in sorted(files):
        if "\n" in path:
            raise ValueError("a path in a manifest has no line ends")
        lines.append(f"{sha256} {size} {path}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _require_digest(sha384: bytes) -> bytes:
    # Of another length it could be another message, a challenge for instance.
    if len(sha384) != SHA384_BYTES:
        raise ValueError(f"a SHA-384 digest has {SHA384_BYTES} bytes, not {len(sha384)}")
    return sha384
