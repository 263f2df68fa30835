"""The library: which zips are found, which left out, and when it looks again."""

from pathlib import Path

import pytest
import structlog

from pfn.publisher.library import Catalog, Library, Plugin
from pfn.testing.plugin import plugin_zip


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def versions(plugin: Plugin | None) -> list[str]:
    assert plugin is not None
    return [stored.release.version for stored in plugin.zips]


def reasons(catalog: Catalog) -> dict[str, list[str]]:
    return {left_out.path.name: [reason.code for reason in left_out.reasons] for left_out in catalog.left_out}


def test_zips_are_found_at_the_top_and_anywhere_below_plugins(tmp_path: Path) -> None:
    put(tmp_path, "one.zip", plugin_zip("one", "1.0"))
    put(tmp_path, "plugins/TWO.ZIP", plugin_zip("two", "1.0"))
    put(tmp_path, "plugins/deep/er/three.zip", plugin_zip("three", "1.0"))
    put(tmp_path, "elsewhere/four.zip", plugin_zip("four", "1.0"))
    put(tmp_path, "plugins/.five.zip", plugin_zip("five", "1.0"))
    put(tmp_path, "plugins/.trash/six.zip", plugin_zip("six", "1.0"))
    put(tmp_path, "plugins/seven.zip.part", plugin_zip("seven", "1.0"))
    (tmp_path / "plugins" / "folder.zip").mkdir()
    (tmp_path / "plugins" / "dead.zip").symlink_to(tmp_path / "nowhere")
    catalog = Library(tmp_path).look()
    assert [plugin.slug for plugin in catalog.plugins] == ["one", "three", "two"]
    assert catalog.left_out == ()


def test_versions_are_in_the_order_of_wordpress(tmp_path: Path) -> None:
    order = ["1.0-beta", "1.0RC1", "1.0", "1.0.0", "1.9", "1.10"]
    for name, version in zip("fbadce", order, strict=True):
        put(tmp_path, f"{name}.zip", plugin_zip("one", version))
    plugin = Library(tmp_path).look().find("one")
    assert versions(plugin) == order
    assert plugin
    assert plugin.newest.version == "1.10"


def test_a_refused_zip_is_left_out_and_said_so_once(tmp_path: Path) -> None:
    put(tmp_path, "good.zip", plugin_zip("good", "1.0"))
    put(tmp_path, "torn\x1b[31m.zip", plugin_zip("torn", "1.0")[:-9])
    library = Library(tmp_path)
    with structlog.testing.capture_logs() as logs:
        catalog = library.look()
        put(tmp_path, "more.zip", plugin_zip("more", "1.0"))
        assert library.look().find("more")
    assert reasons(catalog) == {"torn\x1b[31m.zip": ["not_a_zip"]}
    assert [(entry["event"], entry["codes"]) for entry in logs] == [("zip_left_out", ["not_a_zip"])]
    assert logs[0]["path"].endswith("torn\N{REPLACEMENT CHARACTER}[31m.zip")
    assert "zip" in logs[0]["why"]


def test_two_different_zips_of_one_version_are_both_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a.zip", plugin_zip("one", "1.0"))
    put(tmp_path, "plugins/b.zip", plugin_zip("one", "1.0", description="Something else."))
    put(tmp_path, "c.zip", plugin_zip("one", "0.9"))
    library = Library(tmp_path)
    with structlog.testing.capture_logs() as logs:
        catalog = library.look()
    assert versions(catalog.find("one")) == ["0.9"]
    assert reasons(catalog) == {"a.zip": ["version_conflict"], "b.zip": ["version_conflict"]}
    assert "b.zip" in catalog.left_out[0].reasons[0].sentence
    assert len(logs) == 2
    (tmp_path / "a.zip").unlink()
    assert versions(library.look().find("one")) == ["0.9", "1.0"]


def test_the_same_zip_twice_is_one_release(tmp_path: Path) -> None:
    put(tmp_path, "a.zip", plugin_zip("one", "1.0"))
    put(tmp_path, "plugins/a.zip", plugin_zip("one", "1.0"))
    catalog = Library(tmp_path).look()
    assert versions(catalog.find("one")) == ["1.0"]
    assert catalog.left_out == ()


def test_a_zip_that_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "large.zip", plugin_zip("large", "1.0"))
    monkeypatch.setattr("pfn.publisher.library.MAX_ZIP_BYTES", 10)
    assert reasons(Library(tmp_path).look()) == {"large.zip": ["too_large"]}


async def test_what_comes_goes_and_changes_is_seen(tmp_path: Path) -> None:
    library = Library(tmp_path, look_every_s=0)
    assert (await library.catalog()).plugins == ()
    path = put(tmp_path, "plugins/a.zip", plugin_zip("one", "1.0")[:40])
    assert reasons(await library.catalog()) == {"a.zip": ["not_a_zip"]}
    path.write_bytes(plugin_zip("one", "1.0"))
    assert versions((await library.catalog()).find("one")) == ["1.0"]
    path.write_bytes(plugin_zip("one", "1.1"))
    assert versions((await library.catalog()).find("one")) == ["1.1"]
    path.unlink()
    assert (await library.catalog()).find("one") is None


async def test_as_long_as_nothing_changes_the_catalog_is_the_same_object(tmp_path: Path) -> None:
    put(tmp_path, "a.zip", plugin_zip("one", "1.0"))
    library = Library(tmp_path, look_every_s=0)
    assert await library.catalog() is await library.catalog()


async def test_it_does_not_look_more_often_than_told(tmp_path: Path) -> None:
    library = Library(tmp_path, look_every_s=3600)
    await library.catalog()
    put(tmp_path, "a.zip", plugin_zip("one", "1.0"))
    assert (await library.catalog()).plugins == ()
    assert versions(library.look().find("one")) == ["1.0"]
