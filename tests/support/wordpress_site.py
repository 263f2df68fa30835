"""A real WordPress, Debian's, with its own MariaDB: installed, served on loopback, run and looked into by tests.

It reaches 127.0.0.1 and nothing else. What a test does to it goes through WordPress' own code: its screens over HTTP,
or ``run``, which executes PHP inside it as the administrator, in a process of its own as every request has.
"""

import asyncio
import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.tools import needs_tool

SOURCE = Path("/usr/share/wordpress")
PASSWORD = "a-password-for-tests-only"
START_S = 60

needs_wordpress = [
    needs_tool("php"),
    needs_tool("mariadbd"),
    pytest.mark.skipif(not SOURCE.is_dir() and "CI" not in os.environ, reason="Debian's wordpress is not installed"),
]

_CONFIG = """<?php
define( 'DB_NAME', '{name}' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'WP_HOME', '{url}' );
define( 'WP_SITEURL', '{url}' );
define( 'AUTH_KEY', 'test' );
define( 'SECURE_AUTH_KEY', 'test' );
define( 'LOGGED_IN_KEY', 'test' );
define( 'NONCE_KEY', 'test' );
define( 'FS_METHOD', 'direct' );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', __DIR__ . '/wp-content/debug.log' );
define( 'DISABLE_WP_CRON', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'WP_ACCESSIBLE_HOSTS', '127.0.0.1' );
$table_prefix = 'wp_';
require_once __DIR__ . '/wp-settings.php';
"""

_INSTALL = """
define( 'WP_INSTALLING', true );
$_SERVER['HTTP_HOST'] = '127.0.0.1';
require 'wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'A site', 'admin', 'admin@example.test', false, '', '{password}' );
update_option( 'template', 'blank' );
update_option( 'stylesheet', 'blank' );
"""

# What every screen of the administration has loaded when it works.
_ADMINISTRATION = """
$_SERVER['HTTP_HOST'] = parse_url( '{url}', PHP_URL_HOST );
$_SERVER['REQUEST_URI'] = '/wp-admin/';
define( 'WP_ADMIN', true );
require 'wp-load.php';
wp_set_current_user( 1 );
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/plugin-install.php';
require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
$result = ( function () {{
{code}
}} )();
echo "\\n--result--" . wp_json_encode( $result );
"""

# Stands for the directory that WordPress asks by default: keeps what it is asked, answers with what it was given.
_DIRECTORY = """<?php
add_filter( 'pre_http_request', function ( $reply, $args, $url ) {
	if ( 'api.wordpress.org' !== wp_parse_url( $url, PHP_URL_HOST ) || false !== $reply ) {
		return $reply;
	}
	$asked = wp_json_encode( array( $url, $args['body'] ) ) . "\\n";
	file_put_contents( WP_CONTENT_DIR . '/asked.jsonl', $asked, FILE_APPEND );
	$given = WP_CONTENT_DIR . '/directory.json';
	$code  = 200;
	if ( file_exists( $given ) ) {
		$body = file_get_contents( $given );
	} elseif ( strpos( $url, 'update-check' ) ) {
		$body = '{"plugins":[],"no_update":[],"translations":[],"themes":[],"offers":[]}';
	} elseif ( strpos( $url, 'query_plugins' ) ) {
		$body = '{"info":{"page":1,"pages":0,"results":0},"plugins":[]}';
	} elseif ( strpos( $url, 'hot_tags' ) ) {
		$body = '{}';
	} else {
		list( $code, $body ) = array( 404, '' );
	}
	$response = array( 'code' => $code, 'message' => '' );
	return array( 'headers' => array(), 'body' => $body, 'response' => $response, 'cookies' => array() );
}, 20, 3 );
"""


