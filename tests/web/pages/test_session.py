"""Sign in and out: a key becomes a session, kept by a cookie that scripts and other sites cannot use."""

from pathlib import Path

import httpx
import pytest
from tests.support.node import RunningNode
from tests.support.rows import own_rows
from tests.web.pages.browser import Browser

from pfn.app import build_app, prepare
from pfn.settings import Settings
from pfn.web.pages.sign_in import local_path


async def test_signing_in_leads_home_and_says_who_is_there(stranger: Browser, node: RunningNode) -> None:
    page = await stranger.sign_in(node.admin_key)
    assert (page.status, page.path) == (200, "/")
    assert "operator" in page.text
    assert page.has_form("/sign-out")


async def test_the_cookie_is_for_this_site_alone(stranger: Browser, node: RunningNode) -> None:
    page = await stranger.sign_in(node.admin_key)
    cookie = page.answer.history[0].headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "pfn"
    value, *attributes = rest.split("; ")
    assert len(value) == 64
    assert {one.lower() for one in attributes} == {"httponly", "samesite=strict", "path=/"}
    assert node.admin_key not in cookie


async def test_on_https_the_cookie_belongs_to_the_host(tmp_path: Path) -> None:
    prepared = prepare(Settings(data=tmp_path, public_url="https://node.example", work=False, **own_rows(tmp_path)))
    app = build_app(prepared)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://node.example") as http,
    ):
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = await http.post("/sign-in", data={"key": prepared.new_master_key}, headers=headers)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-pfn=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; ")[1:])
        assert "Domain" not in cookie
        page = await http.get("/")
        assert "Sign out" in page.text


@pytest.mark.parametrize("key", ["", "nonsense", "fadmin_AAAAAAAAAAAA_" + "A" * 49, "x" * 5_000])
async def test_a_wrong_key_is_refused_in_the_form(stranger: Browser, key: str) -> None:
    page = await stranger.sign_in(key)
    assert (page.status, page.path) == (401, "/sign-in")
    assert any(given.get("role") == "alert" for _, given in page.tags)
    assert page.form("/sign-in").fields["key"] == ""
    assert not stranger.http.cookies


async def test_signing_out_ends_the_session_on_the_node(stranger: Browser, node: RunningNode) -> None:
    home = await stranger.sign_in(node.admin_key)
    cookie = stranger.http.cookies["pfn"]
    page = await stranger.submit(home, "/sign-out")
    assert "You are signed out." in page.text
    assert not page.has_form("/sign-out")
    stranger.http.cookies.set("pfn", cookie)
    assert not (await stranger.open("/")).has_form("/sign-out")


async def test_signing_out_needs_the_form_of_the_session(operator: Browser) -> None:
    assert (await operator.send("/sign-out", {"csrf": ""})).status == 403
    assert (await operator.open("/")).has_form("/sign-out")


async def test_signing_in_again_ends_the_session_before(stranger: Browser, node: RunningNode) -> None:
    await stranger.sign_in(node.admin_key)
    before = stranger.http.cookies["pfn"]
    await stranger.sign_in(node.admin_key)
    assert stranger.http.cookies["pfn"] != before
    stranger.http.cookies.set("pfn", before)
    stranger.http.cookies.jar.clear()
    stranger.http.cookies.set("pfn", before)
    assert not (await stranger.open("/")).has_form("/sign-out")


async def test_revoking_the_key_ends_the_session(stranger: Browser, node: RunningNode) -> None:
    key = node.create_key()
    await stranger.sign_in(key["key"])
    node.client(node.master_key).post("/federation/revoke-key", json={"id": key["id"]})
    assert not (await stranger.open("/")).has_form("/sign-out")


async def test_signing_in_leads_on_to_the_page_that_asked(stranger: Browser, node: RunningNode) -> None:
    refused = await stranger.open("/quarantine")
    assert refused.status == 401
    assert "/sign-in?next=%2Fquarantine" in refused.links()
    form = await stranger.open("/sign-in", next="/quarantine")
    page = await stranger.submit(form, "/sign-in", key=node.admin_key)
    assert (page.status, page.path) == (200, "/quarantine")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/sources/alice@example.com", "/sources/alice@example.com"),
        ("/?q=a&tag=b#plugins", "/?q=a&tag=b#plugins"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("evil", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_only_paths_of_this_site_are_gone_on_to(text: str, path: str) -> None:
    assert local_path(text) == path


async def test_what_a_session_sees_is_not_stored(operator: Browser, stranger: Browser) -> None:
    assert (await operator.open("/")).answer.headers["cache-control"] == "no-store"
    open_to_all = (await stranger.open("/")).answer.headers
    assert open_to_all["cache-control"] == "no-cache"
    assert open_to_all["vary"] == "Cookie, Accept-Language"


async def test_the_api_ignores_the_session(operator: Browser) -> None:
    answer = await operator.http.get("/federation/sources")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_note_is_said_once(operator: Browser) -> None:
    page = await operator.submit(await operator.open("/"), "/sign-out")
    assert "You are signed out." in page.text
    assert "You are signed out." not in (await operator.open("/")).text


@pytest.mark.parametrize("note", ["no base64", "////", "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="])
async def test_a_forged_note_is_harmless(stranger: Browser, note: str) -> None:
    stranger.http.cookies.set("pfn-note", note)
    page = await stranger.open("/")
    assert page.status == 200
    assert page.foreign_scripts() == []
