"""The example plugins: their headers and readmes agree, PHP can read them, each packs to one zip."""

import subprocess
import zipfile
from itertools import groupby
from pathlib import Path

import pytest
from tests.support.tools import needs_tool

from pfn.publisher.pack import pack_folder
from pfn.wordpress.header import parse_plugin_header
from pfn.wordpress.readme import parse_readme
from pfn.wordpress.version import is_newer

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"
FOLDERS = sorted(path for path in EXAMPLES.glob("*/*/*") if path.is_dir())


def name(folder: Path) -> str:
    return f"{folder.name} {folder.parent.name}"


def test_there_are_three_plugins_in_two_versions_each() -> None:
    versions = {slug: [folder.parent.name for folder in group] for slug, group in groupby(FOLDERS, lambda f: f.name)}
    assert len(versions) == 3
    assert all(is_newer(newer, older) for older, newer in versions.values())


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_header_readme_and_folders_agree(folder: Path) -> None:
    slug, version = folder.name, folder.parent.name
    assert folder.parent.parent.name == slug
    header = parse_plugin_header((folder / f"{slug}.php").read_bytes())
    readme = parse_readme((folder / "readme.txt").read_text(encoding="utf-8"))
    assert header is not None
    assert (header.name, header.version, header.text_domain) == (readme.name, version, slug)
    assert (readme.stable_tag, readme.short_description) == (version, header.description)
    assert header.license == readme.license == "GPL-2.0-or-later"
    assert (header.requires_wp, header.requires_php) == (readme.requires_at_least, readme.requires_php)
    assert header.tags == readme.tags
    assert f"= {version} =" in readme.sections["changelog"]
    assert version == "1.0.0" or readme.upgrade_notices[version]


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_it_packs(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack_folder(folder, tmp_path / "a.zip")) as archive:
        assert f"{folder.name}/{folder.name}.php" in archive.namelist()


@needs_tool("php")
def test_php_can_read_every_file() -> None:
    files = sorted(str(path) for path in EXAMPLES.rglob("*.php"))
    for file in files:
        run = subprocess.run(["php", "-l", file], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout
