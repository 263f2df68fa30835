"""What a v1 publisher signed of a release, read back from the very bytes under the signature (protocol.md section 2).

Answers for: both messages publishers sign, ``{id, name, version, description}`` and the ``data`` of
``/federated/plugin-data``; and that they are about the release that is asked for. Whoever did not hear it from the
publisher knows of the release what was signed, and nothing else.

Does not answer for: the signature; nor for the zip, which neither message names.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.js_json import metadata_message, plugin_data_message
from pfn.protocol.publisher_v1 import ListedPlugin
from pfn.protocol.strict_json import JsonValue, parse_json

MAX_MESSAGE_BYTES = 1024 * 1024

_MEMBERS = {"id", "name", "version"}


@dataclass(frozen=True, slots=True)
class SignedMetadata:
    """A release as its publisher signed it; only the second message has tags."""

    name: str
    description: str | None
    tags: tuple[str, ...] = ()


def read_signed_metadata(message: bytes, slug: str, version: str) -> SignedMetadata:
    """Read what was signed about a release. Raises SecurityError (``signature_invalid``) where it is about another."""
    try:
        value = parse_json(message, max_bytes=MAX_MESSAGE_BYTES, allow_surrogates=True)
        if isinstance(value, dict) and value.keys() - {"description"} == _MEMBERS:
            return _read_metadata(value, message, slug, version)
        if plugin_data_message(value) == message:
            return _read_plugin_data(value, slug, version)
    except (PfnError, ValidationError) as error:
        raise _refused(slug, version) from error
    raise _refused(slug, version)


def _read_metadata(value: dict[str, JsonValue], message: bytes, slug: str, version: str) -> SignedMetadata:
    entry = ListedPlugin.model_validate(
        {
            "slug": value["id"],
            "name": value["name"],
            "version": value["version"],
            "short_description": value.get("description"),
        }
    )
    same = (entry.slug, entry.version) == (slug, version)
    if not same or metadata_message(slug, entry.name, version, entry.short_description) != message:
        raise _refused(slug, version)
    return SignedMetadata(entry.name, entry.short_description)


def _read_plugin_data(value: JsonValue, slug: str, version: str) -> SignedMetadata:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict) and (entry.get("slug"), entry.get("version")) == (slug, version):
            listed = ListedPlugin.model_validate(entry)
            return SignedMetadata(listed.name, listed.short_description, listed.tags)
    raise _refused(slug, version)


def _refused(slug: str, version: str) -> SecurityError:
    return SecurityError(Code.SIGNATURE_INVALID, f"What is signed is not about {slug} {version}.")
