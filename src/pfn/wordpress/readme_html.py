"""The sections of a plugin's readme as harmless HTML, for details in WordPress and for pages.

A section is the author's text: Markdown with WordPress's sub-headings (``= Title =``) and with HTML in it. What comes
out has only tags that WordPress core keeps in plugin details (facts: client contracts 3b) and links only to absolute
addresses; no pictures, which would tell strangers who looks; no headings above the fourth,
so that they fit below the titles of whoever shows them. Nothing is kept: a readme that was written to take long takes
a second, so call it off the event loop, and once.

Screenshots, which are captions of pictures, and upgrade notices, which are shown by version, are no sections here.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

SHOWN: Final = ("description", "installation", "faq", "changelog", "other_notes")
SECTION_CHARACTERS: Final = 20_000

_TAGS: Final = {
    *("a", "abbr", "acronym", "code", "pre", "em", "strong", "div", "span", "p", "br", "ul", "ol", "li", "blockquote"),
    *("h4", "h5", "h6"),
}
_ATTRIBUTES: Final = {"a": {"href"}, "abbr": {"title"}, "acronym": {"title"}}
_HIGHEST: Final = 4
_HEADING: Final = "="


def render_sections(sections: Mapping[str, str], short_description: str = "") -> dict[str, str]:
    """Render what details show of a readme's sections, in their usual order.

    There always is a description, for want of another the short one.
    """
    given = {"description": short_description, **sections}
    rendered = {name: render_markup(given[name]) for name in SHOWN if name in given}
    return {name: html for name, html in rendered.items() if html or name == "description"}


def render_markup(markup: str) -> str:
    """Render one section; what is longer than any that people read is cut between lines."""
    if len(markup) > SECTION_CHARACTERS:
        markup = markup[: markup.rfind("\n", 0, SECTION_CHARACTERS) + 1 or SECTION_CHARACTERS]
    return nh3.clean(
        _MARKDOWN.render(markup),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_keep_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    ).strip()


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """Keep no link that is relative: whoever shows it would resolve it at another place each."""
    if (tag, name) != ("a", "href"):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme and (parts.netloc or parts.path) else None


def _read_heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a line ``= Title =`` as a heading."""
    del end
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].strip()
    title = line.strip(_HEADING).strip()
    if not (title and line[0] == line[-1] == _HEADING) or state.is_code_block(start):
        return False
    if silent:
        return True
    state.line = start + 1
    state.push("heading_open", "h4", 1)
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = title, [start, state.line], []
    state.push("heading_close", "h4", -1)
    return True


def _open_or_close_heading(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    token.tag = f"h{max(int(token.tag[1:]), _HIGHEST)}"
    return renderer.renderToken(tokens, index, options, env)


def _make_markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": True})
    markdown.block.ruler.before("heading", "readme_heading", _read_heading, {"alt": ["paragraph", "reference"]})
    for rule in ("heading_open", "heading_close"):
        markdown.add_render_rule(rule, _open_or_close_heading)
    return markdown


_MARKDOWN: Final = _make_markdown()
