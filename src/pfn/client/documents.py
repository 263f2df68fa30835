"""Where a publisher's signed documents come from: a folder, or its site (protocol.md section 3).

Answers for bringing them, within limits of bytes and seconds; redirects and compressed answers are refused. What is not
there is left out, and what it means that it is not is for ``verification`` to say: nothing is verified here, and what
is read from a document early only tells which others to ask for.

A site is asked over https; over http only on this machine.
"""

import ipaddress
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pydantic import TypeAdapter, ValidationError

from pfn.client.verification import Documents
from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog
from pfn.protocol.document import Slug, Version, read_document
from pfn.protocol.dsse import MAX_ENVELOPE_BYTES, parse_envelope
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.source_id import normalize_instance_url, source_id

if TYPE_CHECKING:
    import httpx

WELL_KNOWN = "/.well-known/pfn"
MAX_KEY_DOCUMENTS = 200
TOTAL_SECONDS = 60
STEP_SECONDS = 15

_ABSENT = {404, 410}
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)
_VERSION: TypeAdapter[str] = TypeAdapter(Version)

# Gives a document by its path and at most so many bytes, None where there is none.
_Read = Callable[[str, int], bytes | None]


def find_instance_url(source: str) -> str:
    """The address a source is at unless told otherwise: https, on this machine http.

    Raises PfnError (``invalid_field``) for what is no ``username@host``.
    """
    username, _, authority = source.partition("@")
    try:
        url = normalize_instance_url(f"https://{authority}")
        if _is_loopback(url):
            url = normalize_instance_url(f"http://{authority}")
        found = source_id(url, username)
    except PfnError as error:
        raise PfnError(Code.INVALID_FIELD, f"{source!r} is no source: {error.detail}") from error
    if found != source:
        raise PfnError(Code.INVALID_FIELD, f"{source!r} is no source; it would be written {found}.")
    return url


def read_documents(
    where: str | Path, *, slug: str, version: str | None = None, signature: str | None = None
) -> Documents:
    """Bring what there is about one release, the newest listed where no version is named.

    ``where`` is an instance URL, or the path of a folder laid out like ``/.well-known/pfn`` or with that inside.
    ``signature`` is what came beside the zip (``.sig``, ``X-Content-Signature``), to be judged with the rest. Raises
    PfnError: ``invalid_field`` for a slug or version no publisher can sign, ``invalid_url``, ``source_unreachable``,
    ``publisher_status``, ``publisher_too_large``.
    """
    _require(_SLUG, slug, "slug")
    if version is not None:
        _require(_VERSION, version, "version")
    if isinstance(where, str) and "://" in where:
        # Here, for a node that serves loads this module and has no use for it.
        import httpx

        url = _check_url(where)
        timeout = httpx.Timeout(STEP_SECONDS)
        with httpx.Client(timeout=timeout, headers={"Accept-Encoding": "identity"}, follow_redirects=False) as http:
            return _gather(_read_site(http, url), slug, version, signature)
    return _gather(_read_folder(Path(where)), slug, version, signature)


def _gather(read: _Read, slug: str, version: str | None, signature: str | None) -> Documents:
    catalog = read("catalog.json", MAX_CATALOG_BYTES)
    version = version or _peek_newest(catalog, slug)
    statement = read(f"releases/{slug}/{version}.json", MAX_ENVELOPE_BYTES) if version is not None else None
    return Documents(chain=_gather_chain(read), catalog=catalog, statement=statement, signature=signature)


def _gather_chain(read: _Read) -> tuple[bytes, ...]:
    newest = read("publisher.json", MAX_ENVELOPE_BYTES)
    if newest is None:
        return ()
    count = _peek_count(newest)
    if count > MAX_KEY_DOCUMENTS:
        raise PfnError(
            Code.PUBLISHER_TOO_LARGE, f"There are {count} key documents; at most {MAX_KEY_DOCUMENTS} are read."
        )
    older = (read(f"publisher/{number}.json", MAX_ENVELOPE_BYTES) for number in range(1, count))
    return (*(document for document in older if document is not None), newest)


def _peek_count(newest: bytes) -> int:
    try:
        return read_document(PublisherDocument, parse_envelope(newest)).version
    except PfnError:
        return 1  # verification says what is wrong with it


def _peek_newest(catalog: bytes | None, slug: str) -> str | None:
    if catalog is None:
        return None
    try:
        listed = read_document(Catalog, parse_envelope(catalog, max_bytes=MAX_CATALOG_BYTES)).find_release(slug)
    except PfnError:
        return None  # verification says what is wrong with it
    return listed.version if listed else None


def _read_folder(folder: Path) -> _Read:
    inside = folder / WELL_KNOWN.lstrip("/")
    base = inside if inside.is_dir() else folder
    if not base.is_dir():
        raise PfnError(Code.SOURCE_UNREACHABLE, f"There is no folder {folder}.")

    def read(path: str, max_bytes: int) -> bytes | None:
        try:
            with (base / path).open("rb") as file:
                body = file.read(max_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PfnError(Code.SOURCE_UNREACHABLE, f"{base / path} cannot be read: {error.strerror}.") from error
        _check_size(body, max_bytes, path)
        return body

    return read


def _read_site(http: "httpx.Client", url: str) -> _Read:
    import httpx

    deadline = time.monotonic() + TOTAL_SECONDS

    def check_time() -> None:
        if time.monotonic() > deadline:
            raise PfnError(Code.SOURCE_UNREACHABLE, f"{url} took longer than {TOTAL_SECONDS} seconds to answer.")

    def read(path: str, max_bytes: int) -> bytes | None:
        check_time()
        address = f"{url.removesuffix(WELL_KNOWN)}{WELL_KNOWN}/{quote(path)}"
        body = bytearray()
        try:
            with http.stream("GET", address) as answer:
                if answer.status_code in _ABSENT:
                    return None
                _check_answer(answer)
                for chunk in answer.iter_raw():
                    body += chunk
                    _check_size(body, max_bytes, address)
                    check_time()
        except httpx.HTTPError as error:
            raise PfnError(
                Code.SOURCE_UNREACHABLE, f"{address} cannot be reached: {error or type(error).__name__}"
            ) from error
        return bytes(body)

    return read


def _check_answer(answer: "httpx.Response") -> None:
    if answer.status_code != HTTPStatus.OK:
        raise PfnError(Code.PUBLISHER_STATUS, f"{answer.url} answered with status {answer.status_code} instead of 200.")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise PfnError(Code.PUBLISHER_STATUS, f"{answer.url} answered in an encoding that was not asked for.")


def _check_size(body: bytes | bytearray, max_bytes: int, name: str) -> None:
    if len(body) > max_bytes:
        raise PfnError(Code.PUBLISHER_TOO_LARGE, f"{name} is larger than {max_bytes} bytes.")


def _check_url(text: str) -> str:
    url = normalize_instance_url(text)
    if url.startswith("http://") and not _is_loopback(url):
        raise PfnError(Code.INVALID_URL, "Documents are fetched over https; over http only from this machine.")
    return url


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require(kind: TypeAdapter[str], value: str, name: str) -> None:
    try:
        kind.validate_python(value)
    except ValidationError as error:
        raise PfnError(Code.INVALID_FIELD, f"{value!r} is no {name} that a publisher can sign.") from error
