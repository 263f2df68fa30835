"""Errors as answers: the one place that turns the closed list into HTTP (protocol.md section 1, RFC 9457).

``application/problem+json`` with two more members: ``error``, the sentence as the prototype's clients read it, and
``code``. What went wrong inside is logged under a number that the answer names, and never told.
"""

import secrets
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from pfn.protocol.errors import Code, PfnError

log = structlog.get_logger()
TYPE_BASE = "urn:pfn:problem:"


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = "application/problem+json"


def to_problem(
    code: Code,
    detail: str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> ProblemResponse:
    """Make the answer for an error of the closed list."""
    number = status or code.status
    content = {
        "type": TYPE_BASE + code.slug,
        "title": code.title,
        "status": number,
        "detail": detail,
        "error": detail,
        "code": code.slug,
        **more,
    }
    return ProblemResponse(
        content, number, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    )


def from_pfn_error(error: PfnError) -> ProblemResponse:
    """Turn an error of ours into its answer."""
    if error.code.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.internal:
        log.warning("request_failed", code=error.code.slug, detail=error.detail, internal=error.internal)
    headers = {}
    if error.code.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="pfn"'
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return to_problem(error.code, error.detail, headers=headers)


async def handle_pfn_error(request: Request, error: Exception) -> ProblemResponse:
    """Answer an error of ours."""
    del request
    assert isinstance(error, PfnError)  # registered for nothing else
    return from_pfn_error(error)


async def handle_invalid(request: Request, error: Exception) -> ProblemResponse:
    """Answer a request whose fields are missing or mistyped, naming each."""
    del request
    assert isinstance(error, RequestValidationError)  # registered for nothing else
    fields = [
        {"field": ".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), "message": one["msg"]}
        for one in error.errors()
    ]
    detail = "; ".join(f"{field['field']}: {field['message']}" for field in fields) + "."
    return to_problem(Code.INVALID_FIELD, detail, fields=fields)


_BY_STATUS = {
    HTTPStatus.NOT_FOUND: (
        Code.NOT_FOUND,
        "There is nothing at this address; the list of addresses is at /docs.",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        Code.METHOD_NOT_ALLOWED,
        "This address does not take that method; see /docs.",
    ),
    HTTPStatus.BAD_REQUEST: (Code.MALFORMED_JSON, "The body could not be read."),
}


async def handle_http(request: Request, error: Exception) -> ProblemResponse:
    """Answer what the router refuses."""
    del request
    assert isinstance(error, HTTPException)  # registered for nothing else
    if isinstance(error.__cause__, PfnError):
        # The framework wraps what goes wrong while it reads a body.
        return from_pfn_error(error.__cause__)
    code, detail = _BY_STATUS.get(HTTPStatus(error.status_code), (Code.INTERNAL, str(error.detail)))
    return to_problem(code, detail, status=error.status_code, headers=error.headers)


async def handle_unexpected(request: Request, error: Exception) -> ProblemResponse:
    """Answer a fault of ours: a number to find it in the log by, and nothing more."""
    number = secrets.token_hex(4)
    log.error("unexpected_error", incident=number, path=request.url.path, exc_info=error)
    return to_problem(
        Code.INTERNAL, f"Something went wrong in the node; its log has more under {number}.", incident=number
    )
