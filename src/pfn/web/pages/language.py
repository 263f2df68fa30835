"""The language of a page: which one a request gets, and texts, numbers and dates in it.

English is written in the code; the other catalogues lie in ``web/texts``, each read when it is first asked for. A
request's language is what its address asks for (``?lang=de``, kept in a cookie from then on), else the cookie's, else
the browser's, else English. It holds for the request alone: whatever runs in it asks here.

Not answered for: sentences that are stored (events, errors). They are English; pages mark them as such.
"""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Final, TypeVar

from babel import Locale
from babel.numbers import format_decimal
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

ENGLISH: Final = "en"
LANGUAGES: Final = {ENGLISH: "English", "de": "Deutsch"}
COOKIE: Final = "pfn-lang"

K = TypeVar("K")
_KEPT_S = 365 * 86_400
_LONGEST_HEADER = 500


@cache
def _catalogue(language: str) -> NullTranslations:
    if language == ENGLISH:
        return NullTranslations()
    # Megabytes that a node need not have as long as nobody asks for another language.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with files("pfn.web").joinpath("texts", f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


_LOCALES = {language: Locale.parse(language) for language in LANGUAGES}
_CURRENT: ContextVar[str] = ContextVar("language", default=ENGLISH)


class ChooseLanguage:
    """ASGI middleware: what runs inside it speaks the language of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose, and pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = _CURRENT.set(choose_language(HTTPConnection(scope)))
        try:
            await self._app(scope, receive, send)
        finally:
            _CURRENT.reset(token)


def choose_language(request: HTTPConnection) -> str:
    """Give the language of a request."""
    kept = request.cookies.get(COOKIE, "")
    return asked_language(request.query_params) or (
        kept if kept in LANGUAGES else prefer_language(request.headers.get("accept-language", ""))
    )


def asked_language(query: QueryParams) -> str | None:
    """Give the language that an address asks for, if there are texts in it."""
    asked = query.get("lang")
    return asked if asked in LANGUAGES else None


def prefer_language(asked: str) -> str:
    """Give the first language of an ``Accept-Language`` that there is, by weight; the region does not matter."""
    best, heaviest = ENGLISH, 0.0
    for part in asked[:_LONGEST_HEADER].split(",") if asked else ():
        name, _, weight = part.partition(";q=")
        language = name.strip().lower().partition("-")[0]
        try:
            heavy = float(weight or 1)
        except ValueError:
            continue
        if language in LANGUAGES and heavy > heaviest:
            best, heaviest = language, heavy
    return best


def keep_language(response: Response, language: str, *, secure: bool) -> None:
    """Remember what the reader chose; it comes along from other sites' links, too, for it gives no rights."""
    response.set_cookie(COOKIE, language, max_age=_KEPT_S, path="/", secure=secure, httponly=True, samesite="lax")


def current_language() -> str:
    """Give the language of what is running."""
    return _CURRENT.get()


def current_locale() -> Locale:
    """Give its customs of writing numbers and dates."""
    return _LOCALES[_CURRENT.get()]


def gettext(text: str, **values: object) -> str:
    """Say a text in the language of the request; ``%(name)s`` in it stands for a value, a whole number is grouped."""
    return translate(text) % show_values(values)


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """Say a text that depends on a number, ``%(num)s`` in it."""
    return translate_number(one, many, num) % show_values({"num": num, **values})


def translate(text: str) -> str:
    """Say a marked text without values in it."""
    return _catalogue(_CURRENT.get()).gettext(text)


def translate_number(one: str, many: str, num: int) -> str:
    """Give the text that goes with a number, its values not filled in."""
    return _catalogue(_CURRENT.get()).ngettext(one, many, num)


def N_(text: str) -> str:  # noqa: N802  # the name that tools for catalogues know
    """Mark a text for the catalogue where it is written; it is said elsewhere."""
    return text


def NN_(one: str, many: str) -> tuple[str, str]:  # noqa: N802
    """Mark a text that depends on a number."""
    return one, many


def show_values(values: Mapping[str, object]) -> dict[str, object]:
    """Write whole numbers as people of the language do."""
    return {name: number(value) if type(value) is int else value for name, value in values.items()}


def number(value: float, digits: int = 0) -> str:
    """Write a number with its thousands grouped, and so many digits after the point."""
    return format_decimal(value, format=f"#,##0.{'0' * digits}" if digits else "#,##0", locale=current_locale())


class Words(Mapping[K, str]):
    """Marked texts by what they stand for; looked up, they are in the language of the request."""

    def __init__(self, texts: Mapping[K, str]) -> None:
        self._texts = texts

    def __getitem__(self, key: K) -> str:
        return translate(self._texts[key])

    def __iter__(self) -> Iterator[K]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)
