"""The language of a page: asked for, kept, preferred by the browser; and what changes with it."""

import pytest
from starlette.requests import HTTPConnection
from tests.web.pages.browser import Browser

from pfn.web.pages.language import NN_, choose_language, gettext, ngettext, number


def request(query: str = "", **headers: str) -> HTTPConnection:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "query_string": query.encode(), "headers": given})


@pytest.mark.parametrize(
    ("query", "cookie", "accepted", "chosen"),
    [
        ("", "", "", "en"),
        ("", "", "de-CH,de;q=0.9,en;q=0.8", "de"),
        ("", "", "fr,en;q=0.5,de;q=0.7", "de"),
        ("", "", "fr;q=0.9, *;q=0.1", "en"),
        ("", "", "de;q=nonsense, en", "en"),
        ("", "", "de;q=0", "en"),
        ("", "pfn-lang=en", "de", "en"),
        ("", "pfn-lang=tlh", "de", "de"),
        ("lang=de", "pfn-lang=en", "en", "de"),
        ("lang=../../etc", "pfn-lang=de", "en", "de"),
    ],
)
def test_which_language_is_chosen(query: str, cookie: str, accepted: str, chosen: str) -> None:
    assert choose_language(request(query, cookie=cookie, accept_language=accepted)) == chosen


async def test_a_choice_is_kept_and_undone(stranger: Browser) -> None:
    page = await stranger.open("/sign-in", lang="de")
    assert dict(page.tags)["html"] == {"lang": "de"}
    assert page.answer.headers["content-language"] == "de"
    assert "API-Schlüssel" in page.text
    page = await stranger.open("/plugins", q="nothing-like-it")
    assert "Nichts hier passt." in page.text
    assert "/plugins?q=nothing-like-it&lang=en" in page.links()
    await stranger.open("/", lang="en")
    assert "API key" in (await stranger.open("/sign-in")).text


async def test_a_request_without_a_page_leaves_no_language_behind(stranger: Browser) -> None:
    answer = await stranger.http.get("/livez", params={"lang": "de"})
    assert "set-cookie" not in answer.headers
    assert "API key" in (await stranger.open("/sign-in")).text


async def test_errors_speak_it_too_but_for_what_is_said_to_programs(stranger: Browser) -> None:
    page = await stranger.open("/quarantine", lang="de")
    assert page.status == 401
    assert "Ein API-Schlüssel ist nötig" in page.text
    assert [given["lang"] for tag, given in page.tags if tag == "p" and "lang" in given] == ["en"]


async def test_what_a_form_did_is_said_in_it(stranger: Browser) -> None:
    stranger.http.cookies.set("pfn-lang", "de")
    page = await stranger.send("/sign-out", {})
    assert "Sie sind abgemeldet." in page.text


def test_numbers_are_grouped_and_values_filled_in() -> None:
    assert number(1_234_567) == "1,234,567"
    assert number(0.456, 2) == "0.46"
    assert ngettext(*NN_("%(num)s byte", "%(num)s bytes"), 60_000) == "60,000 bytes"
    assert gettext("%(plugins)s of %(sources)s", plugins="100 %", sources="%s") == "100 % of %s"
