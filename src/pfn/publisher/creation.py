"""Make a publisher: settings, keys, version 1 of the key document, an empty catalogue.

What is there already is never overwritten, so an interrupted call can be made again: the settings file comes last, and
says that all before it is there. Keys made: release, ownership, v1; and a root key, unless others hold the root keys.
"""

from dataclasses import dataclass
from pathlib import Path

from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, PfnError
from pfn.publisher.files import write_file, writing
from pfn.publisher.folder import PublisherFolder, require_new
from pfn.publisher.key_change import RootKeys, change_document
from pfn.publisher.key_document import make_first_document
from pfn.publisher.keys import KEYS_NAME, Role, key_file, make_key, make_keys_folder
from pfn.publisher.profile import Profile, write_profile
from pfn.publisher.signed import read_chain, read_signed


@dataclass(frozen=True, slots=True)
class Roots:
    """Who can sign key documents: private keys in files, made where they are missing, and keys that others hold.

    Without any, one root key is made in the publisher's ``keys``.
    """

    files: tuple[Path, ...] = ()
    others: tuple[PublicKey, ...] = ()
    threshold: int = 1


@dataclass(frozen=True, slots=True)
class Created:
    """A new publisher. ``to_sign`` is the file that the root keys must still sign, None where all is signed."""

    folder: PublisherFolder
    root_keys: tuple[PublicKey, ...]
    v1_key: PublicKey
    to_sign: Path | None


def create_publisher(
    path: Path, profile: Profile, *, now: int, roots: Roots | None = None, sign_offline: Path | None = None
) -> Created:
    """Make a publisher in ``path``; with ``sign_offline`` what the root keys are to sign is written there.

    Raises PfnError: ``config_invalid`` where there is a publisher, the root keys at hand are too few, or the folder
    cannot be written; ``publisher_document`` where a key is given twice or the threshold cannot be.
    """
    require_new(path)
    roots = roots or Roots()
    folder = PublisherFolder(path, profile)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"Cannot write {error.filename}: {error.strerror}.") from error
    with writing(path):
        make_keys_folder(folder.keys)
        ignore = path / ".gitignore"
        if not ignore.exists():
            # Where the folder is checked out without its keys, they are put back into a folder that has none.
            write_file(ignore, f"/{KEYS_NAME}/\n".encode())
        files = roots.files or (() if roots.others else (key_file(folder.keys, Role.ROOT),))
        root_keys = (*(make_key(file).public_key for file in files), *roots.others)
        release, ownership, v1 = (
            make_key(key_file(folder.keys, role)).public_key for role in (Role.RELEASE, Role.OWNERSHIP, Role.V1)
        )
        to_sign = None
        if read_chain(folder):
            read_signed(folder)  # an interrupted call's: it must be of this username and address
        else:
            document = make_first_document(
                username=profile.username,
                instance_url=profile.public_url,
                root_keys=root_keys,
                threshold=roots.threshold,
                release_key=release,
                ownership_key=ownership,
                now=now,
            )
            to_sign = change_document(folder, document, RootKeys(files, sign_offline), now=now).to_sign
        write_file(folder.settings_file, write_profile(profile).encode())
    return Created(folder, root_keys, v1, to_sign)
