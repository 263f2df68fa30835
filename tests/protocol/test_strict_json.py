"""One text, one meaning: what the strict reader takes, and the sentence with which it refuses the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.strict_json import JsonValue, parse_json

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(_values, st.booleans(), st.sampled_from([None, 2]))
def test_what_python_writes_is_read_back_the_same(value: JsonValue, ascii_only: bool, indent: int | None):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    read = parse_json(text.encode())
    assert read == value
    assert json.dumps(read, ensure_ascii=ascii_only, indent=indent) == text, "order of keys or a number's type is lost"


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\ud89abf01e.+-N \n', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes):
    try:
        expected = json.loads(data.decode())
    except ValueError:
        with pytest.raises(PfnError):
            parse_json(data)
        return
    # What Python reads is either read the same or refused with a sentence anyone's terminal can show.
    try:
        assert parse_json(data) == expected
    except PfnError as error:
        assert error.detail.isascii()  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1, column 1"),
        ("[1,\n 2,]", "line 2, column 4"),
        ("{} {}", "line 1, column 4: Extra data"),
        ('{"a": 1, "b": {"a": 2, "a": 3}}', 'the key "a" twice'),
        ('{"a": 1, "\\u0061": 2}', 'the key "a" twice'),
        ('{"ключ": 1, "ключ": 1}', 'the key "\\u043a\\u043b\\u044e\\u0447" twice'),
        ("[NaN]", "NaN, which"),
        ("[Infinity]", "Infinity, which"),
        ('{"a": -Infinity}', "-Infinity, which"),
        ("[1e309]", 'too large to read, "1e309"'),
        ("[-1.5E+999]", 'too large to read, "-1.5E+999"'),
        ("1" * 309, 'too large to read, "1111111111111111111111111111111111111111..."'),
        ("1" * 5000, "too large to read"),
        ('"\\ud800"', "\\ud800, at character 1"),
        ('["ok \\uD83D\\uDE00", "\\uDE00\\uD83D"]', "\\uDE00, at character 21"),
        ('"\\\\\\udfff"', "\\udfff, at character 3"),
        ('"\\ud83d\\n"', "\\ud83d, at character 1"),
        ('"\\ud83d\\ud83d\\ude00"', "\\ud83d, at character 1"),
        ('{"\\udc00": 1}', "\\udc00, at character 2"),
        ('"tab\there"', "Invalid control character"),
        ("[01]", "line 1, column 3"),
        ("{'a': 1}", "line 1, column 2"),
        ("// no\n1", "line 1, column 1"),
    ],
)
def test_refused_texts(text: str, sentence: str):
    with pytest.raises(PfnError) as refusal:
        parse_json(text.encode())
    assert refusal.value.code is Code.MALFORMED_JSON
    assert sentence in refusal.value.detail


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'["\xff"]', "offset 2"),
        (b'["\xed\xa0\x80"]', "offset 2"),
        (b'["\xc0\xaf"]', "offset 2"),
        ("{}".encode("utf-16"), "offset 0"),
    ],
)
def test_refused_bytes(data: bytes, sentence: str):
    with pytest.raises(PfnError, match=sentence):
        parse_json(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\\\ud800"', "\\ud800"),
        ('"\\\\\\\\ud800 \\u0041"', "\\\\ud800 A"),
        ('{"__proto__": 1}', {"__proto__": 1}),
        ("9" * 308, int("9" * 308)),
        ("1.0", 1.0),
        (" \r\n\t1 ", 1),
        ('"\u2028"', "\u2028"),
    ],
)
def test_unusual_but_fine(text: str, value: JsonValue):
    read = parse_json(text.encode())
    assert read == value
    assert type(read) is type(value)


def test_lone_surrogates_pass_where_a_v1_signature_may_cover_them():
    assert parse_json(b'["\\uD800", "\\udc00x"]', allow_surrogates=True) == ["\ud800", "\udc00x"]


@pytest.mark.parametrize(
    ("opening", "closing", "levels"),
    [("[", "]", 1), ('{"a":', "}", 1), ('[{"[[[":', "}]", 2), ('["\\"[[{", ', "]", 1)],
)
def test_depth_counts_brackets_outside_strings(opening: str, closing: str, levels: int):
    most = 64 // levels
    assert parse_json((opening * most + "1" + closing * most).encode())
    with pytest.raises(PfnError, match="deeper than 64"):
        parse_json((opening * (most + 1) + "1" + closing * (most + 1)).encode())


def test_many_brackets_side_by_side_are_not_deep():
    assert parse_json(b"[" + b"[],{}," * 1000 + b"[]]", max_depth=2)
    with pytest.raises(PfnError, match="deeper than 1"):
        parse_json(b"[[]]", max_depth=1)


@pytest.mark.parametrize("filling", [b"[", b'{"a":', b"]", b'"', b"\\", b'\\"', b'["', b"\\u", b"\\ud800"])
def test_a_megabyte_of_nonsense_is_refused_without_falling_over(filling: bytes):
    for start in (b"", b'["', b"[" * 65 + b'"'):
        with pytest.raises(PfnError):
            parse_json((start + filling * 2**20)[: 2**20])


def test_size_limit_is_exact():
    assert parse_json(b'"aaaa"', max_bytes=6) == "aaaa"
    with pytest.raises(PfnError, match="7 bytes long; at most 6"):
        parse_json(b'"aaaaa"', max_bytes=6)
    with pytest.raises(PfnError, match="1048577 bytes"):
        parse_json(b" " * (2**20 + 1))


def test_the_caller_says_whose_fault_it_is():
    with pytest.raises(PfnError) as refusal:
        parse_json(b"<html>", code=Code.PUBLISHER_DOCUMENT)
    assert refusal.value.code is Code.PUBLISHER_DOCUMENT
