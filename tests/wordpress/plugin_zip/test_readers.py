"""Whatever is accepted, honest, lying or damaged, reads the same in Python, PHP and unzip; nothing crashes."""

import struct
import zlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.tools import needs_tool
from tests.support.zips import MAIN, Member, build, deflate, extra_field, plugin

from pfn.wordpress.plugin_zip import ZipCode, inspect_zip

in_all_readers = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
alone = settings(max_examples=1000, deadline=None)

contents = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=40), st.integers(1, 400)),
)
segments = st.one_of(
    st.text("abcABC019._- ()+@~é日Я", min_size=1, max_size=8),
    st.text(
        st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="/"), min_size=1, max_size=6
    ),
)
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/".join(["sample", *parts]))
times = st.just(extra_field(0x5455, b"\1" + struct.pack("<I", 1_700_000_000)))
extras = st.one_of(
    st.just(b""),
    times,
    st.builds(extra_field, st.sampled_from([0x5455, 0x7875, 0x000A, 0x000D, 0x9999]), st.binary(max_size=40)),
    paths.map(lambda path: extra_field(0x7075, struct.pack("<BI", 1, zlib.crc32(path.encode())) + path.encode())),
)


@st.composite
def honest_members(draw, path):
    content = draw(contents)
    method = draw(st.sampled_from([0, 8]))
    level = draw(st.integers(0, 9))
    return Member(
        path,
        content,
        method=method,
        data=deflate(content, level) if method == 8 else content,
        extra=draw(times | st.just(b"")),
        descriptor=draw(st.sampled_from([None, 12, 16])),
        mode=draw(st.sampled_from([0o100644, 0o100755, 0o644, 0])),
    )


@st.composite
def honest_zips(draw):
    by_folded = {path.casefold(): path for path in draw(st.lists(paths, max_size=6))}
    members = [Member("sample/sample.php", MAIN), *(draw(honest_members(path)) for path in by_folded.values())]
    order = draw(st.permutations(range(len(members))))
    return build(*members, comment=draw(st.binary(max_size=60)), central_order=list(order))


@st.composite
def lying_members(draw):
    """Members whose two headers agree on things that may be nonsense, and now and then do not."""
    member = draw(paths.flatmap(honest_members))
    if draw(st.booleans()):
        member.extra = draw(st.lists(extras, max_size=3).map(b"".join))
    both = {}
    if draw(st.booleans()):
        both["flags"] = member.fields()["flags"] ^ draw(st.sampled_from([0, 2, 4, 6, 8, 0x10, 0x800, 0x801, 0x2000]))
    if draw(st.booleans()):
        both["version"] = draw(st.integers(0, 70))
    if draw(st.booleans()):
        both["name"] = draw(st.binary(min_size=1, max_size=12).map(lambda raw: b"sample/" + raw))
    central = {
        "made_by": draw(st.integers(0, 20)) << 8 | draw(st.integers(0, 70)),
        "attributes": draw(st.one_of(st.just(0o100644 << 16), st.integers(0, 0xFFFFFFFF), st.integers(0, 255))),
    }
    one_sided = st.fixed_dictionaries({}, optional={"size": st.integers(0, 99), "crc": st.just(0), "extra": extras})
    member.central = both | central | (draw(one_sided) if draw(st.integers(0, 9)) == 0 else {})
    member.local = both | (draw(one_sided) if draw(st.integers(0, 9)) == 0 else {})
    return member


BASES = [
    plugin(Member("sample/a.txt", b"abc" * 50), Member("sample/b/", method=0), Member("sample/b/é", b"x")),
    plugin(Member("sample/a.txt", b"abc" * 50, descriptor=16), Member("sample/b", b"y", method=0), comment=b"hello"),
    plugin(Member("sample/in.zip", plugin(comment=b"in"), method=0), Member("sample/c", b"z", descriptor=12)),
]
RECORDS = [b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\7\x08"]
numbers = st.one_of(st.sampled_from([0, 1, 8, 0xFF, 0xFFFF, 0xFFFFFFFF, 0x80000000]), st.integers(0, 0xFFFFFFFF))


@st.composite
def damaged_zips(draw):
    data = bytearray(draw(st.one_of(st.sampled_from(BASES), honest_zips())))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        other = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "field", "field", "field", "cut", "splice", "insert"])):
            case "flip":
                data[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "field":
                starts = [at for at in range(len(data)) if bytes(data[at : at + 4]) in RECORDS]
                start = draw(st.sampled_from(starts)) if starts else place
                at = start + draw(st.integers(4, 45))
                width = draw(st.sampled_from([1, 2, 4]))
                data[at : at + width] = draw(numbers).to_bytes(4, "little")[:width]
            case "cut":
                del data[min(place, other) : max(place, other)]
            case "splice":
                data[place:place] = data[min(place, other) : max(place, other)]
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=50) | st.sampled_from(RECORDS))
    return bytes(data)


@needs_tool("php")
@needs_tool("unzip")
@in_all_readers
@given(data=honest_zips())
def test_honest_zips_read_the_same(readers_agree, data):
    report = readers_agree(data)
    names_alone = {code for code in ZipCode if code.startswith("name_") or code is ZipCode.FILE_IS_FOLDER}
    chance = {ZipCode.REPOSITORY_FOLDER, ZipCode.COMMENT_SIGNATURE, ZipCode.SECOND_END_RECORD}
    assert {finding.code for finding in report.findings} <= names_alone | chance


@needs_tool("php")
@needs_tool("unzip")
@in_all_readers
@given(members=st.lists(lying_members(), min_size=1, max_size=3))
def test_lying_zips_read_the_same_if_accepted(readers_agree, members):
    readers_agree(plugin(*members))


@needs_tool("php")
@needs_tool("unzip")
@settings(parent=in_all_readers, max_examples=400)
@given(data=damaged_zips())
def test_damaged_zips_read_the_same_if_accepted(readers_agree, data):
    readers_agree(data)


@alone
@given(data=damaged_zips())
def test_no_damage_crashes(data):
    report = inspect_zip(data, slug="sample", version="1.2.3")
    assert report.accepted == (not report.findings)
    assert report.to_json()["accepted"] == report.accepted


@alone
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"PK\3\4", b"PK\5\6"]))
def test_no_noise_is_accepted(data, start):
    assert not inspect_zip(start + data).accepted
