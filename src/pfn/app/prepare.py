"""What a node needs before it is wired: its folder, its keys, its schema; and what the settings say of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pfn import __version__
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.cosignature import Cosigner
from pfn.protocol.log.note import NoteSigner
from pfn.protocol.peer import NodeDescription
from pfn.protocol.source_id import normalize_instance_url
from pfn.services.access import hash_master_key
from pfn.services.backup_manifest import BLOBS_NAME, ROWS_NAME
from pfn.settings import Settings
from pfn.storage.bucket_address import BucketAddress, read_bucket_address
from pfn.storage.database import sqlite_url
from pfn.storage.identity import (
    LOG_KEY_NAME,
    UNFINISHED_NAME,
    WITNESS_KEY_NAME,
    keep_master_hash,
    load_identity,
    load_key,
    load_log_origin,
    make_master_key,
    read_master_hash,
    require_keys,
)
from pfn.storage.migrate import migrate


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data folder ready to serve. ``new_master_key`` is there only when one was made just now: show it.

    ``identity``, ``log`` and ``witness`` are three keys, none of them used for two things. ``origins`` tells where
    settings came from, as far as that is known.
    """

    settings: Settings
    identity: SigningKey
    log: NoteSigner
    witness: Cosigner
    master_hash: str
    new_master_key: str | None
    origins: Mapping[str, str] = field(default_factory=dict)


def open_folder(data: Path) -> None:
    """Make the data folder where it is missing. Raises PfnError (``config_invalid``) where this user may not use it."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = [data, *sorted(data.iterdir())]
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"data: {data} is no folder that can be used: {error.strerror}.") from error
    written = {data, data / ROWS_NAME, data / BLOBS_NAME}
    for path in names:
        if not os.access(path, os.R_OK | (os.W_OK if path in written else 0), effective_ids=True):
            raise PfnError(
                Code.CONFIG_INVALID,
                f"data: user {os.geteuid()} may not {'write to' if path in written else 'read'} {path}. Run pfn as the "
                f"folder's owner, or give it all to that user: chown -R USER {data}",
            )


def prepare(settings: Settings, *, make_keys: bool = False, renew_master_key: bool = False) -> Prepared:
    """Make what a node needs before it serves: its folder, its keys, a master key, an up-to-date schema.

    Doing it again changes nothing, unless a new master key is asked for, which ends the old one. The names of log and
    witness stay what they were first, whatever address the node gets. In a folder of their own keys are made only where
    ``make_keys`` says so; it may be read-only otherwise.
    Raises PfnError: ``schema_newer``, ``config_invalid``.
    """
    open_folder(settings.data)
    if (settings.data / UNFINISHED_NAME).exists():
        raise PfnError(
            Code.CONFIG_INVALID, f"The backup restored into {settings.data} is not all there; run pfn restore again."
        )
    keys = settings.keys_folder
    if settings.keys is not None:
        if make_keys:
            keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            require_keys(keys)
    host = node_url(settings).split("/")[2]
    origin = load_log_origin(keys, f"{host}/pfn")
    unlocked = partial(
        Prepared,
        settings,
        load_identity(keys),
        NoteSigner(origin, load_key(keys / LOG_KEY_NAME)),
        Cosigner(f"{origin.rpartition('/')[0] or origin}/witness", load_key(keys / WITNESS_KEY_NAME)),
    )
    migrate(database_url(settings))
    if settings.master_key_text is not None:
        return unlocked(hash_master_key(settings.master_key_text), None)
    known = read_master_hash(keys)
    if known is not None and not renew_master_key:
        return unlocked(known, None)
    if settings.keys is not None and not make_keys:
        raise PfnError(Code.CONFIG_INVALID, f"keys: there is no master key's hash in {keys}; run pfn init, or set one.")
    key = make_master_key()
    master_hash = hash_master_key(key)
    keep_master_hash(keys, master_hash)
    return unlocked(master_hash, key)


def no_node(settings: Settings) -> PfnError:
    """Give the error (``data_missing``) that there is no node in its folder, and what to do."""
    return PfnError(Code.DATA_MISSING, f"There is no node in {settings.data}; make one with: pfn init")


def node_url(settings: Settings) -> str:
    """Give the one spelling of where clients and peers reach the node. Raises PfnError (``config_invalid``)."""
    try:
        return normalize_instance_url(settings.address)
    except PfnError as error:
        raise PfnError(Code.CONFIG_INVALID, f"public_url: {settings.address}: {error.detail}") from error


def describe_node(prepared: Prepared) -> NodeDescription:
    """Give what the node says of itself."""
    settings = prepared.settings
    url = node_url(settings)
    host = url.split("/")[2]
    return NodeDescription(
        name=settings.node_name or host,
        url=url,
        operator=settings.operator or host,
        origin=prepared.log.name,
        identity_key=prepared.identity.public_key,
        log_key=prepared.log.verifier_key,
        witness_key=prepared.witness.verifier_key,
        software="pfn",
        version=__version__,
    )


def database_url(settings: Settings) -> str:
    """Give where the rows are."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return sqlite_url(settings.data / ROWS_NAME)


def bucket_address(settings: Settings) -> BucketAddress | None:
    """Give where the zips are; None where they are files in the data folder. Raises PfnError (``config_invalid``)."""
    if settings.blobs_url is None:
        return None
    return read_bucket_address(
        settings.blobs_url,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None,
    )


def outbound_policy(settings: Settings) -> OutboundPolicy:
    """Give what the node may reach."""
    return OutboundPolicy(
        allowed_ports=frozenset(settings.allow_ports),
        allowed_hosts=frozenset(settings.allow_hosts),
        allow_loopback=settings.allow_loopback,
    )


def warnings(settings: Settings) -> tuple[str, ...]:
    """Give the sentences an operator should see on every page and in ``pfn doctor``."""
    found = []
    if settings.allow_loopback:
        found.append("Publishers on this machine may be reached over http (allow_loopback): for development only.")
    if settings.allow_hosts:
        found.append(
            f"These hosts may be reached over http and at private addresses (allow_hosts): "
            f"{', '.join(settings.allow_hosts)}."
        )
    if settings.allow_unsigned:
        found.append("Plugins without a signature are mirrored (allow_unsigned).")
    return tuple(found)
