"""The publisher's one page for people: who publishes here, with which key, and what.

Everything shown is escaped text; there is no script and nothing from elsewhere, and ``CONTENT_SECURITY_POLICY`` says so
to the browser: the page's own style is allowed by its hash alone.
"""

import base64
import hashlib
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pfn.publisher.site import Site

_templates = Environment(
    loader=PackageLoader("pfn.publisher", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE: Final = Markup(_templates.get_template("page.css").render())  # noqa: S704  # our own file
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render_page(site: Site) -> str:
    """Give the page as HTML."""
    return _templates.get_template("page.html").render(
        style=_STYLE,
        publisher=site.publisher,
        profile=site.publisher.profile,
        document=site.signed.trusted.document,
        catalog=site.signed.catalog,
        plugins=site.plugins,
    )
