"""The form of an update check is read as the standard library reads it, only faster."""

from urllib.parse import parse_qsl, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from pfn.web.wordpress.update_check import _read_field

ESCAPES = st.text(alphabet='%25%2%22%7B%7b"{}a+b =_;%3d%C3%A9%ff2F\\:.\t\r\n\0', max_size=40)
PIECES = st.lists(
    st.sampled_from(
        ["%", "%%", "=", "==", "%3D", "=3D", "%\n", "%\r", "=\r\n", "\n", "_", "+", " ", "%2B", "%4", "%g1", "é"]
    )
    | ESCAPES
).map("".join)


@given(value=PIECES, before=ESCAPES)
def test_a_field_is_decoded_as_anywhere_else(value: str, before: str) -> None:
    body = f"other={before}&plugins={value}"
    expected = dict(parse_qsl(body)).get("plugins") if body.isascii() else None
    assert _read_field(body.encode(), "plugins") == expected


@given(text=st.text())
def test_what_was_encoded_comes_back(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    expected = text or None
    assert _read_field(f"plugins={quote_plus(text)}".encode(), "plugins") == expected


def test_what_is_no_form_has_no_field() -> None:
    assert _read_field("plugins=é".encode(), "plugins") is None
    assert _read_field(b"x=1&" * 200 + b"plugins=2", "plugins") is None
    assert _read_field(b"themes=1", "plugins") is None
    assert _read_field(b"plugins=1&plugins=2&plugins=", "plugins") == "2"
