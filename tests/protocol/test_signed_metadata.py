"""What a v1 publisher signed, read back: only ever about the release it is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.js_json import metadata_message, plugin_data_message
from pfn.protocol.signed_metadata import SignedMetadata, read_signed_metadata

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@given(name=_TEXT, description=st.none() | _TEXT)
def test_what_was_signed_is_read_back(name: str, description: str | None):
    message = metadata_message("hello", name, "1.0", description)
    assert read_signed_metadata(message, "hello", "1.0") == SignedMetadata(name, description)


@pytest.mark.parametrize("wrap", [lambda entry: entry, lambda entry: [entry], lambda entry: [{"slug": "x"}, entry]])
def test_plugin_data_is_read_too(wrap):
    entry = {"slug": "hello", "name": "Hello", "version": "1.0", "short_description": "Greets.", "tags": {"a": "seo"}}
    found = read_signed_metadata(plugin_data_message(wrap(entry)), "hello", "1.0")
    assert found == SignedMetadata("Hello", "Greets.", ("seo",))


@pytest.mark.parametrize(
    "message",
    [
        metadata_message("other", "Hello", "1.0", None),
        metadata_message("hello", "Hello", "1.1", None),
        metadata_message("hello", "Hello", "1.0", None) + b" ",
        b'{"name":"Hello","id":"hello","version":"1.0"}',
        b'{"id":"hello","name":"Hello","version":"1.0","description":null}',
        b'{"id":"hello","name":7,"version":"1.0"}',
        b'[{"slug":"hello","version":"1.0"}]',
        b'[{"slug":"hello", "name":"Hello","version":"1.0"}]',
        b"[]",
        b"3a4f2c44-0d5e-4c7f-9b8a-2f6a1a3f9f10",
        b"\xff",
    ],
)
def test_anything_else_is_refused(message: bytes):
    with pytest.raises(SecurityError) as raised:
        read_signed_metadata(message, "hello", "1.0")
    assert raised.value.code is Code.SIGNATURE_INVALID
