"""The site helper in a real WordPress: what it installs, what it refuses, whom it asks, what it leaves behind."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import Supply
from tests.support.mesh import follow
from tests.support.network import serve_node
from tests.support.relay import Passed, run_relay
from tests.support.site import Time
from tests.support.wordpress_site import WordPress, needs_wordpress

from pfn.protocol.ed25519 import SigningKey
from pfn.testing.plugin import plugin_zip

pytestmark = [*needs_wordpress, pytest.mark.clients]

UPDATE_CHECK = "/plugins/update-check/1.1/"
INSTALL = """
$skin = new WP_Ajax_Upgrader_Skin(); $upgrader = new Plugin_Upgrader( $skin );
$plugin = plugins_api( 'plugin_information', array( 'slug' => 'one', 'fields' => array( 'sections' => false ) ) );
if ( is_wp_error( $plugin ) ) { return array( 'errors' => $plugin->get_error_message() ); }
$upgrader->install( $plugin->download_link );
"""
UPDATE = """
wp_update_plugins();
$skin = new WP_Ajax_Upgrader_Skin(); $upgrader = new Plugin_Upgrader( $skin );
$upgrader->upgrade( 'one/one.php' );
"""
OUTCOME = """
wp_clean_plugins_cache( false );
$versions = wp_list_pluck( get_plugins(), 'Version' );
return array( 'errors' => $skin->get_error_messages(), 'versions' => $versions ? $versions : new stdClass );
"""
OFFERED = "wp_update_plugins(); return get_site_transient( 'update_plugins' );"


async def install(site: WordPress) -> dict[str, Any]:
    outcome: dict[str, Any] = await site.run(INSTALL + OUTCOME)
    return outcome


async def update(site: WordPress) -> dict[str, Any]:
    outcome: dict[str, Any] = await site.run(UPDATE + OUTCOME)
    return outcome


async def test_a_plugin_is_installed_and_updated(wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    assert await install(wordpress) == {"errors": "", "versions": {"one/one.php": "1.0"}}
    await supply.release("one", "1.1")
    assert await update(wordpress) == {"errors": "", "versions": {"one/one.php": "1.1"}}


def break_bytes(zipped: bytes) -> bytes:
    return zipped[:60] + bytes([zipped[60] ^ 1]) + zipped[61:]


def tamper(passed: Passed) -> None:
    if passed.path.endswith(".zip"):
        passed.body = break_bytes(passed.body)


def sign_wrongly(passed: Passed) -> None:
    if passed.path.endswith(".zip"):
        passed.headers["x-content-signature"] = base64.b64encode(bytes(64)).decode()


def leave_unsigned(passed: Passed) -> None:
    passed.headers.pop("x-content-signature", None)
    if passed.path.endswith(".sig"):
        passed.status, passed.body = 404, b"{}"


def sign_with_a_key_of_its_own(passed: Passed) -> None:
    if passed.path.endswith(".zip"):
        import hashlib

        key = SigningKey.generate()
        passed.body = plugin_zip("one", "1.1", description="Not what the author wrote.")
        passed.headers["x-content-signature"] = base64.b64encode(
            key.sign(hashlib.sha384(passed.body).digest())
        ).decode()


@pytest.mark.parametrize("lie", [tamper, sign_wrongly, leave_unsigned, sign_with_a_key_of_its_own])
async def test_what_its_author_did_not_sign_is_refused(
    wordpress: WordPress, supply: Supply, lie: Callable[[Passed], None]
) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9"))
    supply.relay.lie = lie
    outcome = await update(wordpress)
    assert "could not be verified" in outcome["errors"]
    assert outcome["versions"] == {"one/one.php": "0.9"}
    assert await install(wordpress) == {"errors": outcome["errors"], "versions": outcome["versions"]}
    # The same site, when nobody lies.
    supply.relay.lie = None
    assert (await update(wordpress))["versions"] == {"one/one.php": "1.0"}


async def test_a_signature_beside_the_zip_is_as_good_as_one_in_the_header(wordpress: WordPress, supply: Supply) -> None:
    def hide(passed: Passed) -> None:
        passed.headers.pop("x-content-signature", None)

    supply.relay.lie = hide
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    assert (await install(wordpress))["versions"] == {"one/one.php": "1.0"}
    assert any(path.endswith(".zip.sig") for path in supply.relay.requests)


async def test_a_key_that_is_not_pinned_is_refused(wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    assert (await install(wordpress))["versions"] == {"one/one.php": "1.0"}
    supply.publisher.rotate_release_key(overlap=0)
    await supply.release("one", "1.1")
    outcome = await update(wordpress)
    assert "could not be verified" in outcome["errors"]
    assert outcome["versions"] == {"one/one.php": "1.0"}
    shown = await wordpress.run("return apply_filters( 'plugin_row_meta', array(), 'one/one.php', array(), 'all' );")
    assert "Its author has new keys: fetch pfn-site.php again, and compare" in shown
    # With the new file the new key is pinned.
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    assert (await update(wordpress))["versions"] == {"one/one.php": "1.1"}


async def test_the_zip_of_another_version_or_plugin_is_refused_though_signed(
    wordpress: WordPress, supply: Supply
) -> None:
    old = supply.publisher.add_plugin("one", "1.0", name="Plugin One", description="Counts to one.")
    await supply.release("one", "1.1")
    await supply.release("two", "1.1")
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(old)
    for path in (f"/dl/{supply.source}/one/one.1.0.zip", f"/dl/{supply.source}/two/two.1.1.zip"):
        other = await supply.node.http.get(path)

        def swap(passed: Passed, other: Any = other) -> None:
            if passed.path.endswith(".zip"):
                passed.body = other.content
                passed.headers["x-content-signature"] = other.headers["x-content-signature"]

        supply.relay.lie = swap
        outcome = await update(wordpress)
        assert "another plugin, or another version" in outcome["errors"]
        assert outcome["versions"] == {"one/one.php": "1.0"}


async def test_a_key_is_good_for_its_own_plugins_alone(wordpress: WordPress, supply: Supply) -> None:
    """Another publisher of the same node, whose plugin the site lists too, cannot sign this one."""
    from pfn.testing.publisher_v2 import FakePublisherV2

    async with FakePublisherV2("mallory") as mallory:
        mallory.add_plugin("two", "1.0")
        await follow(supply.node, mallory)
        wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one", "two"))
        import hashlib

        fake = plugin_zip("one", "1.0", description="Not what the author wrote.")
        signature = base64.b64encode(mallory.release_key.sign(hashlib.sha384(fake).digest())).decode()

        def swap(passed: Passed) -> None:
            if passed.path.endswith(".zip"):
                passed.body, passed.headers["x-content-signature"] = fake, signature

        supply.relay.lie = swap
        assert "could not be verified" in (await install(wordpress))["errors"]


async def test_whoever_downloads_from_the_node_is_refused_what_is_not_listed(
    wordpress: WordPress, supply: Supply
) -> None:
    """Also code that goes by core's functions and not by its upgrader; core alone would keep the file and say so."""
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    await supply.release("two", "1.0")
    address = f"{supply.relay.url}/dl/{supply.source}/two/two.1.0.zip"
    code, kept = await wordpress.run(
        f"$got = download_url( '{address}', 30, true ); "
        "return array( $got->get_error_code(), $got->get_error_data( 'softfail-filename' ) );"
    )
    assert (code, kept) == ("signature_verification_failed", None)
    errors = await wordpress.run(
        "$skin = new WP_Ajax_Upgrader_Skin(); $upgrader = new Plugin_Upgrader( $skin ); "
        f"$upgrader->install( '{address}' ); return $skin->get_error_messages();"
    )
    assert "not listed to come from the node" in errors
    assert not (wordpress.plugins / "two").exists()


