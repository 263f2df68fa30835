"""A publisher's folder: its profile, its key, and a place for the zips.

``publisher.toml`` and ``keys/publisher.key`` (PKCS#8 PEM, mode 0600, in a folder of mode 0700). The zips are the
library's matter. Rules: a file that is there is never overwritten; a key that others on the machine can read is not
used.
"""

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.publisher.profile import Profile, read_profile, write_profile

SETTINGS_NAME: Final = "publisher.toml"
KEYS_NAME: Final = "keys"
KEY_NAME: Final = "publisher.key"
PLUGINS_NAME: Final = "plugins"


@dataclass(frozen=True, slots=True)
class PublisherFolder:
    """An opened folder."""

    path: Path
    profile: Profile
    key: SigningKey

    @property
    def settings_file(self) -> Path:
        """Where the profile is."""
        return self.path / SETTINGS_NAME

    @property
    def key_file(self) -> Path:
        """Where the private key is."""
        return self.path / KEYS_NAME / KEY_NAME


def create_folder(path: Path, profile: Profile) -> PublisherFolder:
    """Make a publisher in ``path``, which may hold zips already, and open it.

    A key that is there already is kept and used, so that an interrupted call can be made again. Raises PfnError
    (``config_invalid``) where there is a publisher, or the folder cannot be written.
    """
    settings_file = path / SETTINGS_NAME
    key_file = path / KEYS_NAME / KEY_NAME
    if settings_file.exists():
        raise _invalid(f"There is a publisher in {path} already; nothing was changed.")
    try:
        (path / PLUGINS_NAME).mkdir(parents=True, exist_ok=True)
        key_file.parent.mkdir(mode=0o700, exist_ok=True)
        if not key_file.exists():
            _write_new(key_file, SigningKey.generate().pem, 0o600)
        _write_new(settings_file, write_profile(profile), 0o644)
    except OSError as error:
        raise _invalid(f"Cannot write {error.filename}: {error.strerror}.") from error
    return open_folder(path)


def open_folder(path: Path) -> PublisherFolder:
    """Open the publisher in ``path``. Raises PfnError (``config_invalid``) where something is missing or wrong."""
    settings_file = path / SETTINGS_NAME
    try:
        values = tomllib.loads(settings_file.read_text(encoding="utf-8"))
        profile = read_profile(values, str(settings_file))
        return PublisherFolder(path, profile, _read_key(path / KEYS_NAME / KEY_NAME))
    except FileNotFoundError as error:
        raise _invalid(
            f"{error.filename} is missing. Make a publisher with: pfn publisher init {path} --username NAME"
        ) from error
    except OSError as error:
        raise _invalid(f"Cannot read {error.filename}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(f"{settings_file} cannot be read: {error}.") from error


def _read_key(path: Path) -> SigningKey:
    if path.stat().st_mode & stat.S_IRWXO:
        raise _invalid(f"Everyone on this machine can use {path}. Run: chmod 600 {path}")
    try:
        return SigningKey.from_pem(path.read_text(encoding="ascii"))
    except UnicodeDecodeError as error:
        raise _invalid(f"{path} is no PEM file.") from error
    except PfnError as error:
        raise _invalid(f"{path}: {error.detail}") from error


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _invalid(detail: str) -> PfnError:
    return PfnError(Code.CONFIG_INVALID, detail)
