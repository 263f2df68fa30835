"""The commands in docs/site-owners.md, run as they stand there, but for the addresses, in a real site's folder."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.mesh import follow
from tests.support.network import ServedNode, serve_node
from tests.support.node import PFN
from tests.support.tools import needs_tool
from tests.support.wordpress_site import WordPress, needs_wordpress

from pfn.testing.publisher_v2 import FakePublisherV2

pytestmark = [*needs_wordpress, needs_tool("curl"), needs_tool("unzip"), pytest.mark.clients]

GUIDE = Path(__file__).parents[2] / "docs" / "site-owners.md"
# Debian has no WP-CLI. This does what it does: asks core for the plugin, and has core's own upgrader install it.
STAND_IN = """#!/usr/bin/env php
<?php
array_slice( $argv, 1, 2 ) === array( 'plugin', 'install' ) && '--activate' === $argv[4] || exit( 2 );
$_SERVER['HTTP_HOST'] = '127.0.0.1';
define( 'WP_ADMIN', true );
require 'wp-load.php';
wp_set_current_user( 1 );
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/plugin-install.php';
require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
$found = plugins_api( 'plugin_information', array( 'slug' => $argv[3] ) );
is_wp_error( $found ) && exit( $found->get_error_message() );
$upgrader = new Plugin_Upgrader( new Automatic_Upgrader_Skin() );
true === $upgrader->install( $found->download_link ) || exit( 1 );
exit( null === activate_plugin( $upgrader->plugin_info() ) ? 0 : 1 );
"""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as node:
        yield node


async def test_the_commands_in_the_guide(tmp_path: Path, node: ServedNode, wordpress: WordPress) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    stand_in = tmp_path / "wp"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    async with FakePublisherV2("alice") as alice:
        alice.add_plugin("plain-reading-time", "1.1.0")
        alice.files["/alice.pem"] = alice.public_key_pem.encode()
        source = await follow(node, alice)
        said = []
        for block in blocks:
            for here, there in {
                "https://plugins.example.org": node.url,
                "https://alice.example": alice.url,
                "alice@alice.example": source,
            }.items():
                block = block.replace(here, there)  # noqa: PLW2901
            shell = await asyncio.create_subprocess_exec(
                *("bash", "-c", f"set -euo pipefail\n{block}"),
                cwd=wordpress.folder,
                env={**os.environ, "PATH": f"{tmp_path}:{Path(PFN).parent}:{os.environ['PATH']}"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output = (await shell.communicate())[0].decode()
            assert shell.returncode == 0, f"{block}\n{output}\n{wordpress.debug_log}"
            said.append(output)
            if "wp plugin install" in block:
                assert await wordpress.run("return get_option( 'active_plugins' );") == [
                    "plain-reading-time/plain-reading-time.php"
                ]
    assert alice.release_key.public_key.raw_base64 in said[0]
    assert source in said[0]
    assert "Every file is as its author signed it." in said[2]
    assert not (wordpress.content / "mu-plugins" / "pfn-site.php").exists()
