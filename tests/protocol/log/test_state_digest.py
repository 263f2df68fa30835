"""The state digest: equal holdings, equal digest."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.log.state_digest import HeldRelease, state_digest

FIELDS = st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=8)
RELEASES = st.lists(st.builds(HeldRelease, FIELDS, FIELDS, FIELDS, FIELDS), max_size=8)


def test_the_bytes():
    held = [HeldRelease("b", "1.0", "ff", "yanked"), HeldRelease("a", "1.0", "ee", "mirrored")]
    assert state_digest(held) == hashlib.sha256(b"a\t1.0\tee\tmirrored\nb\t1.0\tff\tyanked\n").hexdigest()
    assert state_digest([]) == hashlib.sha256(b"").hexdigest()


@given(RELEASES, st.randoms())
def test_the_order_does_not_matter(releases, random):
    shuffled = list(releases)
    random.shuffle(shuffled)
    assert state_digest(shuffled) == state_digest(releases)


@given(RELEASES, RELEASES)
def test_anything_else_does(one, other):
    def key(held):
        return sorted((release.plugin, release.version, release.digest, release.state) for release in held)

    assert (state_digest(one) == state_digest(other)) == (key(one) == key(other))


@pytest.mark.parametrize("field", ["a\tb", "a\nb"])
def test_a_field_does_not_end_early(field):
    with pytest.raises(ValueError, match="tabs"):
        state_digest([HeldRelease("a", field, "b", "c")])
