"""A form that changes something: who sent it, from where, and what it says.

Three things must hold before a handler runs: the browser says that the form came from this site, a session lives, and
the form carries that session's token. Then the scope is asked for. A bearer token means nothing here.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request

from pfn.domain.access import Grant, Scope
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.services.node import Services
from pfn.web.access import Node
from pfn.web.pages.viewer import Seen, Viewer

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Submission:
    """A form that may be acted on."""

    viewer: Viewer
    grant: Grant
    fields: Mapping[str, str]

    def text(self, name: str, *, longest: int = 200) -> str:
        """Give a field without the white space around it. Raises PfnError (``invalid_field``)."""
        value = self.fields.get(name, "").strip()
        if len(value) > longest:
            raise PfnError(Code.INVALID_FIELD, f"{name}: may have {longest} characters at most.")
        return value


def submitted(scope: Scope) -> Callable[..., Awaitable[Submission]]:
    """Make the dependency that lets a form through whose session has ``scope``.

    It raises PfnError: ``csrf_failed``, ``key_required``, ``scope_missing``, ``invalid_field``.
    """

    async def check(request: Request, node: Node, viewer: Seen) -> Submission:
        check_origin(request, node)
        if viewer.session is None:
            raise PfnError(Code.KEY_REQUIRED, "Your session has ended, or never began. Sign in and try again.")
        fields = await read_form(request)
        if not hmac.compare_digest(fields.get("csrf", "").encode(), viewer.csrf.encode()):
            raise PfnError(Code.CSRF_FAILED, "The form does not belong to your session.")
        require(viewer.session.grant, scope)
        return Submission(viewer, viewer.session.grant, fields)

    return check


def check_origin(request: Request, node: Services) -> None:
    """Raise PfnError (``csrf_failed``) unless the browser says that the form came from this site.

    ``Sec-Fetch-Site`` decides where it is sent, for no page can forge it; browsers leave it out over plain http to
    other machines, and then ``Origin`` decides. A request with neither is refused.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "")
    if site is not None:
        same = site == "same-origin"
    else:
        own = {urlsplit(node.address).netloc, request.headers.get("host")}
        same = urlsplit(origin).netloc in own
    if not same:
        raise PfnError(Code.CSRF_FAILED, "The form was sent from another site, or the browser did not say from where.")


async def read_form(request: Request) -> dict[str, str]:
    """Read the fields of a form, line ends made plain. Raises PfnError (``invalid_field``)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise PfnError(Code.INVALID_FIELD, f"A form must be sent as {_FORM}.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise PfnError(Code.INVALID_FIELD, "The form could not be read.") from error
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


ToWrite = Annotated[Submission, Depends(submitted(Scope.SOURCES_WRITE))]
ToVerify = Annotated[Submission, Depends(submitted(Scope.SOURCES_VERIFY))]
ToSubscribe = Annotated[Submission, Depends(submitted(Scope.SUBSCRIPTIONS_WRITE))]
ToPeer = Annotated[Submission, Depends(submitted(Scope.LOG_ADMIN))]
ToKeepKeys = Annotated[Submission, Depends(submitted(Scope.KEYS_ADMIN))]
ToMirror = Annotated[Submission, Depends(submitted(Scope.MIRROR_RUN))]
