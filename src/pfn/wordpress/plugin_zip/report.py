"""What an inspection of a zip finds: the closed list of reasons, and the report.

Answers for names and shapes alone; it decides nothing. A report is plain frozen data: it can be pickled
across a process pool, and ``to_json`` gives it in JSON types. Paths and header fields in it are the author's
raw text: they may hold anything and must be escaped before a terminal or a browser shows them.

A code, once published, keeps its meaning: programs match it, and stored verdicts hold it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from pfn.wordpress.header import PluginHeader, ThemeHeader
from pfn.wordpress.readme import Readme

MOST_FINDINGS = 50


class ZipCode(StrEnum):
    """Every reason to refuse a zip or to warn of it, by rule (facts: fetch and zip safety, ZIP)."""

    # Rule 1: one end record, at the end, nothing around it.
    NOT_A_ZIP = "not_a_zip"
    TRUNCATED = "truncated"
    TRAILING_DATA = "trailing_data"
    LEADING_DATA = "leading_data"
    SECOND_END_RECORD = "second_end_record"
    COMMENT_SIGNATURE = "comment_signature"
    COMMENT_TOO_LONG = "comment_too_long"
    MULTIPLE_DISKS = "multiple_disks"
    ZIP64 = "zip64"
    ENTRY_COUNT = "entry_count"
    DIRECTORY_MISPLACED = "directory_misplaced"
    DIRECTORY_CORRUPT = "directory_corrupt"

    # Rule 2: how many, how long, how deep.
    TOO_MANY_ENTRIES = "too_many_entries"
    DIRECTORY_TOO_LARGE = "directory_too_large"
    NAME_TOO_LONG = "name_too_long"
    NAME_TOO_DEEP = "name_too_deep"

    # Rule 3: the entries lie end to end.
    LOCAL_HEADER_MISSING = "local_header_missing"
    OVERLAP = "overlap"
    GAP = "gap"
    DESCRIPTOR = "descriptor"

    # Rule 4: both headers of an entry say the same, and nothing that readers take differently.
    MISMATCH_NAME = "mismatch_name"
    MISMATCH_METHOD = "mismatch_method"
    MISMATCH_FLAGS = "mismatch_flags"
    MISMATCH_CRC = "mismatch_crc"
    MISMATCH_SIZE = "mismatch_size"
    UNICODE_PATH = "unicode_path"
    EXTRA_DUPLICATE = "extra_duplicate"
    EXTRA_MALFORMED = "extra_malformed"
    ENTRY_COMMENT = "entry_comment"
    ENCRYPTED = "encrypted"
    METHOD_UNSUPPORTED = "method_unsupported"
    FLAG_UNSUPPORTED = "flag_unsupported"
    VERSION_UNSUPPORTED = "version_unsupported"

    # Rule 5: names.
    NAME_ENCODING = "name_encoding"
    NAME_DOS = "name_dos"
    NAME_NOT_NFC = "name_not_nfc"
    NAME_CONTROL = "name_control"
    NAME_BACKSLASH = "name_backslash"
    NAME_COLON = "name_colon"
    NAME_ABSOLUTE = "name_absolute"
    NAME_SEGMENT = "name_segment"
    NAME_TRAILING = "name_trailing"
    NAME_DEVICE = "name_device"
    NAME_VERSION_SUFFIX = "name_version_suffix"
    NAME_DUPLICATE = "name_duplicate"
    NAME_COLLISION = "name_collision"
    FILE_IS_FOLDER = "file_is_folder"
    FOLDER_WITH_DATA = "folder_with_data"

    # Rule 6: files and folders only.
    SYMLINK = "symlink"
    SPECIAL_FILE = "special_file"
    SETUID = "setuid"
    MODE_EXTRA = "mode_extra"
    TYPE_CONFLICT = "type_conflict"

    # Rule 7: what the entries hold.
    FILE_TOO_LARGE = "file_too_large"
    TOTAL_TOO_LARGE = "total_too_large"
    FILE_RATIO = "file_ratio"
    TOTAL_RATIO = "total_ratio"
    SIZE_MISMATCH = "size_mismatch"
    CRC_MISMATCH = "crc_mismatch"
    DEFLATE_CORRUPT = "deflate_corrupt"
    DEFLATE_TRUNCATED = "deflate_truncated"
    DEFLATE_TRAILING = "deflate_trailing"

    # Rule 8: the shape of a plugin or theme.
    NO_FOLDER = "no_folder"
    STRAY_FILE = "stray_file"
    SEVERAL_FOLDERS = "several_folders"
    FOLDER_NOT_SLUG = "folder_not_slug"
    NO_MAIN_FILE = "no_main_file"
    CONFLICTING_MAIN_FILES = "conflicting_main_files"
    VERSION_MISSING = "version_missing"
    VERSION_MISMATCH = "version_mismatch"
    REPOSITORY_FOLDER = "repository_folder"
    THEME_WITHOUT_TEMPLATE = "theme_without_template"

    # Warnings only.
    MACOSX_FOLDER = "macosx_folder"
    NESTED_ARCHIVE = "nested_archive"
    SEVERAL_MAIN_FILES = "several_main_files"
    PLUGIN_AND_THEME = "plugin_and_theme"
    FOLDER_NOT_A_SLUG = "folder_not_a_slug"
    LICENSE_MISSING = "license_missing"
    README_TOO_LONG = "readme_too_long"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason: its code, a sentence for people, and the entry it is about, if one."""

    code: ZipCode
    sentence: str
    path: str | None = None


class RefusalError(Exception):
    """The zip breaks a rule that makes reading on pointless. Never leaves this package."""

    def __init__(self, code: ZipCode, sentence: str, path: str | None = None) -> None:
        super().__init__(sentence)
        self.finding = Finding(code, sentence, path)


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of the zip: its path with the top folder, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ZipReport:
    """The verdict on a zip.

    ``readable`` is False when the bytes are no zip at all. ``findings`` are what it is refused for, the first
    fifty of the first step that failed; ``warnings`` do not refuse. The manifest lists every file by path; it
    and what follows ``kind`` are known only when the contents could be read, whatever the shape rules then
    said.
    """

    findings: tuple[Finding, ...]
    warnings: tuple[Finding, ...] = ()
    readable: bool = True
    kind: Literal["plugin", "theme"] | None = None
    top_folder: str | None = None
    main_file: str | None = None
    header: PluginHeader | ThemeHeader | None = None
    readme: Readme | None = None
    manifest: tuple[ManifestEntry, ...] = ()
    total_size: int = 0

    @property
    def accepted(self) -> bool:
        """Whether no rule is broken."""
        return not self.findings

    def to_json(self) -> Mapping[str, Any]:
        """Give the report in JSON types: objects, arrays, strings, numbers, booleans and null."""
        return {
            "accepted": self.accepted,
            "readable": self.readable,
            "findings": [asdict(finding) for finding in self.findings],
            "warnings": [asdict(warning) for warning in self.warnings],
            "kind": self.kind,
            "top_folder": self.top_folder,
            "main_file": self.main_file,
            "header": self.header and asdict(self.header),
            "readme": self.readme and asdict(self.readme),
            "manifest": [{"path": m.path, "size": m.size, "sha256": m.sha256} for m in self.manifest],
            "total_size": self.total_size,
        }
