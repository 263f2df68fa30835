"""What docs/deploy.md and docs/operators.md have operators type, as far as it does not need their machine."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

from tests.support.node import PFN

from pfn.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
OPERATORS = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
KEYS = {"identity.key", "log.key", "log.origin", "witness.key", "master.sha256"}


def shell_lines(page: str) -> list[str]:
    return [line.strip() for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]


def test_the_compose_file_gets_its_nginx(tmp_path: Path) -> None:
    [line] = [line for line in shell_lines(DEPLOY) if line.startswith("sed ")]
    (tmp_path / "nginx.conf").write_bytes((ROOT / "deploy" / "nginx.conf").read_bytes())
    subprocess.run(line, shell=True, check=True, cwd=tmp_path)
    made = (tmp_path / "nginx-compose.conf").read_text()
    assert "server serve-1:8080; server serve-2:8080;" in made
    assert "127.0.0.1:8080" not in made
    assert "./nginx-compose.conf:" in (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")


def test_what_is_installed_is_there() -> None:
    named = {
        word for line in shell_lines(DEPLOY) for word in line.split() if word.startswith(("deploy/", "requirements/"))
    }
    assert {"deploy/pfn.service", "deploy/pfn-work.service", "deploy/nginx.conf", "deploy/nginx-blobs.conf"} <= named
    for path in named:
        assert (ROOT / path).is_file(), path


def test_the_settings_are_ones() -> None:
    [text] = re.findall(r"```toml\n(.*?)```", DEPLOY, re.DOTALL)
    given = tomllib.loads(text)
    settings = Settings.model_validate(given)
    assert {name: getattr(settings, name) for name in given} | {"trusted_proxies": ["127.0.0.1"]} == given


def test_the_key_ceremony_makes_the_keys_and_shows_what_to_write_down(tmp_path: Path) -> None:
    [line] = [line for line in shell_lines(OPERATORS) if "pfn init --data scratch" in line]
    words = shlex.split(line)
    given = dict(word.split("=", 1) for word in words if word.startswith("PFN_"))
    command = [PFN, *words[words.index("pfn") + 1 :]]
    environment = {**os.environ, **given, "COLUMNS": "300"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert re.search(r"SHA256:\S{43}", done.stdout)
    assert "fmaster_" in done.stdout
    made = list((tmp_path / "keys").iterdir())
    assert {path.name for path in made} == KEYS
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert not KEYS & {path.name for path in (tmp_path / "scratch").iterdir()}
    assert (tmp_path / "keys" / "log.origin").read_text() == "plugins.example.com/pfn\n"
