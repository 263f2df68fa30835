"""WordPress as it is, with nothing but the address of its directory changed to a node's.

What core then does with the node's answers: checks, lists, details, installs, and no complaint in its log.
"""

from typing import Any

import pytest
from tests.clients.conftest import Supply
from tests.support.mesh import sync
from tests.support.wordpress_site import WordPress, needs_wordpress

from pfn.testing.plugin import plugin_zip

pytestmark = [*needs_wordpress, pytest.mark.clients]

# Where DNS or a proxy would lead the name elsewhere; and what a node at an unusual address needs.
REDIRECT = """<?php
add_filter( 'pre_http_request', function ( $reply, $args, $url ) {{
	$directory = '#^https?://api\\.wordpress\\.org(?=/(?:plugins|themes)/)#';
	$node = preg_replace( $directory, '{node}{prefix}', $url );
	return $node === $url ? $reply : wp_remote_request( $node, $args );
}}, 10, 3 );
add_filter( 'http_allowed_safe_ports', function ( $ports ) {{ return array_merge( $ports, array( {port} ) ); }} );
"""
FOREIGN = b"<?php\n/*\nPlugin Name: One\nVersion: 0.9\nUpdate URI: https://elsewhere.example/one\n*/\n"
OFFERED = "wp_update_plugins(); return get_site_transient( 'update_plugins' );"


def lead_to_node(site: WordPress, supply: Supply, prefix: str = "") -> None:
    site.put_mu_plugin("redirect.php", REDIRECT.format(node=supply.relay.url, port=supply.relay.port, prefix=prefix))


@pytest.mark.parametrize("prefix", ["", "/wordpress"])
async def test_an_update_is_offered_and_applied(wordpress: WordPress, supply: Supply, prefix: str) -> None:
    lead_to_node(wordpress, supply, prefix)
    wordpress.install_zip(plugin_zip("one", "0.9"))
    wordpress.install_zip(plugin_zip("stranger", "1.0"))
    offered = await wordpress.run(OFFERED)
    assert {file: item["new_version"] for file, item in offered["response"].items()} == {"one/one.php": "1.0"}
    outcome = await wordpress.run(
        "$skin = new WP_Ajax_Upgrader_Skin(); $upgrader = new Plugin_Upgrader( $skin ); "
        "$done = $upgrader->upgrade( 'one/one.php' ); wp_clean_plugins_cache( false ); "
        "return array( $done, $skin->get_error_messages(), get_plugins()['one/one.php']['Version'] );"
    )
    assert outcome == [True, "", "1.0"]
    again = await wordpress.run("wp_clean_plugins_cache(); " + OFFERED)
    assert (again["response"], list(again["no_update"])) == ([], ["one/one.php"])


@pytest.mark.parametrize(
    "installed",
    [
        [],
        [plugin_zip("stranger", "1.0")],
        [plugin_zip("one", "1.0")],
        [plugin_zip("one", "9.0")],
        [plugin_zip("one", "0.9", files={"one.php": FOREIGN})],
    ],
    ids=["nothing", "unknown ones alone", "the newest", "a newer one", "a foreign Update URI"],
)
async def test_whatever_a_site_has_it_survives_the_answer(
    wordpress: WordPress, supply: Supply, admin: Any, installed: list[bytes]
) -> None:
    lead_to_node(wordpress, supply)
    for content in installed:
        wordpress.install_zip(content)
    offered = await wordpress.run(OFFERED)
    assert offered["response"] == []
    assert offered["translations"] == []
    for page in ("plugins.php", "update-core.php"):
        answer = await admin.get(f"/wp-admin/{page}")
        assert (answer.status_code, "</html>" in answer.text) == (200, True)


@pytest.mark.parametrize(
    "body",
    [{}, {"plugins": ""}, {"plugins": "null"}, {"plugins": "[]"}, {"plugins": '{"plugins": 7}'}, {"plugins": "{"}],
    ids=str,
)
@pytest.mark.parametrize("kind", ["plugins", "themes"])
async def test_a_broken_check_is_answered_with_every_key(supply: Supply, kind: str, body: dict[str, str]) -> None:
    answer = await supply.node.http.post(f"/{kind}/update-check/1.1/", data=body)
    assert answer.status_code == 200
    assert set(answer.json()) == {kind, "no_update", "translations"}


async def test_the_screens_show_search_lists_and_details(wordpress: WordPress, supply: Supply, admin: Any) -> None:
    lead_to_node(wordpress, supply)
    await supply.release("two", "2.0", name="Plugin Two", description="Counts to two.", tags=("numbers",))
    shown = {
        "?s=counts+two&tab=search&type=term": {"Plugin Two"},
        "?s=numbers&tab=search&type=tag": {"Plugin Two"},
        "?s=alice&tab=search&type=author": {"Plugin One", "Plugin Two"},
        "?tab=popular": {"Plugin One", "Plugin Two"},
        "?tab=featured": {"Plugin One", "Plugin Two"},
        "?s=nothing-such&tab=search&type=term": set(),
    }
    for query, names in shown.items():
        page = (await admin.get(f"/wp-admin/plugin-install.php{query}")).text
        assert {name for name in ("Plugin One", "Plugin Two") if name in page} == names, query
    details = (await admin.get("/wp-admin/plugin-install.php?tab=plugin-information&plugin=two")).text
    assert "Counts to two." in details
    assert "WordPress.org Plugin Page" not in details
    unknown = (await admin.get("/wp-admin/plugin-install.php?tab=plugin-information&plugin=no-such")).text
    assert "not found" in unknown


async def test_withdrawn_plugins_are_offered_to_nobody(wordpress: WordPress, supply: Supply) -> None:
    lead_to_node(wordpress, supply)
    wordpress.install_zip(plugin_zip("one", "0.9"))
    supply.publisher.yank("one", "1.0", "It counts wrongly.")
    await sync(supply.node, supply.source)
    assert (await wordpress.run(OFFERED))["response"] == []
    told = await wordpress.run(
        "$found = plugins_api( 'plugin_information', array( 'slug' => 'one' ) ); "
        "return is_wp_error( $found ) ? $found->get_error_message() : $found;"
    )
    assert told
