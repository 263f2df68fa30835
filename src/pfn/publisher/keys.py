"""A publisher's private keys, as files: which there are, which one is meant, how a new one is made.

One file per key, PKCS#8 PEM, mode 0600, in ``keys`` (mode 0700, never in version control): ``root.key``,
``release.key``, ``ownership.key``, ``v1.key``, and what is made in their place later: ``release.3.key`` for version 3
of the key document. The name only says for which role it was made; which key is used is said by the key document: the
newest one listed there whose file is here. So a change of keys needs no renaming, and an interrupted one does no harm.

Rules: a key file is never overwritten or deleted; a key that others on the machine can read is not used; what is said
of a file never repeats what is in it.
"""

import stat
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final

from pfn.protocol.ed25519 import PublicKey, SigningKey, parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.publisher.files import SECRET_MODE, write_file

KEYS_NAME: Final = "keys"


class Role(StrEnum):
    """What a key is for; the key of one role never signs for another."""

    ROOT = "root"
    RELEASE = "release"
    OWNERSHIP = "ownership"
    V1 = "v1"


def make_keys_folder(path: Path) -> None:
    """Make the folder for keys, for its owner alone and out of version control. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = path / ".gitignore"
    if not ignore.exists():
        write_file(ignore, b"*\n")


def key_file(keys: Path, role: Role, version: int = 1) -> Path:
    """Give the file of the key made in this role for a version of the key document."""
    return keys / (f"{role.value}.key" if version == 1 else f"{role.value}.{version}.key")


def read_key(path: Path) -> SigningKey:
    """Read a private key. Raises PfnError (``config_invalid``)."""
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            raise _invalid(f"Everyone on this machine can use {path}. Run: chmod 600 {path}")
        return SigningKey.from_pem(path.read_text(encoding="ascii"))
    except UnicodeDecodeError as error:
        raise _invalid(f"{path} is no PEM file.") from error
    except OSError as error:
        raise _invalid(f"Cannot read {path}: {error.strerror}.") from error
    except PfnError as error:
        raise error if str(path) in error.detail else _invalid(f"{path}: {error.detail}") from error


def make_key(path: Path) -> SigningKey:
    """Make a new private key in ``path``, or read the one that is there: an interrupted command can be given again.

    Raises PfnError (``config_invalid``).
    """
    if not path.exists():
        try:
            write_file(path, SigningKey.generate().pem.encode(), mode=SECRET_MODE)
        except OSError as error:
            raise _invalid(f"Cannot write {error.filename or path}: {error.strerror}.") from error
    return read_key(path)


def take_key(path: Path) -> PublicKey:
    """Give the public key of a new key: read where ``path`` holds a public key, else as ``make_key`` does.

    Raises PfnError: ``config_invalid``, ``invalid_public_key``.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(f"{path} cannot be read as a key.") from error
    return parse_public_key(text) if "PUBLIC KEY-----" in text else make_key(path).public_key


def find_key(keys: Path, role: Role, listed: Iterable[PublicKey]) -> SigningKey | None:
    """Give the last of ``listed`` whose private key is here. Raises PfnError (``config_invalid``) for a wrong file."""
    here = {key.public_key: key for key in (read_key(path) for path in sorted(keys.glob(f"{role.value}*.key")))}
    return next((here[key] for key in reversed(list(listed)) if key in here), None)


def _invalid(detail: str) -> PfnError:
    return PfnError(Code.CONFIG_INVALID, detail)
