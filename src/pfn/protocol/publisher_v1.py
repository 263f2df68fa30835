"""What a v1 publisher serves (protocol.md section 2): its documents, read with care.

Strict about the members this node relies on, deaf to all others: publishers in the field send much beside. One bad
plugin in a catalogue does not spoil the rest: each entry is read by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.strict_json import JsonValue, parse_json


def _check_storable(text: str) -> str:
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise ValueError("NUL and lone surrogates cannot be kept")
    return text


Storable = AfterValidator(_check_storable)
Text = Annotated[str, Field(max_length=2_000), Storable]
MAX_CATALOG_BYTES = 16 * 1024 * 1024


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", populate_by_name=True)


_D = TypeVar("_D", bound=_Document)


class AssetInfo(_Document):
    """Where the zips are: an origin and a template below it."""

    domain: Text
    naming_scheme: Annotated[Text, Field(alias="namingScheme")]


class FederationInfo(_Document):
    """``GET /federation-info``."""

    version: Text | None = None
    features: tuple[Text, ...] = ()
    asset_info: Annotated[AssetInfo, Field(alias="assetInfo")]
    public_key: Annotated[Text | None, Field(alias="publicKey")] = None

    @field_validator("features", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class OwnershipProof(_Document):
    """The answer of ``POST /verify-ownership``."""

    signature: Text


class ListedPlugin(_Document):
    """One entry of ``/author-data``'s ``plugins``."""

    slug: Text
    name: Text
    version: Annotated[str, Field(max_length=64), Storable]
    short_description: Annotated[str, Field(max_length=20_000), Storable] | None = None
    tags: tuple[Text, ...] = ()
    signature: Text | None = None

    @field_validator("tags", mode="before")
    @classmethod
    def _tags(cls, value: object) -> object:
        # A map {any: "tag"} by contract; some send a list, and PHP writes an empty map as [].
        if value is None:
            return ()
        if isinstance(value, dict):
            return tuple(value.values())
        return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class AuthorData:
    """``GET /author-data``: who the author is, the readable entries, and why the others are not."""

    username: str
    member_since: str | None
    website: str | None
    github: str | None
    twitter: str | None
    plugins: tuple[ListedPlugin, ...]
    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PluginData:
    """``GET /federated/plugin-data``: the signed value as parsed, and its signature."""

    data: JsonValue
    signature: str

    def describes(self, slug: str, version: str) -> bool:
        """Tell whether the signed value is about this release: a signature over something else proves nothing."""
        entries = self.data if isinstance(self.data, list) else [self.data]
        return any(
            isinstance(entry, dict) and entry.get("slug") == slug and entry.get("version") == version
            for entry in entries
        )


def read_federation_info(body: bytes) -> FederationInfo:
    """Read ``/federation-info``. Raises PfnError (``not_a_publisher``) with what is wrong."""
    return _read(FederationInfo, body, Code.NOT_A_PUBLISHER, "/federation-info")


def read_ownership_proof(body: bytes) -> OwnershipProof:
    """Read the answer of ``/verify-ownership``. Raises PfnError (``publisher_document``)."""
    return _read(OwnershipProof, body, Code.PUBLISHER_DOCUMENT, "/verify-ownership")


def read_author_data(body: bytes) -> AuthorData:
    """Read ``/author-data``. Raises PfnError (``publisher_document``) where it is not a catalogue at all."""
    document = _parse(body, Code.PUBLISHER_DOCUMENT, "/author-data")
    plugins = document.get("plugins")
    username = document.get("username")
    if not isinstance(plugins, list) or not (isinstance(username, str) and _text(username)):
        raise PfnError(Code.PUBLISHER_DOCUMENT, "/author-data must be an object with a username and a list of plugins.")
    readable, unreadable = _read_plugins(plugins)
    return AuthorData(
        username=username,
        member_since=_text(document.get("member_since")),
        website=_text(document.get("website")),
        github=_text(document.get("github")),
        twitter=_text(document.get("twitter")),
        plugins=readable,
        unreadable=unreadable,
    )


def read_plugin_data(body: bytes) -> PluginData | None:
    """Read ``/federated/plugin-data``; None where it carries no signature. Raises PfnError (``publisher_document``)."""
    document = _parse(body, Code.PUBLISHER_DOCUMENT, "/federated/plugin-data")
    signature, data = document.get("signature"), document.get("data")
    if signature is None or data is None:
        return None
    if not isinstance(signature, str):
        raise PfnError(Code.PUBLISHER_DOCUMENT, "The signature in /federated/plugin-data must be a string.")
    return PluginData(data, signature)


def _read_plugins(entries: Sequence[JsonValue]) -> tuple[tuple[ListedPlugin, ...], tuple[tuple[str, str], ...]]:
    readable: dict[str, ListedPlugin] = {}
    unreadable: list[tuple[str, str]] = []
    for position, entry in enumerate(entries):
        label = entry.get("slug") if isinstance(entry, dict) else None
        label = ascii(label)[1:-1] if isinstance(label, str) else f"entry {position}"
        try:
            plugin = ListedPlugin.model_validate(entry)
        except ValidationError as error:
            unreadable.append((label[:80], _explain(error)))
            continue
        if plugin.slug in readable:
            unreadable.append((label[:80], "The slug is listed twice; the first entry counts."))
            continue
        readable[plugin.slug] = plugin
    return tuple(readable.values()), tuple(unreadable)


def _text(value: JsonValue) -> str | None:
    """Give a text about the author if it is one that can be kept; nothing depends on it."""
    try:
        return _check_storable(value)[:500] if isinstance(value, str) and value else None
    except ValueError:
        return None


def _parse(body: bytes, code: Code, where: str) -> Mapping[str, JsonValue]:
    try:
        document = parse_json(body, max_bytes=MAX_CATALOG_BYTES, allow_surrogates=True)
    except PfnError as error:
        raise PfnError(code, f"{where} did not answer with valid JSON. {error.detail}") from error
    if not isinstance(document, dict):
        raise PfnError(code, f"{where} must answer with a JSON object.")
    return document


def _read(model: type[_D], body: bytes, code: Code, where: str) -> _D:
    try:
        return model.model_validate(_parse(body, code, where))
    except ValidationError as error:
        raise PfnError(code, f"{where} has the wrong shape: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the document"
    return f"{place}: {first['msg'].rstrip('.')}."
