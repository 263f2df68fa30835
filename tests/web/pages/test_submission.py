"""A form that changes something is acted on only from this site, in a session, with its token and scope."""

import pytest
from tests.support.node import RunningNode
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page

from pfn.testing.publisher import FakePublisher

POSTS = {
    "/sources/add": "sources:write",
    "/sources/{id}/verify": "sources:verify",
    "/sources/{id}/sync": "mirror:run",
    "/sources/{id}/compare": "mirror:run",
    "/sources/{id}/suspend": "sources:write",
    "/sources/{id}/resume": "sources:write",
    "/sources/{id}/policy": "sources:write",
    "/sources/{id}/quota": "sources:write",
    "/sources/{id}/update": "sources:write",
    "/sources/{id}/remove": "sources:write",
    "/sources/{id}/subscribe": "subscriptions:write",
    "/sources/{id}/lift-gate": "sources:write",
    "/sources/{id}/custody": "sources:write",
    "/subscriptions/new": "subscriptions:write",
    "/subscriptions/1": "subscriptions:write",
    "/subscriptions/1/end": "subscriptions:write",
    "/webhooks/add": "subscriptions:write",
    "/webhooks/1/change": "subscriptions:write",
    "/webhooks/1/rotate": "subscriptions:write",
    "/webhooks/1/deliveries/1/redeliver": "subscriptions:write",
    "/peers/1/policy": "log:admin",
    "/peers/1/sync": "log:admin",
    "/proposals/{id}/accept": "sources:write",
    "/proposals/{id}/refuse": "sources:write",
    "/log/resume": "log:admin",
    "/log/recover": "log:admin",
    "/syncs/retry": "mirror:run",
    "/keys": "keys:admin",
    "/keys/4fJ0aP2kQz91/revoke": "keys:admin",
    "/quarantine/1/recheck": "mirror:run",
    "/quarantine/1/drop": "mirror:run",
}


def assert_refused(page: Page, status: int, code: str) -> None:
    assert page.status == status
    assert code in page.text
    assert page.answer.headers["content-type"].startswith("text/html")


async def csrf_of(browser: Browser) -> str:
    return (await browser.open("/")).form("/sign-out").fields["csrf"]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", [None, "", "0" * 64, "\u00e9"])
async def test_without_the_sessions_token_nothing_happens(operator: Browser, path: str, token: str | None) -> None:
    fields = {"tags": ""} | ({} if token is None else {"csrf": token})
    assert_refused(await operator.send(path.format(id="a@b.example"), fields), 403, "csrf_failed")


@pytest.mark.parametrize("path", [*POSTS, "/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "SELF"},
    ],
    ids=str,
)
async def test_a_form_from_elsewhere_is_refused(
    operator: Browser, node: RunningNode, path: str, headers: dict[str, str]
) -> None:
    fields = {"csrf": await csrf_of(operator), "key": node.admin_key}
    headers = {name: value.replace("SELF", node.url) for name, value in headers.items()}
    assert_refused(await operator.send(path.format(id="a@b.example"), fields, **headers), 403, "csrf_failed")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("SELF", True),
        (None, False),
        ("null", False),
        ("http://evil.example", False),
        ("SELF.evil.example", False),
        ("http://127.0.0.1", False),
    ],
)
async def test_where_the_browser_says_no_more_the_origin_decides(
    stranger: Browser, node: RunningNode, origin: str | None, allowed: bool
) -> None:
    headers = {} if origin is None else {"Origin": origin.replace("SELF", node.url)}
    answer = await stranger.http.post("/sign-in", data={"key": node.admin_key}, headers=headers, follow_redirects=False)
    assert answer.status_code == (303 if allowed else 403)


@pytest.mark.parametrize("path", POSTS)
async def test_a_stranger_is_asked_to_sign_in(stranger: Browser, path: str) -> None:
    page = await stranger.send(path.format(id="a@b.example"), {"csrf": ""})
    assert_refused(page, 401, "key_required")
    assert any(link.startswith("/sign-in") for link in page.links())


@pytest.mark.parametrize("path", POSTS)
async def test_each_form_asks_for_its_scope(
    node: RunningNode, stranger: Browser, api: Api, publisher: FakePublisher, path: str
) -> None:
    source_id = await api.add(publisher)
    before = await api.get("source-status", sourceId=source_id)
    key = node.create_key("admin", scopes=sorted({"sources:read", *POSTS.values()} - {POSTS[path]}))
    await stranger.sign_in(key["key"])
    page = await stranger.send(path.format(id=source_id), {"csrf": await csrf_of(stranger)})
    assert_refused(page, 403, "scope_missing")
    assert POSTS[path] in page.text
    assert await api.get("source-status", sourceId=source_id) == before


async def test_a_subscriber_sees_only_the_forms_it_may_send(
    subscriber: Browser, operator: Browser, api: Api, publisher: FakePublisher
) -> None:
    source_id = await api.add(publisher)
    page = await subscriber.open(f"/sources/{source_id}")
    assert {form.action for form in page.forms} == {"/sign-out", f"/sources/{source_id}/subscribe"}
    for operators_own in ("/quarantine", *(f"/sources/{source_id}/{action}" for action in ("remove", "custody"))):
        assert operators_own not in page.links()
        assert_refused(await subscriber.open(operators_own), 403, "scope_missing")
    assert "/sources/add" not in (await subscriber.open("/")).links()
    assert_refused(await subscriber.open("/sources/add"), 403, "scope_missing")
    for asking in (f"/sources/{source_id}/lift-gate", "/quarantine/1/drop"):
        assert_refused(await subscriber.open(asking), 403, "scope_missing")
    assert {form.action for form in (await operator.open(f"/sources/{source_id}")).forms} == {
        "/sign-out",
        *(f"/sources/{source_id}/{action}" for action in ("verify", "sync", "suspend", "policy", "subscribe")),
        *(f"/sources/{source_id}/{action}" for action in ("quota", "update", "compare")),
    }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"csrf=%ff", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(60)), "application/x-www-form-urlencoded"),
        (b'{"csrf": "x"}', "application/json"),
        (b"x", "multipart/form-data; boundary=x"),
    ],
)
async def test_what_is_no_form_is_refused(operator: Browser, content: bytes, kind: str) -> None:
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    answer = await operator.http.post("/sources/add", content=content, headers=headers)
    assert_refused(Page(answer), 422, "invalid_field")
