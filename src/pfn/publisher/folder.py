"""A publisher's folder: who publishes, its keys, and all that is signed.

``publisher.toml`` (the profile), ``keys`` (the private keys), and ``signed``: every signed document and every zip, each
where it is below the instance URL (``paths``), so that the folder can be served as it is. Rules: who and where, once in
a signed document, cannot change; a folder may be used without keys that the command at hand does not need.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.naming_scheme import asset_url
from pfn.publisher.documents import NAMING_SCHEME
from pfn.publisher.keys import KEYS_NAME
from pfn.publisher.profile import Profile, read_profile

SETTINGS_NAME: Final = "publisher.toml"
SIGNED_NAME: Final = "signed"
# Of the first kind of publisher, which had one key for everything.
_OLD_KEY_NAME: Final = "publisher.key"


@dataclass(frozen=True, slots=True)
class PublisherFolder:
    """An opened folder."""

    path: Path
    profile: Profile

    @property
    def settings_file(self) -> Path:
        """Where the profile is."""
        return self.path / SETTINGS_NAME

    @property
    def keys(self) -> Path:
        """Where the private keys are."""
        return self.path / KEYS_NAME

    @property
    def signed(self) -> Path:
        """Where all that is signed is, as it is served."""
        return self.path / SIGNED_NAME

    def zip_url(self, slug: str, version: str) -> str:
        """Give the URL of a zip."""
        profile = self.profile
        return asset_url(profile.public_url, NAMING_SCHEME, author=profile.username, slug=slug, version=version)


def open_folder(path: Path) -> PublisherFolder:
    """Open the publisher in ``path``. Raises PfnError (``config_invalid``) where something is missing or wrong."""
    settings_file = path / SETTINGS_NAME
    try:
        values = tomllib.loads(settings_file.read_text(encoding="utf-8"))
        return PublisherFolder(path, read_profile(values, str(settings_file)))
    except FileNotFoundError as error:
        raise _invalid(
            f"{error.filename} is missing. Make a publisher with: pfn publisher init {path} --username NAME "
            "--public-url https://…"
        ) from error
    except OSError as error:
        raise _invalid(f"Cannot read {error.filename}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(f"{settings_file} cannot be read: {error}.") from error


def require_new(path: Path) -> None:
    """Raise PfnError (``config_invalid``) where there is a publisher in ``path`` already."""
    if not (path / SETTINGS_NAME).exists():
        return
    if (path / KEYS_NAME / _OLD_KEY_NAME).exists():
        raise _invalid(
            f"{path} holds a publisher of the first kind, with one key. So that nodes that know this key can go on: "
            f"rename {KEYS_NAME}/{_OLD_KEY_NAME} to {KEYS_NAME}/v1.key, move {SETTINGS_NAME} aside, call init again."
        )
    raise _invalid(f"There is a publisher in {path} already; nothing was changed.")


def _invalid(detail: str) -> PfnError:
    return PfnError(Code.CONFIG_INVALID, detail)
