"""What a report says of an accepted zip, and what it warns of."""

import json
import mmap
import pickle
from hashlib import sha256

import pytest
from tests.support.zips import MAIN, STYLE, Member, build, plugin

from pfn.wordpress.header import PluginHeader, ThemeHeader
from pfn.wordpress.plugin_zip import ManifestEntry, ZipCode, inspect_zip

README = b"=== Sample ===\nStable tag: 1.2.3\nLicense: MIT\n\nShort.\n"
UNLICENSED = MAIN.replace(b"License", b"Lizenz")


def warned(data, **arguments):
    report = inspect_zip(data, **arguments)
    assert report.accepted, report.findings
    return [(warning.code, warning.path) for warning in report.warnings]


def test_a_plugin_is_described():
    data = plugin(Member("sample/readme.txt", README), Member("sample/inc/", method=0), Member("sample/inc/a", b"a"))
    report = inspect_zip(data, slug="sample", version="1.2.3")
    assert (report.accepted, report.readable, report.findings, report.warnings) == (True, True, (), ())
    assert (report.kind, report.top_folder, report.main_file) == ("plugin", "sample", "sample/sample.php")
    assert isinstance(report.header, PluginHeader)
    assert report.header.name == "Sample"
    assert report.readme is not None
    assert report.readme.stable_tag == "1.2.3"
    files = {"sample/inc/a": b"a", "sample/readme.txt": README, "sample/sample.php": MAIN}
    assert report.manifest == tuple(
        ManifestEntry(path, len(content), sha256(content).hexdigest()) for path, content in files.items()
    )
    assert report.total_size == sum(map(len, files.values()))


@pytest.mark.parametrize("template", ["index.php", "templates/index.html", "block-templates/index.html"])
def test_a_theme_is_described(template):
    report = inspect_zip(build(Member("sample/style.css", STYLE), Member(f"sample/{template}", b"x")), slug="sample")
    assert report.accepted
    assert (report.kind, report.main_file) == ("theme", "sample/style.css")
    assert isinstance(report.header, ThemeHeader)


def test_a_child_theme_needs_no_template():
    style = STYLE.replace(b"Version", b"Template: parent\nVersion")
    assert inspect_zip(build(Member("sample/style.css", style))).accepted


def test_a_theme_may_not_claim_another_version():
    report = inspect_zip(build(Member("sample/style.css", STYLE), Member("sample/index.php")), version="2")
    assert [finding.code for finding in report.findings] == [ZipCode.VERSION_MISMATCH]


def test_shape_findings_come_with_the_description():
    report = inspect_zip(plugin(Member("stray.txt", b"x")), slug="other", version="9")
    assert [finding.code for finding in report.findings] == [
        ZipCode.STRAY_FILE,
        ZipCode.FOLDER_NOT_SLUG,
        ZipCode.VERSION_MISMATCH,
    ]
    assert (report.top_folder, report.main_file, len(report.manifest)) == ("sample", "sample/sample.php", 2)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_the_file_named_like_the_folder_is_the_main_one(order):
    members = [Member("sample/a.php", MAIN), Member("sample/sample.php", MAIN), Member("sample/z.php", MAIN)]
    data = build(*(members[index] for index in order))
    assert inspect_zip(data).main_file == "sample/sample.php"
    assert warned(data) == [(ZipCode.SEVERAL_MAIN_FILES, "sample/sample.php")]


def test_else_the_first_by_name_is_the_main_one():
    data = build(Member("sample/z.php", MAIN), Member("sample/b.php", MAIN), Member("sample/a.php", b"<?php"))
    assert inspect_zip(data).main_file == "sample/b.php"


def test_main_files_that_differ_elsewhere_do_not_conflict():
    assert warned(plugin(Member("sample/a.php", MAIN.replace(b"GPL", b"XGPL")))) == [
        (ZipCode.SEVERAL_MAIN_FILES, "sample/sample.php")
    ]


def test_main_files_with_other_update_uris_conflict():
    other = MAIN.replace(b"License", b"Update URI: https://evil.example\nLicense")
    report = inspect_zip(plugin(Member("sample/a.php", other)))
    assert [finding.code for finding in report.findings] == [ZipCode.CONFLICTING_MAIN_FILES]


@pytest.mark.parametrize(
    ("code", "path", "data"),
    [
        (ZipCode.MACOSX_FOLDER, "__MACOSX/", plugin(Member("__MACOSX/sample/._sample.php", b"x"))),
        (ZipCode.NESTED_ARCHIVE, "sample/lib/a.PHAR", plugin(Member("sample/lib/a.PHAR", b"x"))),
        (ZipCode.NESTED_ARCHIVE, "sample/b.tar.gz", plugin(Member("sample/b.tar.gz", b"x"))),
        (ZipCode.PLUGIN_AND_THEME, None, plugin(Member("sample/style.css", STYLE))),
        (ZipCode.FOLDER_NOT_A_SLUG, "Sample-1.2", plugin(slug="Sample-1.2")),
        (ZipCode.LICENSE_MISSING, None, plugin(main=UNLICENSED)),
        (ZipCode.README_TOO_LONG, "sample/readme.txt", plugin(Member("sample/readme.txt", README + b"a\n" * 200_000))),
    ],
)
def test_what_is_warned_of(code, path, data):
    assert warned(data) == [(code, path)]


def test_what_is_not_warned_of():
    assert warned(plugin(Member("sample/a.js.gz", b"x"), Member("sample/style.css", b"p {}"))) == []
    assert warned(plugin(Member("sample/README.txt", README), main=UNLICENSED)) == []


@pytest.mark.parametrize("names", [["readme.txt", "README.md"], ["README.md", "readme.txt"]])
def test_the_text_readme_is_preferred(names):
    members = [Member(f"sample/{name}", b"=== " + name.encode() + b" ===\n") for name in names]
    readme = inspect_zip(plugin(*members)).readme
    assert readme is not None
    assert readme.name == "readme.txt"


REPORTS = [
    inspect_zip(plugin(Member("sample/readme.txt", README))),
    inspect_zip(build(Member("sample/style.css", STYLE)), slug="other"),
    inspect_zip(plugin(Member(b"sample/\xff\x1b", b"x"))),
    inspect_zip(b"no zip"),
]


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_crosses_processes_and_becomes_json(report):
    assert pickle.loads(pickle.dumps(report)) == report
    shown = json.loads(json.dumps(report.to_json()))
    assert shown["accepted"] == report.accepted
    assert [finding["code"] for finding in shown["findings"]] == [str(finding.code) for finding in report.findings]
    assert [entry["path"] for entry in shown["manifest"]] == [entry.path for entry in report.manifest]
    assert (shown["header"] or {}).get("name") == (report.header.name if report.header else None)


@pytest.mark.parametrize("data", [plugin(), plugin(Member("sample/a", b"x" * 99, data=b"\xff")), b"no zip"])
def test_bytes_views_and_maps_give_the_same_report(data, tmp_path):
    path = tmp_path / "plugin.zip"
    path.write_bytes(data)
    report = inspect_zip(data)
    assert inspect_zip(memoryview(b"--" + data)[2:]) == report
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert inspect_zip(mapped) == report
    assert mapped.closed
