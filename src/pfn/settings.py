"""Every setting, its default and its meaning.

A setting comes from, strongest first: the command line, the environment (``PFN_NAME``), a secret file
(``PFN_SECRETS_DIR/name``), the TOML file (``PFN_CONFIG``, else ``pfn.toml`` in the data folder), the default.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from pfn.domain.setting import SettingInForce
from pfn.protocol.errors import Code, PfnError

PREFIX = "PFN_"
CONFIG_NAME = "pfn.toml"
DEFAULT_DATA = Path("pfn-data")


class Settings(BaseModel):
    """What holds for one node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[Path, Field(description="The folder for rows, zips and keys.")] = DEFAULT_DATA
    keys: Annotated[
        Path | None,
        Field(description="The folder of the node's keys, the same for all its processes; by default the data folder."),
    ] = None
    host: Annotated[str, Field(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(description="The port to listen on.", ge=0, le=65535)] = 8080
    public_url: Annotated[
        str | None, Field(description="Where clients reach the node; by default http://host:port.")
    ] = None
    node_name: Annotated[
        str | None,
        Field(
            description="What the node calls itself among its peers; by default its host.", min_length=1, max_length=200
        ),
    ] = None
    operator: Annotated[
        str | None,
        Field(
            description="Who runs the node, as its peers are told; by default its host.", min_length=1, max_length=200
        ),
    ] = None
    database_url: Annotated[
        SecretStr | None,
        Field(description="Where the rows are (postgresql+psycopg://…); by default a SQLite file in the data folder."),
    ] = None
    blobs_url: Annotated[
        str | None,
        Field(description="A bucket for the zips (s3://bucket/prefix); by default they are files in the data folder."),
    ] = None
    s3_endpoint: Annotated[
        str | None, Field(description="Where the bucket's service is (https://host:port); by default Amazon's.")
    ] = None
    s3_region: Annotated[str | None, Field(description="The bucket's region.")] = None
    s3_access_key: Annotated[
        str | None, Field(description="The bucket's access key; by default that of the environment or the machine.")
    ] = None
    s3_secret_key: Annotated[SecretStr | None, Field(description="The secret that goes with the access key.")] = None
    download_presigned: Annotated[
        bool, Field(description="Send those who download from /dl on to the bucket, by a URL that holds for minutes.")
    ] = False
    master_key: Annotated[
        SecretStr | None,
        Field(description="The master key; by default one is made at the first start and shown once."),
    ] = None
    allow_unsigned: Annotated[
        bool,
        Field(description="Mirror plugins that carry no signature, for sources that do not say otherwise."),
    ] = False
    allow_loopback: Annotated[
        bool,
        Field(description="For development: reach publishers on this machine, over http and on any port."),
    ] = False
    allow_hosts: Annotated[
        tuple[str, ...],
        Field(description="Hosts reached over http, on any port and at private addresses, comma-separated."),
    ] = ()
    allow_ports: Annotated[
        tuple[int, ...], Field(description="Ports of publishers reached over https, comma-separated.")
    ] = (443,)
    max_zip_bytes: Annotated[int, Field(description="The largest zip that is mirrored.", ge=1)] = 64 * 1024 * 1024
    max_body_bytes: Annotated[int, Field(description="The largest request body.", ge=1)] = 256 * 1024
    bad_key_limit: Annotated[
        int, Field(description="Wrong API keys an address may send in a minute; 0 for no limit.", ge=0)
    ] = 10
    sync_concurrency: Annotated[int, Field(description="Zips fetched from one publisher at a time.", ge=1, le=64)] = 4
    zip_workers: Annotated[int, Field(description="Processes that judge zips.", ge=1, le=64)] = 1
    work: Annotated[bool, Field(description="Do the due work in `pfn serve`; off where `pfn work` does it.")] = True
    work_concurrency: Annotated[int, Field(description="Due things done at a time by one process.", ge=1, le=256)] = 8
    lease_seconds: Annotated[
        int, Field(description="Seconds without a heartbeat after which others take work over.", ge=1, le=3600)
    ] = 60
    sync_every: Annotated[
        int, Field(description="Seconds between two syncs of a source, at first; then it adapts.", ge=1)
    ] = 3600
    probe_every: Annotated[int, Field(description="Seconds between two health probes of a source.", ge=1)] = 600
    verify_every: Annotated[int, Field(description="Seconds between two key checks of a source.", ge=1)] = 86_400
    recheck_every: Annotated[
        int, Field(description="Seconds between two looks at the stored bytes of a source.", ge=1)
    ] = 86_400
    recheck_bytes: Annotated[
        int, Field(description="Stored bytes of a source that one look reads, oldest look first.", ge=1)
    ] = 1024 * 1024 * 1024
    scrub_every: Annotated[
        int, Field(description="Seconds after which stored bytes that nothing looked at are looked at.", ge=60)
    ] = 7 * 86_400
    scrub_rate: Annotated[
        int, Field(description="Bytes a second that a look over the whole store reads; 0 for no limit.", ge=0)
    ] = 50_000_000
    gc_grace_days: Annotated[
        int, Field(description="Days that bytes nothing needs are kept; 0 keeps them for ever.", ge=0)
    ] = 7
    keep_versions: Annotated[
        int, Field(description="Newest versions of a plugin whose bytes are kept; 0 for all.", ge=0)
    ] = 0
    keep_versions_days: Annotated[
        int, Field(description="Days that the bytes of older versions are kept too.", ge=0, le=36_500)
    ] = 365
    events_keep_days: Annotated[int, Field(description="Days the activity is kept; 0 for ever.", ge=0)] = 730
    history_keep_days: Annotated[
        int, Field(description="Days that syncs, verifications and deliveries are kept.", ge=31)
    ] = 365
    quota_plugins: Annotated[int, Field(description="Plugins mirrored of one source; 0 for no limit.", ge=0)] = 20_000
    quota_bytes: Annotated[int, Field(description="Bytes mirrored of one source; 0 for no limit.", ge=0)] = (
        50 * 1024 * 1024 * 1024
    )
    min_free_bytes: Annotated[
        int, Field(description="Free bytes on the disk below which nothing new is mirrored.", ge=0)
    ] = 256 * 1024 * 1024
    download_redirect: Annotated[
        str | None,
        Field(
            description="A public copy of the blobs folder; those who download from /dl are sent on to it.",
            pattern=r"^https?://[^\s?#]+$",
        ),
    ] = None
    download_offload: Annotated[
        Literal["none", "x-accel-redirect", "x-sendfile"],
        Field(description="How the proxy in front is told to send a zip itself; none where it does not."),
    ] = "none"
    download_offload_prefix: Annotated[
        str,
        Field(description="Where the proxy has the blobs folder, for x-accel-redirect.", pattern=r"^/[^\s?#]*$"),
    ] = "/pfn-blobs/"
    address_limit: Annotated[
        int, Field(description="Requests an address may send in a minute; 0 for no limit.", ge=0)
    ] = 1200
    key_limit: Annotated[int, Field(description="Requests an API key may send in a minute; 0 for no limit.", ge=0)] = (
        2400
    )
    max_streams: Annotated[int, Field(description="Live event streams at a time.", ge=0)] = 1000
    accept_peer_sources: Annotated[
        bool, Field(description="Register sources that peers mirror without asking the operator.")
    ] = False
    unproven_sources: Annotated[
        int,
        Field(description="Sources that have not proven their key here, above which peers' sources await you.", ge=0),
    ] = 100
    peer_entries: Annotated[
        int, Field(description="Entries of a peer's log that are read; a longer log is refused.", ge=1)
    ] = 5_000_000
    witness_quorum: Annotated[
        int,
        Field(description="Operators of peers that must have witnessed the log for it to count as witnessed.", ge=0),
    ] = 0
    trusted_proxies: Annotated[
        tuple[str, ...],
        Field(description="Addresses or networks of proxies whose X-Forwarded-For is believed, comma-separated."),
    ] = ()
    open_catalogue: Annotated[
        bool,
        Field(description="Show the pages of plugins, sources and activity to everyone; the API stays as it is."),
    ] = True
    open_metrics: Annotated[bool, Field(description="Show /metrics without a key.")] = False
    tracing: Annotated[
        str | None,
        Field(
            description="An OpenTelemetry collector (OTLP over HTTP) that is sent spans, by its base URL.",
            pattern=r"^https?://[^\s?#@]+$",
        ),
    ] = None
    log_format: Annotated[Literal["console", "json"], Field(description="console or json.")] = "console"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="debug, info, warning or error.")
    ] = "info"

    @field_validator("allow_hosts", "allow_ports", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text, strict=False)
        return value

    @property
    def keys_folder(self) -> Path:
        """Where the node's keys are."""
        return self.data if self.keys is None else self.keys

    @property
    def address(self) -> str:
        """Where clients reach the node."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def origin(self) -> str:
        """The address without a path: how the node names itself in ownership challenges."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def master_key_text(self) -> str | None:
        """The configured master key, if any."""
        return None if self.master_key is None else self.master_key.get_secret_value()


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and for each where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(flags: Mapping[str, object], environment: Mapping[str, str]) -> LoadedSettings:
    """Bring the settings together; ``flags`` with the value None were not given.

    Raises PfnError (``config_invalid``) naming the setting, where it came from and what is wrong.
    """
    given = {name: (value, f"--{name.replace('_', '-')}") for name, value in flags.items() if value is not None}
    layers = [
        _from_file(_config_path(given, environment), required="PFN_CONFIG" in environment),
        _from_secrets(environment),
        _from_environment(environment),
        given,
    ]
    merged: dict[str, tuple[object, str]] = {}
    for layer in layers:
        merged |= layer
    unknown = sorted(merged.keys() - Settings.model_fields.keys())
    if unknown:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"{merged[unknown[0]][1]}: there is no setting named {unknown[0]!r}; see: pfn config --help",
        )
    try:
        settings = Settings.model_validate({name: value for name, (value, _) in merged.items()})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise PfnError(Code.CONFIG_INVALID, f"{merged[name][1]}: {name}: {first['msg']}.") from error
    origins = {name: merged[name][1] if name in merged else "default" for name in Settings.model_fields}
    _refuse_weak_master_key(settings, origins["master_key"])
    return LoadedSettings(settings, origins)


