"""A package's document: what each release becomes, and what is said of those that were withdrawn."""

from dataclasses import replace

import pytest

from pfn.domain.composer_package import Package, PackagedRelease, Place, list_advisories, pick_version, write_package

PLACE = Place(
    "https://node.example", "https://node.example/page", lambda version: f"https://node.example/{version}.zip"
)
RELEASE = PackagedRelease(
    version="1.0",
    name="Calm Gallery",
    description="Shows pictures.",
    author="Alice",
    tags=("photos",),
    kind="plugin",
    level="artifact",
    mirror_date=1_800_000_000,
    sha1="aa",
    sha256="bb",
    sha384="cc",
    header={
        "plugin_uri": "https://alice.example/calm",
        "author_uri": "javascript:alert(1)",
        "requires_php": "8.1",
        "license": "GPLv2 or later",
    },
    readme_license="MIT",
    yanked_at=None,
    yank_reason=None,
    block_reason=None,
)


def package(*releases: PackagedRelease, **changes: object) -> Package:
    made = Package("alice", "calm-gallery", "alice@alice.example", None, False, releases)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


def test_a_release_becomes_a_version() -> None:
    (version,) = write_package(package(RELEASE), PLACE)["packages"]["alice/calm-gallery"]
    assert version == {
        "name": "alice/calm-gallery",
        "version": "1.0",
        "version_normalized": "1.0.0.0",
        "type": "wordpress-plugin",
        "description": "Shows pictures.",
        "keywords": ["photos"],
        "homepage": "https://alice.example/calm",
        "license": ["GPL-2.0-or-later"],
        "authors": [{"name": "Alice"}],
        "support": {"docs": "https://node.example/page"},
        "time": "2027-01-15T08:00:00+00:00",
        "require": {"composer/installers": "^1.0 || ^2.0", "php": ">=8.1"},
        "dist": {"type": "zip", "url": "https://node.example/1.0.zip", "reference": "bb", "shasum": "aa"},
        "extra": {
            "pfn": {
                "source": "alice@alice.example",
                "level": "artifact",
                "sha256": "bb",
                "sha384": "cc",
                "node": "https://node.example",
            }
        },
    }


def test_what_the_zip_does_not_say_is_left_out() -> None:
    bare = replace(RELEASE, kind="theme", author=None, description=None, header={}, readme_license="", tags=())
    (version,) = write_package(package(bare, abandoned=True), PLACE)["packages"]["alice/calm-gallery"]
    assert version["type"] == "wordpress-theme"
    assert version["require"].keys() == {"composer/installers"}
    assert version["homepage"] == "https://node.example/page"
    assert version["description"] == "Calm Gallery"
    assert version["abandoned"] is True
    assert not version.keys() & {"license", "authors"}


@pytest.mark.parametrize("requires", ["", "seven", "7.4; rm", "7.4.33.1", "*"])
def test_a_php_version_that_is_none_asks_for_nothing(requires: str) -> None:
    odd = replace(RELEASE, header={"requires_php": requires})
    (version,) = write_package(package(odd), PLACE)["packages"]["alice/calm-gallery"]
    assert "php" not in version["require"]


def test_the_license_may_be_the_readmes() -> None:
    (version,) = write_package(package(replace(RELEASE, header={})), PLACE)["packages"]["alice/calm-gallery"]
    assert version["license"] == ["MIT"]


def test_withdrawn_releases_are_warned_of_and_not_offered() -> None:
    releases = (
        replace(RELEASE, version="1.3", block_reason="Its key was stolen."),
        replace(RELEASE, version="1.2-odd", block_reason="Its key was stolen."),
        replace(RELEASE, version="1.1", yanked_at=1_800_000_060, yank_reason="It loses photos."),
        RELEASE,
    )
    document = write_package(package(*releases), PLACE)
    assert [one["version"] for one in document["packages"]["alice/calm-gallery"]] == ["1.0"]
    blocked, yanked = document["security-advisories"]
    # What Composer cannot read has no place in a constraint.
    assert (blocked["affectedVersions"], blocked["severity"]) == ("1.3", "high")
    assert (yanked["affectedVersions"], yanked["severity"]) == ("1.1", "medium")
    assert yanked["reportedAt"] == "2027-01-15T08:01:00+00:00"
    assert [one["constraint"] for one in document["filter"]["malware"]] == ["1.3"]
    assert blocked["advisoryId"] != yanked["advisoryId"]
    assert list_advisories(package(*releases), PLACE) == [blocked, yanked]


def test_all_of_a_suspended_source_is_withdrawn() -> None:
    document = write_package(package(RELEASE, suspended="It phones home."), PLACE)
    assert document["packages"] == {"alice/calm-gallery": []}
    (advisory,) = document["security-advisories"]
    assert advisory["affectedVersions"] == "*"
    assert [one["constraint"] for one in document["filter"]["malware"]] == ["*"]


def test_an_install_is_known_by_either_form_of_its_version() -> None:
    versions = ["1.1-rc.2", "1.0.0", "1.0", "1.0-odd"]
    assert pick_version(versions, "1.1.0.0-RC2") == "1.1-rc.2"
    assert pick_version(versions, "1.0.0.0") == "1.0.0"
    assert pick_version(versions, "1.0-odd") == "1.0-odd"
    assert pick_version(versions, "2.0.0.0") is None