@dataclass
class WordPress:
    """A running site; ``folder`` is where it lies, ``url`` where it answers."""

    folder: Path
    url: str

    @property
    def content(self) -> Path:
        """Its wp-content."""
        return self.folder / "wp-content"

    @property
    def plugins(self) -> Path:
        """The folder of its plugins."""
        return self.content / "plugins"

    @property
    def debug_log(self) -> str:
        """What PHP and WordPress complained of."""
        path = self.content / "debug.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def put_mu_plugin(self, name: str, text: str) -> Path:
        """Put a file where WordPress loads it by itself."""
        path = self.content / "mu-plugins" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def put_directory(self, answer: object = None) -> None:
        """Let the directory that WordPress asks by default be there; ``answer`` is all it ever says."""
        self.put_mu_plugin("directory.php", _DIRECTORY)
        if answer is not None:
            (self.content / "directory.json").write_text(json.dumps(answer))

    def asked_directory(self, path: str) -> list[Any]:
        """Give the bodies of what was asked of that directory below a path."""
        kept = self.content / "asked.jsonl"
        rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
        return [body for url, body in rows if path in url]

    def install_zip(self, content: bytes) -> None:
        """Unpack a plugin, as by hand."""
        with tempfile.NamedTemporaryFile(suffix=".zip") as file:
            file.write(content)
            file.flush()
            shutil.unpack_archive(file.name, self.plugins, "zip")

    def reset(self) -> None:
        """Take away what tests leave: plugins, mu-plugins, what WordPress remembered of them, the log."""
        for path in self.plugins.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        for folder in ("mu-plugins", "upgrade"):
            shutil.rmtree(self.content / folder, ignore_errors=True)
        self._php(
            "require 'wp-load.php'; global $wpdb; "
            "$wpdb->query( \"DELETE FROM $wpdb->options WHERE option_name LIKE '%transient%'\" ); "
            "update_option( 'active_plugins', array() );"
        )
        for name in ("debug.log", "directory.json", "asked.jsonl"):
            (self.content / name).unlink(missing_ok=True)

    async def run(self, code: str) -> Any:
        """Run PHP in the administration and give what it returned, by way of JSON."""
        output = await asyncio.to_thread(self._php, _ADMINISTRATION.format(url=self.url, code=code))
        _, mark, result = output.rpartition("--result--")
        assert mark, f"WordPress ended early:\n{output}\n{self.debug_log}"
        return json.loads(result)

    async def sign_in(self) -> httpx.AsyncClient:
        """Give a client that is the administrator."""
        client = httpx.AsyncClient(base_url=self.url, timeout=60, follow_redirects=True)
        answer = await client.post("/wp-login.php", data={"log": "admin", "pwd": PASSWORD})
        assert answer.url.path.startswith("/wp-admin"), answer.text[:2000]
        return client

    def _php(self, code: str) -> str:
        done = subprocess.run(
            ["php", "-d", "display_errors=stderr", "-d", "sendmail_path=true", "-r", code],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.debug_log}"
        return done.stdout


@contextmanager
def run_mariadb() -> Iterator[Path]:
    """Run a database server of its own, without a network; give its socket."""
    user = f"--user={getpass.getuser()}"
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pfn-mariadb-") as name:
        folder = Path(name)
        data, database, log = f"--datadir={folder / 'data'}", folder / "socket", folder / "log"
        fresh = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(["mariadb-install-db", "--no-defaults", data, user, *fresh], check=True, capture_output=True)
        quick = ["--skip-networking", "--innodb-flush-log-at-trx-commit=0", f"--pid-file={folder / 'pid'}"]
        with log.open("w") as output:
            server = subprocess.Popen(
                ["mariadbd", "--no-defaults", data, user, f"--socket={database}", *quick],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(database.exists, server, log)
            yield database
        finally:
            server.terminate()
            server.wait(START_S)


@contextmanager
def run_wordpress(folder: Path, database: Path) -> Iterator[WordPress]:
    """Install WordPress in a folder and serve it until the block ends."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(".htaccess", "wp-config.php", "akismet"))
    name = f"wordpress_{port}"
    (folder / "wp-config.php").write_text(_CONFIG.format(name=name, socket=database, url=url))
    _add_theme(folder / "wp-content" / "themes" / "blank")
    _execute(database, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    site = WordPress(folder, url)
    site._php(_INSTALL.format(password=PASSWORD))
    log = folder.with_suffix(".log")
    with log.open("w") as output:
        server = subprocess.Popen(
            ["php", "-d", "sendmail_path=true", "-S", url.removeprefix("http://"), "-t", str(folder)],
            # One request may ask another of the same site.
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": "4"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(lambda: _answers(port), server, log)
        yield site
    finally:
        # Its workers are a group of their own and do not end with it.
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(START_S)


def complaints(log: str) -> list[str]:
    """Give what a debug.log says, each line once."""
    lines = re.findall(r"^\[[^]]+\] ((?:PHP |WordPress database error).*)$", log, re.MULTILINE)
    # This WordPress is older than the PHP that Debian has.
    return sorted({line for line in lines if "PHP Deprecated:  Return type of Requests_" not in line})


def _add_theme(folder: Path) -> None:
    """Add a theme with nothing in it: Debian packs them apart."""
    folder.mkdir(parents=True)
    (folder / "style.css").write_text("/*\nTheme Name: Blank\nVersion: 1.0\n*/\n")
    (folder / "index.php").write_text("<?php wp_head(); bloginfo( 'name' ); wp_footer();\n")


def _execute(database: Path, statement: str) -> None:
    code = "$db = mysqli_connect(null, 'root', '', '', 0, $argv[1]); $db->query($argv[2]) or exit(1);"
    subprocess.run(["php", "-r", code, str(database), statement], check=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: Callable[[], bool], server: "subprocess.Popen[Any]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        assert server.poll() is None, f"it ended at once:\n{log.read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"it does not start:\n{log.read_text()[-3000:]}"
        time.sleep(0.05)
