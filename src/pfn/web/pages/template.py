"""Render a page: one environment, strict about what is missing, and every value made harmless as it is printed."""

from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pfn.domain.access import Scope
from pfn.domain.source import SourceStatus
from pfn.services.node import Services
from pfn.web.access import get_services
from pfn.web.headers import CONTENT_SECURITY_POLICY
from pfn.web.links import plugin_path, slug_path, source_path
from pfn.web.pages import text, words
from pfn.web.pages.assets import asset_url
from pfn.web.pages.glyph import draw_glyph
from pfn.web.pages.language import (
    ENGLISH,
    LANGUAGES,
    asked_language,
    current_language,
    gettext,
    keep_language,
    number,
)
from pfn.web.pages.navigation import list_console, list_public
from pfn.web.pages.note import Note, drop_note, leave_note, read_note
from pfn.web.pages.viewer import Viewer, is_encrypted


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pfn.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.neutralize,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # Values go into a sentence by name. The extension's own functions would not look at them, ours do.
    environment.extend(newstyle_gettext=True)
    environment.policies["ext.i18n.trimmed"] = True
    environment.filters |= {
        "iso": text.iso,
        "moment": text.moment,
        "day": text.day,
        "size": text.size,
        "number": number,
        "prose": text.prose,
        "breakable": text.breakable,
        "trust_word": words.trust_word,
        "glyph": draw_glyph,
    }
    environment.globals |= {
        "_": text.say,
        "gettext": text.say,
        "ngettext": text.say_number,
        "ago": text.ago,
        "asset": asset_url,
        "count": text.count,
        "plugin_path": plugin_path,
        "slug_path": slug_path,
        "source_path": source_path,
        "words": words,
        "Scope": Scope,
        "Status": SourceStatus,
    }
    return environment


_ENVIRONMENT = _make_environment()
_ENGLISH = Markup(' lang="en"')


def render(request: Request, viewer: Viewer, template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Make the answer: ``template`` with its context and what every page shows."""
    node = get_services(request)
    note = read_note(request, node)
    language = current_language()
    content = _ENVIRONMENT.get_template(template).render(
        viewer=viewer,
        node=node,
        now=node.clock(),
        note=note,
        path=request.url.path,
        language=language,
        languages=_languages(request),
        public=list_public(request.url.path),
        console=list_console(request.url.path, viewer),
        # What marks a sentence that is English in whatever language the page is.
        english=_ENGLISH if language != ENGLISH else "",
        warnings=_warn(viewer, node),
        **context,
    )
    private = viewer.session is not None or note is not None or status != 200
    headers = {
        "Cache-Control": "no-store" if private else "no-cache",
        "Content-Language": language,
        "Vary": "Cookie, Accept-Language",
        # Said here too because the outermost error handler stands outside the middleware that says it for all.
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    response = HTMLResponse(content, status, headers=headers)
    if note is not None:
        drop_note(response, node)
    if asked_language(request.query_params) is not None:
        keep_language(response, language, secure=is_encrypted(node))
    return response


def _languages(request: Request) -> list[tuple[str, str, str]]:
    """Give every language with its own name and the address of this page in it."""
    shown = request.method in {"GET", "HEAD"}
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in {"lang", "fragment"}]
    path = quote(request.url.path) if shown else "/"
    return [
        (language, name, f"{path}?{urlencode([*(query if shown else ()), ('lang', language)])}")
        for language, name in LANGUAGES.items()
    ]


def _warn(viewer: Viewer, node: Services) -> tuple[str, ...]:
    if not viewer.is_operator:
        return ()
    halted = (
        ()
        if viewer.halted is None
        else (gettext("The log is halted, so nothing new is taken in. %(why)s", why=viewer.halted),)
    )
    return (*halted, *node.warnings)


def go_to(path: str, node: Services, note: str | Note) -> RedirectResponse:
    """Answer a form that was done: show ``path`` next, with a note."""
    response = RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})
    leave_note(response, node, Note(note) if isinstance(note, str) else note)
    return response
