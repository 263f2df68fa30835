"""API keys: made with no more than was chosen, shown once, ended with everything that hangs on them."""

import re

import pytest
from tests.web.pages.browser import Browser, Page
from tests.web.pages.conftest import Held

from pfn.domain.trust import DAY

HERE = "/keys"


def key_in(page: Page) -> str:
    (found,) = set(re.findall(r"f(?:admin|sub)_\w+", page.text))
    return found


async def make(held: Held, **fields: str) -> Page:
    return await held.operator.submit(await held.operator.open(HERE), HERE, **{"description": "the agency", **fields})


async def test_a_key_is_shown_once_and_works(held: Held) -> None:
    made = await make(held, kind="admin")
    key = key_in(made)
    assert made.answer.headers["cache-control"] == "no-store"
    assert "pfn-note" not in made.answer.headers.get("set-cookie", "")
    assert [given["data-copy"] for tag, given in made.tags if tag == "button" and "data-copy" in given] == [key]
    page = await held.operator.open(HERE)
    assert key not in page.answer.text
    assert "the agency" in page.text
    assert "never used" in page.text
    browser = Browser("http://node.test", held.operator.http._transport)
    await browser.sign_in(key)
    assert (await browser.open("/console")).status == 200
    assert "last used just now" in (await held.operator.open(HERE)).text


async def test_who_it_is_for_decides_what_it_may(held: Held) -> None:
    for kind in ("subscriber", "admin"):
        await make(held, kind=kind, owner="agency-blue" if kind == "subscriber" else "")
    keys = {key["kind"]: key for key in await held.api.get("keys")}
    assert keys["fsub"]["scopes"] == ["sources:read", "subscriptions:write"]
    assert keys["fsub"]["owner"] == "agency-blue"
    assert "keys:admin" not in keys["fadmin"]["scopes"]
    assert (keys["fadmin"]["owner"], keys["fadmin"]["created_by"]) == ("operator", "master")
    assert keys["fadmin"]["expires_at"] - keys["fadmin"]["created_at"] == 90 * DAY


async def test_scopes_are_chosen_one_by_one(held: Held) -> None:
    await make(held, kind="admin", days="7", **{"scope:mirror:run": "yes", "scope:sources:read": "yes"})
    (key,) = await held.api.get("keys")
    assert key["scopes"] == ["mirror:run", "sources:read"]
    assert key["expires_at"] - key["created_at"] == 7 * DAY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", " "),
        ("description", "two\nlines"),
        ("kind", "master"),
        ("days", "0"),
        ("days", "366"),
        ("days", "٣"),
        ("days", "soon"),
        ("scope:keys:admin", "yes"),
    ],
)
async def test_what_cannot_be_used_is_said_and_the_rest_kept(held: Held, field: str, value: str) -> None:
    page = await make(held, **{"kind": "subscriber", "owner": "agency-blue", "days": "30", field: value})
    assert (page.status, page.path) == (422, HERE)
    assert any(given.get("role") == "alert" for _, given in page.tags)
    assert page.form(HERE).fields["owner"] == "agency-blue"
    assert await held.api.get("keys") == []


async def test_nobody_gives_away_what_they_lack(held: Held) -> None:
    key = key_in(await make(held, kind="admin", **{"scope:keys:admin": "yes", "scope:sources:read": "yes"}))
    await held.operator.sign_in(key)
    page = await held.operator.open(HERE)
    offered = {given["name"] for _, given in page.tags if given.get("name", "").startswith("scope:")}
    assert offered == {"scope:keys:admin", "scope:sources:read"}
    assert "Your key lacks some of them" in page.text
    page = await make(held, kind="admin")
    assert (page.status, page.path) == (403, HERE)
    assert "cannot be given what yours lacks: log:admin, mirror:run" in page.text
    assert page.form(HERE).fields["description"] == "the agency"
    assert len(await held.api.get("keys")) == 1
    assert (await make(held, kind="admin", **{"scope:sources:read": "yes"})).status == 200


async def test_revoking_names_the_consequence_and_ends_sessions(held: Held) -> None:
    key = key_in(await make(held, kind="admin"))
    browser = Browser("http://node.test", held.operator.http._transport)
    await browser.sign_in(key)
    key_id = (await held.api.get("keys"))[0]["id"]
    ask = await held.operator.open(f"{HERE}/{key_id}/revoke")
    assert "This cannot be undone." in ask.text
    assert "Who is signed in with it is signed out at once." in ask.text
    page = await held.operator.submit(ask, f"{HERE}/{key_id}/revoke")
    assert page.path == HERE
    assert f"The key {key_id} (the agency) is revoked." in page.text
    assert (await browser.open("/console")).status == 401
    assert (await held.operator.open(f"{HERE}/{key_id}/revoke")).status == 409
    assert (await held.operator.open(f"{HERE}/nothing/revoke")).status == 404


async def test_whoever_revokes_its_own_key_is_told_and_signed_out(held: Held) -> None:
    key = key_in(await make(held, kind="admin", **{"scope:keys:admin": "yes", "scope:sources:write": "yes"}))
    key_id = (await held.api.get("keys"))[0]["id"]
    await held.operator.sign_in(key)
    ask = await held.operator.open(f"{HERE}/{key_id}/revoke")
    assert "You are signed in with it: you are signed out at once." in ask.text
    page = await held.operator.submit(ask, f"{HERE}/{key_id}/revoke")
    assert page.path == "/sign-in"
    assert "is revoked." in page.text
    assert (await held.operator.open(HERE)).status == 401


async def test_a_hostile_description_is_harmless(held: Held) -> None:
    name = '<script>alert(1)</script>"\u202e'
    assert (await make(held, description=name)).status == 422
    made = await make(held, description=name[:-1], owner="<b>x</b>")
    page = await held.operator.open(HERE)
    for shown in (made, page):
        assert name[:-1] in shown.text
        assert [tag for tag, _ in shown.tags].count("script") == 1
        assert "b" not in [tag for tag, _ in shown.tags]


async def test_an_ended_key_is_set_apart(held: Held) -> None:
    await make(held, days="1")
    held.clock.now += 2 * DAY
    await held.operator.sign_in(held.key)
    page = await held.operator.open(HERE)
    assert "Keys that ended" in page.text
    assert not [link for link in page.links() if link.endswith("/revoke")]
