"""The judge of plugin zips: bytes in, report out.

Answers for whether a zip can be mirrored: every reader lists and unpacks the same files from it, it cannot
harm the node that unpacks it, and WordPress would install it as what it claims to be. It does no I/O and
changes nothing; the node serves the original bytes. It does not judge the code inside, and does not know who
may use a slug or an update URI.

The rules are those of the facts (fetch and zip safety, ZIP 1-8; client contracts 3g, 7.1, 7.3), one reason
code for each way to break one, in steps, structure first: end record, central directory, local headers, names
and announced sizes, contents, shape. A step runs only when those before it found nothing. The parser is our
own: on zips built to confuse, libraries differ, which is what is looked for.
"""

import mmap
from collections.abc import Iterable
from itertools import chain, islice

from pfn.wordpress.plugin_zip.contents import judge_sizes, read_contents
from pfn.wordpress.plugin_zip.directory import read_directory
from pfn.wordpress.plugin_zip.end_record import read_end_record
from pfn.wordpress.plugin_zip.limits import ZipLimits
from pfn.wordpress.plugin_zip.names import judge_names
from pfn.wordpress.plugin_zip.report import (
    MOST_FINDINGS,
    Finding,
    ManifestEntry,
    RefusalError,
    ZipCode,
    ZipReport,
)
from pfn.wordpress.plugin_zip.shape import Shape
from pfn.wordpress.plugin_zip.tiling import lay_out

__all__ = ["Finding", "ManifestEntry", "ZipCode", "ZipLimits", "ZipReport", "inspect_zip"]

_DEFAULT_LIMITS = ZipLimits()


def inspect_zip(
    data: bytes | memoryview | mmap.mmap,
    *,
    slug: str | None = None,
    version: str | None = None,
    limits: ZipLimits = _DEFAULT_LIMITS,
) -> ZipReport:
    """Judge a zip; never raises on any bytes.

    ``slug`` and ``version`` are what the publisher announced; without them the zip may say what it likes.
    Time and memory are bounded by ``limits``, not by what the zip announces: beside the report and the
    central directory, a few mebibytes.
    """
    with memoryview(data) as view:
        try:
            return _inspect(view, slug, version, limits)
        except RefusalError as refusal:
            finding = refusal.finding
            return ZipReport(findings=(finding,), readable=finding.code is not ZipCode.NOT_A_ZIP)


def _inspect(view: memoryview, slug: str | None, version: str | None, limits: ZipLimits) -> ZipReport:
    end = read_end_record(view, limits)
    entries = read_directory(view, end, limits)
    laid_out = lay_out(view, entries, end.directory_offset)
    findings = _first(chain(judge_names(entries, limits), judge_sizes(entries, limits)))
    if findings:
        return ZipReport(findings=findings)

    shape = Shape([entry.path for entry in entries])
    manifest = []
    for file in read_contents(laid_out, shape.head_bytes):
        manifest.append(ManifestEntry(file.path, file.size, file.sha256))
        shape.see(file)
    readme = shape.read_readme()
    return ZipReport(
        findings=_first(shape.judge(slug, version)),
        warnings=_first(shape.warn(slug, readme)),
        kind=shape.kind,
        top_folder=shape.folder,
        main_file=shape.main_file,
        header=shape.header,
        readme=readme,
        manifest=tuple(sorted(manifest, key=lambda entry: entry.path)),
        total_size=sum(entry.size for entry in manifest),
    )


def _first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(islice(findings, MOST_FINDINGS))
