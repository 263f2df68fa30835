"""Errors: a page where a person asked, a problem document where a program did."""

from pathlib import Path

import httpx
import pytest
from tests.support.problem import assert_problem
from tests.support.rows import own_rows
from tests.web.pages.browser import ACCEPT, Browser, Page

from pfn.app import build_app, prepare
from pfn.protocol.errors import Code
from pfn.settings import Settings


async def test_a_person_gets_a_page_that_says_what_to_do(stranger: Browser) -> None:
    page = await stranger.open("/nowhere")
    assert page.status == 404
    assert Code.NOT_FOUND.title in page.text
    assert "/" in page.links()
    assert page.answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/federation/nothing", "/federation/plugins?limit=0", "/federation/sources"])
async def test_the_api_answers_browsers_as_programs(stranger: Browser, path: str) -> None:
    answer = await stranger.http.get(path)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "", "application/json, text/html;q=0.5", "text/html;q=0, */*", "text/html;q=x, */*"],
)
async def test_who_does_not_prefer_html_gets_the_document(stranger: Browser, accept: str) -> None:
    assert_problem(await stranger.http.get("/nowhere", headers={"Accept": accept}), Code.NOT_FOUND)


async def test_a_wrong_method_names_the_right_one(stranger: Browser) -> None:
    page = Page(await stranger.http.post("/docs"))
    assert page.status == 405
    assert page.answer.headers["allow"] == "GET"


async def test_a_wrong_field_in_an_address_is_named(stranger: Browser) -> None:
    page = await stranger.open("/activity", before="yesterday")
    assert page.status == 422
    assert "before" in page.text


async def test_a_fault_of_the_node_tells_a_number_and_nothing_else(tmp_path: Path) -> None:
    prepared = prepare(Settings(data=tmp_path, work=False, **own_rows(tmp_path)))
    app = build_app(prepared)

    async def fail() -> None:
        raise RuntimeError("the secret reason")

    app.add_api_route("/broken", fail)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://node.test", headers={"Accept": ACCEPT}) as http,
    ):
        await http.post("/sign-in", data={"key": prepared.new_master_key}, headers={"Origin": "http://node.test"})
        answer = await http.get("/broken")
    page = Page(answer)
    assert page.status == 500
    assert "the secret reason" not in answer.text
    assert not page.has_form("/sign-out")  # after a fault the node is not even asked who is looking
    assert "its log has more under" in page.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
