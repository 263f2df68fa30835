"""The shape WordPress expects of a plugin or theme zip.

Answers for the top folder, the main file and its header, the readme, and what should not be shipped. It reads
no more than the heads of the files it asks for.

The rules (facts: fetch and zip safety, ZIP rule 8; client contracts 3g, 7.1, 7.3, 8): one top folder, equal
to the slug; no file beside it (``__MACOSX/`` only draws a warning, as core skips it); a ``*.php`` file
directly in it with a ``Plugin Name``, or a ``style.css`` with a ``Theme Name``; its ``Version`` is the
announced one. Of several main files ``{folder}/{folder}.php`` is preferred, then the first by name; they must
agree on name, version and update URI, since core lists each as a plugin of its own. No version control
folders. Nested archives are listed, not opened.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pfn.wordpress.header import (
    HEADER_BYTES,
    PluginHeader,
    ThemeHeader,
    parse_plugin_header,
    parse_theme_header,
)
from pfn.wordpress.plugin_zip.contents import FileContent
from pfn.wordpress.plugin_zip.report import Finding, ZipCode
from pfn.wordpress.readme import Readme, parse_readme
from pfn.wordpress.slug import is_slug

README_BYTES: Final = 256 << 10

_MACOSX: Final = "__MACOSX/"
_REPOSITORIES: Final = frozenset({".git", ".svn", ".hg"})
_ARCHIVES: Final = (
    *(".zip", ".phar", ".jar", ".war", ".rar", ".7z", ".tar", ".tgz", ".tbz2", ".txz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"),
)
_TEMPLATES: Final = ("index.php", "templates/index.html", "block-templates/index.html")


class Shape:
    """Gathers what the files of one zip say, then judges it.

    Made from the paths of all entries; every unpacked file is then shown to ``see``, in any order.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = frozenset(paths)
        self._folders = sorted({path.partition("/")[0] for path in paths if _is_in_folder(path)})
        self._plugin: tuple[str, PluginHeader] | None = None
        self._plugin_count = 0
        self._plugins_conflict = False
        self._theme: ThemeHeader | None = None
        self._readme: FileContent | None = None

    @property
    def folder(self) -> str | None:
        """The one top folder, or None when there is none or more than one."""
        return self._folders[0] if len(self._folders) == 1 else None

    @property
    def kind(self) -> Literal["plugin", "theme"] | None:
        """What WordPress would install it as."""
        if self._plugin:
            return "plugin"
        return "theme" if self._theme else None

    @property
    def main_file(self) -> str | None:
        """The path of the file whose header counts."""
        if self._plugin:
            return self._plugin[0]
        return f"{self.folder}/style.css" if self._theme else None

    @property
    def header(self) -> PluginHeader | ThemeHeader | None:
        """The header of the main file."""
        return self._plugin[1] if self._plugin else self._theme

    def read_readme(self) -> Readme | None:
        """Parse the readme, ``readme.txt`` rather than ``readme.md``."""
        return parse_readme(self._readme.head.decode("utf-8", "replace")) if self._readme else None

    def head_bytes(self, path: str) -> int:
        """Say how much of this file's content is wanted."""
        name = self._name_in_folder(path)
        if _may_be_main(name) or name == "style.css":
            return HEADER_BYTES
        return README_BYTES if _is_readme(name) else 0

    def see(self, file: FileContent) -> None:
        """Take note of an unpacked file."""
        name = self._name_in_folder(file.path)
        if _may_be_main(name):
            if header := parse_plugin_header(file.head):
                self._add_plugin(file.path, header)
        elif name == "style.css":
            self._theme = parse_theme_header(file.head)
        elif _is_readme(name) and (self._readme is None or name.lower() == "readme.txt"):
            self._readme = file

    def judge(self, slug: str | None, version: str | None) -> Iterator[Finding]:
        """Yield what the zip must be refused for, given the announced slug and version, where known."""
        yield from self._judge_folders(slug)
        for path in self._paths_sorted():
            if not _REPOSITORIES.isdisjoint(path.lower().split("/")):
                yield Finding(ZipCode.REPOSITORY_FOLDER, "A version control folder is shipped.", path)
        if self.header is None:
            if self.folder:
                yield Finding(
                    ZipCode.NO_MAIN_FILE,
                    "No PHP file directly in the folder has a “Plugin Name”, nor a style.css a “Theme Name”.",
                    self.folder,
                )
            return
        if self._plugins_conflict:
            yield Finding(
                ZipCode.CONFLICTING_MAIN_FILES,
                "Several main files differ in name, version or update URI.",
                self.main_file,
            )
        if not self.header.version:
            yield Finding(ZipCode.VERSION_MISSING, "The header has no “Version”.", self.main_file)
        elif version is not None and self.header.version != version:
            yield Finding(
                ZipCode.VERSION_MISMATCH,
                f"The header says version “{self.header.version}”, announced is “{version}”.",
                self.main_file,
            )
        if self.kind == "theme" and not self._has_template():
            yield Finding(
                ZipCode.THEME_WITHOUT_TEMPLATE,
                "The theme has neither index.php nor templates/index.html.",
                self.folder,
            )

    def warn(self, slug: str | None, readme: Readme | None) -> Iterator[Finding]:
        """Yield what the publisher should know, but need not change."""
        if self.folder and slug is None and not is_slug(self.folder):
            yield Finding(ZipCode.FOLDER_NOT_A_SLUG, "The folder's name cannot be a slug.", self.folder)
        if self._plugin_count > 1:
            yield Finding(
                ZipCode.SEVERAL_MAIN_FILES,
                f"{self._plugin_count} files have a “Plugin Name”.",
                self.main_file,
            )
        if self._plugin and self._theme:
            yield Finding(ZipCode.PLUGIN_AND_THEME, "The plugin's style.css says that it is a theme.")
        if self.header and not self.header.license and not (readme and readme.license):
            yield Finding(ZipCode.LICENSE_MISSING, "Neither the header nor the readme names a license.")
        if self._readme and self._readme.size > README_BYTES:
            yield Finding(
                ZipCode.README_TOO_LONG,
                f"Only the first {README_BYTES} bytes of the readme count.",
                self._readme.path,
            )
        if any(path.startswith(_MACOSX) for path in self._paths):
            yield Finding(ZipCode.MACOSX_FOLDER, "A __MACOSX folder is shipped; WordPress skips it.", _MACOSX)
        for path in self._paths_sorted():
            if path.lower().endswith(_ARCHIVES):
                yield Finding(ZipCode.NESTED_ARCHIVE, "An archive inside the zip is not looked into.", path)

    def _paths_sorted(self) -> list[str]:
        return sorted(self._paths)

    def _judge_folders(self, slug: str | None) -> Iterator[Finding]:
        for path in self._paths_sorted():
            if "/" not in path:
                yield Finding(ZipCode.STRAY_FILE, "The file lies beside the plugin's folder, not in it.", path)
        if not self._folders:
            yield Finding(ZipCode.NO_FOLDER, "The zip has no top folder.")
        elif self.folder is None:
            yield Finding(ZipCode.SEVERAL_FOLDERS, f"The zip has {len(self._folders)} top folders instead of one.")
        elif slug is not None and self.folder != slug:
            yield Finding(
                ZipCode.FOLDER_NOT_SLUG,
                f"The top folder is “{self.folder}”, announced is “{slug}”.",
                self.folder,
            )

    def _has_template(self) -> bool:
        """Tell whether core would install the theme: a child theme needs no template of its own."""
        is_child = isinstance(self._theme, ThemeHeader) and bool(self._theme.template)
        return is_child or any(f"{self.folder}/{template}" in self._paths for template in _TEMPLATES)

    def _name_in_folder(self, path: str) -> str:
        """Give the name of a file that lies directly in the top folder, else nothing."""
        folder, _, name = path.partition("/")
        return name if folder == self.folder and "/" not in name else ""

    def _add_plugin(self, path: str, header: PluginHeader) -> None:
        self._plugin_count += 1
        if self._plugin is None:
            self._plugin = path, header
            return
        known_path, known = self._plugin
        if (header.name, header.version, header.update_uri) != (known.name, known.version, known.update_uri):
            self._plugins_conflict = True
        if self._rank(path) < self._rank(known_path):
            self._plugin = path, header

    def _rank(self, path: str) -> tuple[bool, str]:
        return path != f"{self.folder}/{self.folder}.php", path


def _is_in_folder(path: str) -> bool:
    """Tell whether the path lies in a top folder that core would unpack."""
    return "/" in path and not path.startswith(_MACOSX)


def _may_be_main(name: str) -> bool:
    """Tell whether core would look for a plugin header in a file of this name."""
    return name.endswith(".php") and not name.startswith(".")


def _is_readme(name: str) -> bool:
    return name.lower() in ("readme.txt", "readme.md")