async def test_listed_plugins_are_asked_of_the_node_and_all_others_elsewhere(
    wordpress: WordPress, supply: Supply
) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9"))
    wordpress.install_zip(plugin_zip("other", "1.0"))
    sent: list[Any] = []
    wordpress.put_directory(
        {
            "plugins": {
                "other/other.php": {"slug": "other", "new_version": "2.0", "package": "https://example.org/o.zip"},
                # Whoever has the slug over there does not get the plugin into its hands.
                "one/one.php": {"slug": "one", "new_version": "9.9", "package": "https://example.org/one.zip"},
            },
            "no_update": [],
            "translations": [{"type": "plugin", "slug": "other", "language": "de_DE"}],
        }
    )
    offered = await wordpress.run(OFFERED)
    assert {file: item["new_version"] for file, item in offered["response"].items()} == {
        "one/one.php": "1.0",
        "other/other.php": "2.0",
    }
    assert offered["response"]["one/one.php"]["package"].startswith(f"{supply.relay.url}/dl/{supply.source}/one/")
    assert [one["slug"] for one in offered["translations"]] == ["other"]
    sent = [json.loads(body["plugins"]) for body in wordpress.asked_directory("update-check")]
    assert sent
    assert all(set(one["plugins"]) == {"other/other.php"} for one in sent)


