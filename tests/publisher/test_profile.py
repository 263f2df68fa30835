"""The profile: what may be in publisher.toml, and that it reads back as it was written."""

import tomllib
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.errors import Code, PfnError
from pfn.publisher.profile import read_profile, write_profile

GOOD = {"username": "alice", "public_url": "https://a.example", "member_since": date(2024, 1, 2)}

line = st.text(min_size=1, max_size=200).filter(str.isprintable)


@given(
    member_since=st.dates(),
    github=st.none() | line,
    twitter=st.none() | line,
    website=st.none() | st.just("https://a.example/?q=%22#x"),
    public_url=st.sampled_from(["https://plugins.example.com/alice", "http://127.0.0.1:8100"]),
)
def test_what_is_written_reads_back_the_same(**values: object) -> None:
    profile = read_profile({"username": "al.ice-1", **values}, "test")
    assert read_profile(tomllib.loads(write_profile(profile)), "test") == profile


def test_the_lines_left_to_fill_in_are_valid_settings() -> None:
    text = write_profile(read_profile(GOOD, "test"))
    filled = "\n".join(line.removeprefix("# ") if " = " in line else "" for line in text.splitlines())
    assert read_profile(tomllib.loads(filled), "test").website == "https://example.com"


def test_a_public_url_takes_its_one_spelling() -> None:
    values = {**GOOD, "public_url": "HTTPS://Plugins.Example.com:443/"}
    assert read_profile(values, "test").public_url == "https://plugins.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("username", "al ice"),
        ("username", "../alice"),
        ("username", ""),
        ("username", 7),
        ("member_since", "2024-01-02"),
        ("member_since", datetime(2024, 1, 2, 3, 4)),  # noqa: DTZ001
        ("website", "javascript:alert(1)"),
        ("website", "https://"),
        ("website", "https://a.example/ x"),
        ("github", "al\nice"),
        ("twitter", ""),
        ("twitter", "x" * 201),
        ("public_url", "ftp://a.example"),
        ("public_url", "https://a.example/?x"),
        ("email", "alice@a.example"),
    ],
)
def test_what_is_refused_is_named_with_its_origin(name: str, value: object) -> None:
    values = {**GOOD, name: value}
    with pytest.raises(PfnError) as caught:
        read_profile(values, "publisher.toml")
    assert caught.value.code is Code.CONFIG_INVALID
    assert caught.value.detail.startswith(f"publisher.toml: {name}: ")
