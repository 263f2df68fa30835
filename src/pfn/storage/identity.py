"""The node's own keys: identity, log and witness, none used for two things; and a hash of its master key.

Files of mode 0600, written whole or not at all, never overwritten by accident. They lie in the data folder, or, where
several processes without a common disk are one node, in a folder that each of them is given, such as a mounted secret.
Nothing is written there but by ``pfn init``: were each process to make keys, they would be different nodes.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pfn.protocol.api_key import Prefix, generate_token
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.storage.blob_store import flush_folder

IDENTITY_NAME = "identity.key"
LOG_KEY_NAME = "log.key"
LOG_ORIGIN_NAME = "log.origin"
LOG_MARK_NAME = "log.checkpoint"
WITNESS_KEY_NAME = "witness.key"
MASTER_NAME = "master.sha256"
# A backup was restored here, and nobody was asked yet what was logged since; what is in it is when that was.
RESTORED_NAME = "log.restored"
# A backup is being restored here, and not all of it is there.
UNFINISHED_NAME = "restore.unfinished"


def load_identity(data: Path) -> SigningKey:
    """Give the node's key, made at the first call. Raises as ``load_key``."""
    return load_key(data / IDENTITY_NAME)


def require_keys(folder: Path) -> None:
    """Raise PfnError (``config_invalid``) unless a node's keys are all in a folder that was given for them."""
    for name in (IDENTITY_NAME, LOG_KEY_NAME, LOG_ORIGIN_NAME, WITNESS_KEY_NAME):
        if not (folder / name).exists():
            raise PfnError(
                Code.CONFIG_INVALID,
                f"keys: there is no {name} in {folder}. Make the keys of a new node once, with: pfn init",
            )


def load_log_origin(data: Path, default: str) -> str:
    """Give the name of the node's log: ``default`` at the first call, and the same ever after."""
    path = data / LOG_ORIGIN_NAME
    if not path.exists():
        with suppress(FileExistsError):
            write_file(path, default + "\n", os.link)
    return path.read_text(encoding="utf-8").strip()


def load_key(path: Path) -> SigningKey:
    """Give the key in a file, made at the first call.

    Raises PfnError (``config_invalid``) for a damaged file, which is left as it is.
    """
    if not path.exists():
        # Another process may make one at the same time: the first stays, and both read it.
        with suppress(FileExistsError):
            write_file(path, SigningKey.generate().pem, os.link)
    try:
        return SigningKey.from_pem(path.read_text(encoding="ascii", errors="replace"))
    except PfnError as error:
        raise PfnError(error.code, f"{path}: {error.detail} Restore the node's key from a backup.") from error


def read_master_hash(data: Path) -> str | None:
    """Give the hash of the master key that was made here, if one was."""
    path = data / MASTER_NAME
    return path.read_text(encoding="ascii").strip() if path.exists() else None


def make_master_key() -> str:
    """Make a master key: text to be shown once and then forgotten."""
    return generate_token(Prefix.MASTER, secrets.token_bytes).text


def keep_master_hash(data: Path, master_hash: str) -> None:
    """Keep the hash of the master key, in place of an earlier one."""
    write_file(data / MASTER_NAME, master_hash + "\n")


def write_file(path: Path, text: str, place: Callable[[Path, Path], None] = os.replace) -> None:
    """Write a small file whole or not at all, durable, for its owner's eyes alone; ``place`` moves it to its name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)