async def test_an_update_from_elsewhere_is_refused_for_a_listed_plugin(wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9"))
    code = """
    wp_update_plugins(); $known = get_site_transient( 'update_plugins' );
    $known->response['one/one.php']->package = 'https://example.org/one.zip';
    set_site_transient( 'update_plugins', $known );
    $skin = new WP_Ajax_Upgrader_Skin(); $upgrader = new Plugin_Upgrader( $skin );
    $upgrader->upgrade( 'one/one.php' );
    """
    outcome = await wordpress.run(code + OUTCOME)
    assert "is listed to come from a node, and this update does not" in outcome["errors"]
    assert outcome["versions"] == {"one/one.php": "0.9"}


@pytest.mark.parametrize(
    "change",
    [
        lambda item: item.update(autoupdate=True),
        lambda item: item.update(package="https://example.org/one.zip"),
        lambda item: item.update(new_version="0.1"),
        lambda item: item.update(new_version=["1.0"]),
    ],
    ids=["switches on automatic updates", "names a zip elsewhere", "offers an older version", "no version"],
)
async def test_a_lying_answer_does_no_harm(
    wordpress: WordPress, supply: Supply, change: Callable[[dict[str, Any]], None]
) -> None:
    def lie(passed: Passed) -> None:
        if passed.path == UPDATE_CHECK:
            answer = json.loads(passed.body)
            change(answer["plugins"]["one/one.php"])
            answer["plugins"]["admin/admin.php"] = {"slug": "admin", "new_version": "9", "package": "x"}
            passed.body = json.dumps(answer).encode()

    supply.relay.lie = lie
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9"))
    offered = await wordpress.run(OFFERED)
    assert set(offered["response"]) <= {"one/one.php"}
    for item in dict(offered["response"]).values():
        assert item["new_version"] == "1.0"
        assert item["package"] in {"", f"{supply.relay.url}/dl/{supply.source}/one/one.1.0.zip"}
        assert "autoupdate" not in item


@pytest.mark.parametrize("missing", ["plugins", "no_update", "translations"])
async def test_an_answer_without_one_of_its_keys_is_survived(
    wordpress: WordPress, supply: Supply, missing: str
) -> None:
    def lie(passed: Passed) -> None:
        if passed.path == UPDATE_CHECK:
            answer = json.loads(passed.body)
            del answer[missing]
            passed.body = json.dumps(answer).encode()

    supply.relay.lie = lie
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "1.0"))
    offered = await wordpress.run(OFFERED)
    assert offered["response"] == []
    answer: dict[str, object] = {"plugins": [], "no_update": [], "translations": []}
    del answer[missing]
    wordpress.put_directory(answer)
    assert (await wordpress.run("delete_site_transient( 'update_plugins' );" + OFFERED))["response"] == []


async def test_with_the_first_node_dead_everything_comes_from_the_second(
    wordpress: WordPress, supply: Supply, tmp_path: Path
) -> None:
    async with (
        run_relay() as second_relay,
        serve_node(tmp_path / "second", clock=Time(), public_url=second_relay.url) as second,
    ):
        second_relay.target = str(second.http.base_url).rstrip("/")
        await follow(second, supply.publisher)
        wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one", fallback=second_relay.url))
        supply.relay.broken = True
        assert await install(wordpress) == {"errors": "", "versions": {"one/one.php": "1.0"}}
        wordpress.install_zip(plugin_zip("one", "0.9"))
        asked = len(supply.relay.requests)
        assert await update(wordpress) == {"errors": "", "versions": {"one/one.php": "1.0"}}
        assert len(supply.relay.requests) == asked, "a node that did not answer is left alone for a while"


async def test_a_node_that_dies_after_the_check_does_not_stop_the_update(
    wordpress: WordPress, supply: Supply, tmp_path: Path
) -> None:
    async with (
        run_relay() as second_relay,
        serve_node(tmp_path / "second", clock=Time(), public_url=second_relay.url) as second,
    ):
        second_relay.target = str(second.http.base_url).rstrip("/")
        await follow(second, supply.publisher)
        wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one", fallback=second_relay.url))
        wordpress.install_zip(plugin_zip("one", "0.9"))
        offered = await wordpress.run(OFFERED)
        assert offered["response"]["one/one.php"]["package"].startswith(supply.relay.url)
        supply.relay.broken = True
        assert await update(wordpress) == {"errors": "", "versions": {"one/one.php": "1.0"}}


