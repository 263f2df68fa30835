"""The node's own secrets in its data folder: its Ed25519 identity, and a hash of its master key.

Files of mode 0600, written whole or not at all, never overwritten by accident.
"""

import os
import secrets
from pathlib import Path

from pfn.protocol.api_key import Prefix, generate_token
from pfn.protocol.ed25519 import SigningKey

IDENTITY_NAME = "identity.key"
MASTER_NAME = "master.sha256"


def load_identity(data: Path) -> SigningKey:
    """Give the node's key, made at the first call. Raises PfnError (``invalid_public_key``) for a damaged file."""
    path = data / IDENTITY_NAME
    if not path.exists():
        _write_secret(path, SigningKey.generate().pem)
    return SigningKey.from_pem(path.read_text(encoding="ascii"))


def read_master_hash(data: Path) -> str | None:
    """Give the hash of the master key that was made here, if one was."""
    path = data / MASTER_NAME
    return path.read_text(encoding="ascii").strip() if path.exists() else None


def make_master_key() -> str:
    """Make a master key: text to be shown once and then forgotten."""
    return generate_token(Prefix.MASTER, secrets.token_bytes).text


def keep_master_hash(data: Path, master_hash: str) -> None:
    """Keep the hash of the master key, in place of an earlier one."""
    _write_secret(data / MASTER_NAME, master_hash + "\n")


def _write_secret(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
