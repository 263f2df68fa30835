"""Gather every English text of the pages into ``pfn.pot`` and bring the other catalogues up to it.

Texts are marked where they are written (``pfn.web.pages.language``); the fixed sentences of the inner layers come from
``pfn.web.pages.words``, what settings mean from ``pfn.settings``. A text that changed is empty in the other catalogues,
never guessed. ``--check`` fails where one is stale.
"""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from pfn.settings import Settings
from pfn.web.pages.language import ENGLISH, LANGUAGES
from pfn.web.pages.words import SPOKEN

WEB = Path(__file__).resolve().parents[1] / "src" / "pfn" / "web"
TEXTS = WEB / "texts"
METHODS = [("pages/**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "N_": None,
    "ngettext": (1, 2),
    "NN_": (1, 2),
}
# They change without any text changing.
NOISE = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By', b'"Last-Translator', b'"Language-Team')


def main() -> int:
    """Write the catalogues, or with ``--check`` only tell whether they are fresh."""
    fresh = {TEXTS / "pfn.pot": to_bytes(extract())}
    for language in LANGUAGES:
        if language != ENGLISH:
            path = TEXTS / f"{language}.po"
            fresh[path] = to_bytes(update(path, language))
    stale = [path.name for path, content in fresh.items() if not path.exists() or path.read_bytes() != content]
    if "--check" in sys.argv[1:]:
        print(f"stale: {', '.join(stale)}; run: make texts" if stale else "fresh")
        return int(bool(stale))
    for path, content in fresh.items():
        path.write_bytes(content)
        messages = [one for one in read_po(BytesIO(content)) if one.id]
        empty = sum(not (all(one.string) if isinstance(one.string, tuple) else one.string) for one in messages)
        print(f"{path.name}: {len(messages)} texts" + (f", {empty} to translate" if path.suffix == ".po" else ""))
    return 0


def extract() -> Catalog:
    """Give every text, with the files it is in."""
    catalog = Catalog(project="pfn", header_comment="# Every English text of the pages.", charset="utf-8")
    found = extract_from_dir(WEB, METHODS, OPTIONS, KEYWORDS, comment_tags=("TRANSLATORS:",), strip_comment_tags=True)
    for name, _, message, comments, _ in sorted(found, key=lambda one: (one[0], one[1])):
        catalog.add(message, locations=[(name, 0)], auto_comments=comments)
    for sentence in SPOKEN:
        catalog.add(sentence, locations=[("pages/words.py", 0)])
    for about in Settings.model_fields.values():
        if about.description is not None:
            catalog.add(about.description, locations=[("pages/settings.py", 0)])
    return catalog


def update(path: Path, language: str) -> Catalog:
    """Give a language's catalogue with the texts there are now, and no other."""
    catalog = Catalog(language, project="pfn", charset="utf-8")
    if path.exists():
        with path.open("rb") as file:
            catalog = read_po(file, locale=language, charset="utf-8")
    catalog.update(extract(), no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    catalog.header_comment = f"# The texts of the pages in {LANGUAGES[language]}."
    catalog.fuzzy = False
    return catalog


def to_bytes(catalog: Catalog) -> bytes:
    """Write a catalogue without what changes by itself."""
    written = BytesIO()
    write_po(written, catalog, width=110, include_lineno=False)
    return b"".join(line for line in written.getvalue().splitlines(keepends=True) if not line.startswith(NOISE))


if __name__ == "__main__":
    sys.exit(main())