def _refuse_weak_master_key(settings: Settings, origin: str) -> None:
    shortest = 24
    key = settings.master_key_text
    if key is not None and len(key) < shortest:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"{origin}: master_key: it must have at least {shortest} characters; "
            "make one with: openssl rand -base64 32",
        )


def _config_path(given: Mapping[str, tuple[object, str]], environment: Mapping[str, str]) -> Path:
    if "PFN_CONFIG" in environment:
        return Path(environment["PFN_CONFIG"])
    data = given["data"][0] if "data" in given else environment.get("PFN_DATA", DEFAULT_DATA)
    return Path(str(data)) / CONFIG_NAME


def _from_file(path: Path, *, required: bool) -> dict[str, tuple[object, str]]:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if required:
            raise PfnError(Code.CONFIG_INVALID, f"PFN_CONFIG: there is no file {path}.") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise PfnError(Code.CONFIG_INVALID, f"{path}: it cannot be read: {error}.") from error
    try:
        values = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise PfnError(Code.CONFIG_INVALID, f"{path}: {error}.") from error
    return {name: (value, str(path)) for name, value in values.items()}


def _from_secrets(environment: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    folder = environment.get("PFN_SECRETS_DIR")
    if folder is None:
        return {}
    try:
        return {
            path.name: (path.read_text(encoding="utf-8").strip(), str(path))
            for path in sorted(Path(folder).iterdir())
            if path.is_file() and path.name in Settings.model_fields
        }
    except (OSError, UnicodeDecodeError) as error:
        raise PfnError(Code.CONFIG_INVALID, f"PFN_SECRETS_DIR: it cannot be read: {error}.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    variables = {name: PREFIX + name.upper() for name in Settings.model_fields}
    return {name: (environment[variable], variable) for name, variable in variables.items() if variable in environment}


def mask(settings: Settings, name: str) -> object:
    """Give a setting's value as it may be shown: secrets are masked."""
    value = getattr(settings, name)
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def describe_settings(settings: Settings, origins: Mapping[str, str]) -> tuple[SettingInForce, ...]:
    """Give every setting as it may be shown; one of unknown origin that differs from its default was ``given``."""
    standard = Settings()
    return tuple(
        SettingInForce(
            name=name,
            value=_write(mask(settings, name)),
            default=_write(mask(standard, name)),
            origin=origins.get(name, "given" if name in settings.model_fields_set else "default"),
            meaning=about.description or "",
        )
        for name, about in Settings.model_fields.items()
    )


def _write(value: object) -> str | None:
    """Write a setting's value as one would in the environment."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
