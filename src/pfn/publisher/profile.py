"""Who publishes: what a publisher says of itself in ``publisher.toml``.

Answers for the values and how they are written down. All are shown to whoever asks; username and public URL are signed
too and cannot change. It does not touch files or keys.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.source_id import is_username, normalize_instance_url

_WEB_ADDRESS = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)
_Line = Annotated[str, Field(min_length=1, max_length=200)]


class Profile(BaseModel):
    """One publisher. ``public_url`` is where nodes reach it, its instance URL, in its one spelling."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    username: _Line
    public_url: _Line
    member_since: date
    website: _Line | None = None
    github: _Line | None = None
    twitter: _Line | None = None

    @field_validator("username")
    @classmethod
    def _check_username(cls, text: str) -> str:
        if not is_username(text):
            raise ValueError("1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first")
        return text

    @field_validator("website", "github", "twitter")
    @classmethod
    def _check_line(cls, text: str | None) -> str | None:
        if text is not None and not text.isprintable():
            raise ValueError("one line of text, without control characters")
        return text

    @field_validator("website")
    @classmethod
    def _check_website(cls, text: str | None) -> str | None:
        if text is not None and not _WEB_ADDRESS.fullmatch(text):
            raise ValueError("an address such as https://example.com")
        return text

    @field_validator("public_url")
    @classmethod
    def _normalize_url(cls, text: str) -> str:
        try:
            return normalize_instance_url(text)
        except PfnError as error:
            raise ValueError(error.detail.rstrip(".")) from error


def read_profile(values: Mapping[str, object], origin: str) -> Profile:
    """Read the values that came from ``origin``, a file's name for one.

    Raises PfnError (``config_invalid``) that names ``origin``, the value and what is expected.
    """
    try:
        return Profile.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise PfnError(Code.CONFIG_INVALID, f"{origin}: {name}: {message}.") from error


def write_profile(profile: Profile) -> str:
    """Give the text of ``publisher.toml``, with a line to fill in for each value that is not there."""
    return "\n".join(
        (
            "# Who publishes the plugins in this folder, and where. These two are signed: they cannot change.",
            f"username = {_quote(profile.username)}",
            f"public_url = {_quote(profile.public_url)}",
            "",
            f"member_since = {profile.member_since.isoformat()}",
            _line("website", profile.website, "https://example.com"),
            _line("github", profile.github, "name"),
            _line("twitter", profile.twitter, "name"),
            "",
        )
    )


def _line(name: str, value: str | None, example: str) -> str:
    return f"# {name} = {_quote(example)}" if value is None else f"{name} = {_quote(value)}"


def _quote(text: str) -> str:
    # For printable text, which this is, a JSON string is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)
