from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pfn.protocol.document import Slug, Version, write_payload
from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_version

LIKELY = st.text("aZ09.-_+ \n", max_size=70) | st.text(max_size=5)


def accepts(kind: object, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


@given(LIKELY)
def test_slugs_and_versions_are_those_of_wordpress(text):
    assert accepts(Slug, text) == is_slug(text)
    assert accepts(Version, text) == is_version(text)


def test_payloads_are_written_as_rfc_8785_has_it():
    assert write_payload({"b": [1, True, None], "a": 'é"\n\x7f', "A": {}}) == (
        b'{"A":{},"a":"\xc3\xa9\\"\\n\x7f","b":[1,true,null]}'
    )