PAGES = ("index.php", "plugins.php", "plugin-install.php", "plugin-install.php?tab=pfn", "update-core.php")


async def test_screens_ask_the_node_only_where_core_asks(wordpress: WordPress, supply: Supply, admin: Any) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "1.0"))
    await wordpress.run(OFFERED)
    supply.relay.requests.clear()
    for page in PAGES:
        answer = await admin.get(f"/wp-admin/{page}")
        assert answer.status_code == 200
        assert "</html>" in answer.text
    assert supply.relay.requests == []
    assert (await admin.get("/")).status_code == 200


@pytest.mark.parametrize("kind", ["silent", "broken"])
async def test_a_dead_node_is_asked_once_and_the_screens_stay(
    wordpress: WordPress, supply: Supply, admin: Any, kind: str
) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "1.0"))
    setattr(supply.relay, kind, True)
    for page in PAGES * 2:
        answer = await admin.get(f"/wp-admin/{page}")
        assert answer.status_code == 200
        assert "</html>" in answer.text
    assert len(supply.relay.requests) == 1


async def test_what_was_known_of_updates_stays_while_all_nodes_are_away(wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    wordpress.install_zip(plugin_zip("one", "0.9"))
    before = await wordpress.run(OFFERED)
    supply.relay.broken = True
    again = "$known = get_site_transient( 'update_plugins' ); $known->last_checked = 1; "
    again += "set_site_transient( 'update_plugins', $known );"
    after = await wordpress.run(again + OFFERED)
    assert after["response"] == before["response"] != []
    assert after["last_checked"] > 1


async def test_the_plugins_screen_says_where_a_plugin_comes_from(
    wordpress: WordPress, supply: Supply, admin: Any
) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    await install(wordpress)
    page = (await admin.get("/wp-admin/plugins.php")).text
    for text in (f"Updates from {supply.source}", "Version 1.0 on the node: every byte signed by its author", "of 100"):
        assert text in page


async def test_search_finds_listed_plugins_and_no_namesakes(wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    namesake = {"slug": "one", "name": "Another One", "version": "9.9"}
    other = {"slug": "other", "name": "Other", "version": "1.0"}
    wordpress.put_directory({"info": {"page": 1, "pages": 1, "results": 2}, "plugins": [namesake, other]})
    search = "return plugins_api( 'query_plugins', array( 'search' => '%s' ) );"
    found = await wordpress.run(search % "COUNTS one")
    assert [card["name"] for card in found["plugins"]] == ["Plugin One", "Other"]
    assert [card["name"] for card in (await wordpress.run(search % "nothing"))["plugins"]] == ["Other"]


async def test_when_the_file_is_gone_nothing_stays(wordpress: WordPress, supply: Supply) -> None:
    find = "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%pfn%'"
    count = f'global $wpdb; return $wpdb->get_col( "{find}" );'
    path = wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    await install(wordpress)
    supply.relay.broken = True
    await wordpress.run("delete_site_transient( 'update_plugins' );" + OFFERED)
    kept = await wordpress.run(count)
    transients = {name for name in kept if name.startswith("_site_transient_pfn_site_")}
    # Each with the time at which it goes.
    assert {f"_site_transient_timeout_{name.removeprefix('_site_transient_')}" for name in transients} <= set(
        kept
    ) | transients
    assert transients
    path.unlink()
    expire = 'global $wpdb; $wpdb->query( "UPDATE $wpdb->options SET option_value = 1 WHERE option_name LIKE '
    expire += "'_site_transient_timeout_pfn%'\" ); delete_expired_transients( true );"
    assert await wordpress.run(expire + count) == []


async def test_it_can_be_translated(wordpress: WordPress, supply: Supply) -> None:
    wordpress.put_mu_plugin("pfn-site.php", await supply.helper("one"))
    await wordpress.run(
        "require_once ABSPATH . WPINC . '/pomo/mo.php'; $texts = new MO(); "
        "$texts->add_entry( array( 'singular' => 'Updates from %s', 'translations' => array( 'Von %s' ) ) ); "
        "return $texts->export_to_file( WPMU_PLUGIN_DIR . '/pfn-site-de_DE.mo' );"
    )
    shown = await wordpress.run(
        "add_filter( 'locale', function () { return 'de_DE'; } ); Pfn_Site::translate(); "
        "return apply_filters( 'plugin_row_meta', array(), 'one/one.php', array(), 'all' );"
    )
    assert shown == [f"Von {supply.source}"]
