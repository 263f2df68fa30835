"""The verdict on a zip's bytes, given once per digest and kept; what a release claims of them is compared each time.

``RULES`` grows whenever the zip check changes its mind about anything: verdicts under older rules are given anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pfn.protocol.errors import Code, PfnError
from pfn.wordpress.plugin_zip import ZipReport

RULES = 1
_MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class ZipVerdict:
    """What was found: faults as (code, sentence), what the zip says of itself, every file with its digest."""

    faults: tuple[tuple[str, str], ...]
    top_folder: str | None
    facts: dict[str, Any]
    manifest: Sequence[Mapping[str, object]]

    @property
    def header(self) -> Mapping[str, Any]:
        """The main file's header, empty where there is none."""
        return self.facts.get("header") or {}

    def to_json(self) -> dict[str, object]:
        """Give what is stored; the manifest is stored beside it."""
        return {"faults": [list(fault) for fault in self.faults], "top_folder": self.top_folder, "facts": self.facts}


def from_report(report: ZipReport) -> ZipVerdict:
    """Make the verdict of a report that knew of no claims."""
    said = report.to_json()
    kept = ("kind", "main_file", "header", "readme", "warnings", "total_size")
    return ZipVerdict(
        faults=tuple((finding.code.value, finding.sentence) for finding in report.findings),
        top_folder=report.top_folder,
        facts={name: said[name] for name in kept},
        manifest=said["manifest"],
    )


def from_json(stored: Mapping[str, Any], manifest: Sequence[Mapping[str, object]]) -> ZipVerdict:
    """Give a stored verdict back."""
    faults = tuple((code, sentence) for code, sentence in stored["faults"])
    return ZipVerdict(faults, stored["top_folder"], stored["facts"], manifest)


def check_claim(verdict: ZipVerdict, slug: str, version: str) -> None:
    """Compare what a release claims with its zip.

    Raises PfnError: ``zip_refused`` where the zip breaks a rule, ``zip_mismatch`` where it is of another plugin or
    version than announced.
    """
    if verdict.faults:
        reasons = "; ".join(f"{code}: {sentence}" for code, sentence in verdict.faults[:_MOST_REASONS])
        raise PfnError(Code.ZIP_REFUSED, reasons)
    if verdict.top_folder != slug:
        raise PfnError(
            Code.ZIP_MISMATCH, f"The zip's folder is {verdict.top_folder!r}, but the release is announced as {slug!r}."
        )
    found = verdict.header.get("version")
    if found != version:
        raise PfnError(Code.ZIP_MISMATCH, f"The zip is version {found!r}, but the release is announced as {version!r}.")
