"""Version ranges: WordPress's order, every condition must hold, and what is no condition is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.version_range import ANY_VERSION, VersionRange
from pfn.protocol.errors import Code, PfnError
from pfn.wordpress.version import compare_versions

_versions = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}(-(beta|rc)[0-9])?", fullmatch=True)
_signs = st.sampled_from([">=", "<=", ">", "<", "=", "!="])
_conditions = st.tuples(_signs, _versions)


@pytest.mark.parametrize(
    ("text", "takes", "leaves"),
    [
        ("", ["0", "1.0", "99-dev"], []),
        ("  ", ["1.0"], []),
        (">=1.2, <3", ["1.2", "1.10", "2.9.9"], ["1.1.9", "3", "3.0"]),
        (">1.2", ["1.2.0", "1.2.1"], ["1.2", "1.2-beta"]),
        ("<=1.2", ["1.2", "1.2-beta", "0.1"], ["1.2.0", "1.3"]),
        ("=1.0-rc1", ["1.0RC1", "1.0-rc1"], ["1.0", "1.0-rc2"]),
        ("!=2.0", ["2.1", "1.9"], ["2.0"]),
        (">= 1.0 ,< 2", ["1.5"], ["2"]),
        ("<1.0", ["1.0-beta", "1.0-dev"], ["1.0", "1.0.0"]),
        (">2,<1", [], ["1.5", "0.5", "2.5"]),
    ],
)
def test_what_a_range_takes(text, takes, leaves):
    versions = VersionRange.parse(text)
    assert [one for one in takes if one not in versions] == []
    assert [one for one in leaves if one in versions] == []


@pytest.mark.parametrize(
    "text", [",", ">=1.0,", "1.0", "~1.0", "^1.0", ">=", "> =1.0", ">=1.0 <2", "==1.0", ">=1..0", "=>1", "<3\n4"]
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(PfnError, match="versions: ") as refused:
        VersionRange.parse(text)
    assert refused.value.code is Code.INVALID_FIELD


def test_a_range_has_a_bound():
    assert len(VersionRange.parse(",".join(["!=1.0"] * 20)).conditions) == 20
    with pytest.raises(PfnError, match="20 conditions"):
        VersionRange.parse(",".join(["!=1.0"] * 21))


@given(st.lists(_conditions, max_size=4))
def test_a_range_is_written_as_it_is_read(conditions):
    versions = VersionRange(tuple(conditions))
    assert VersionRange.parse(str(versions)) == versions


@given(st.lists(_conditions, max_size=3), _conditions, _versions)
def test_another_condition_never_takes_more(conditions, more, version):
    assert version in ANY_VERSION
    assert (version in VersionRange((*conditions, more))) <= (version in VersionRange(tuple(conditions)))


@given(_versions, _versions)
def test_the_six_signs_are_the_order(version, bound):
    order = compare_versions(version, bound)
    held = {sign for sign in (">=", "<=", ">", "<", "=", "!=") if version in VersionRange(((sign, bound),))}
    assert held == [{"=", ">=", "<="}, {">", ">=", "!="}, {"<", "<=", "!="}][order]
