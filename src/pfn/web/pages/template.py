"""Render a page: one environment, strict about what is missing, and every value made harmless as it is printed."""

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from pfn.domain.access import Scope
from pfn.domain.source import SourceStatus
from pfn.services.node import Services
from pfn.web.access import get_services
from pfn.web.headers import CONTENT_SECURITY_POLICY
from pfn.web.links import plugin_path, source_path
from pfn.web.pages import text, words
from pfn.web.pages.assets import asset_url
from pfn.web.pages.glyph import draw_glyph
from pfn.web.pages.note import drop_note, leave_note, read_note
from pfn.web.pages.viewer import Viewer


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pfn.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.neutralize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "iso": text.iso,
        "moment": text.moment,
        "size": text.size,
        "prose": text.prose,
        "trust_word": words.trust_word,
        "glyph": draw_glyph,
    }
    environment.globals |= {
        "ago": text.ago,
        "asset": asset_url,
        "count": text.count,
        "plugin_path": plugin_path,
        "source_path": source_path,
        "words": words,
        "Scope": Scope,
        "Status": SourceStatus,
    }
    return environment


_ENVIRONMENT = _make_environment()


def render(request: Request, viewer: Viewer, template: str, status: int = 200, **context: object) -> HTMLResponse:
    """Make the answer: ``template`` with its context and what every page shows."""
    node = get_services(request)
    note = read_note(request, node)
    content = _ENVIRONMENT.get_template(template).render(
        viewer=viewer,
        node=node,
        now=node.clock(),
        note=note,
        path=request.url.path,
        warnings=_warn(viewer, node),
        **context,
    )
    private = viewer.session is not None or note is not None or status != 200
    headers = {
        "Cache-Control": "no-store" if private else "no-cache",
        "Vary": "Cookie",
        # Said here too because the outermost error handler stands outside the middleware that says it for all.
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    response = HTMLResponse(content, status, headers=headers)
    if note is not None:
        drop_note(response, node)
    return response


def _warn(viewer: Viewer, node: Services) -> tuple[str, ...]:
    if not viewer.is_operator:
        return ()
    halted = () if viewer.halted is None else (f"The log is halted, so nothing new is taken in. {viewer.halted}",)
    return (*halted, *node.warnings)


def go_to(path: str, node: Services, note: str) -> RedirectResponse:
    """Answer a form that was done: show ``path`` next, with a note."""
    response = RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})
    leave_note(response, node, note)
    return response
