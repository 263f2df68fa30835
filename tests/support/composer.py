"""Debian's Composer as a client of a node: a project to run it in, and a proxy that watches and tampers."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

# What cannot be fetched here: the package that puts plugins in their place. It is in the way of nothing.
INSTALLERS = {"type": "package", "package": {"name": "composer/installers", "version": "2.2.0", "type": "metapackage"}}
OFFLINE = {
    "repositories": [INSTALLERS, {"packagist.org": False}],
    "config": {"secure-http": False},
}


@dataclass
class Proxy:
    """Stands before a node. ``seen`` are (method, path, status); with ``tampering`` each zip is one bit off."""

    url: str = ""
    behind: str = ""
    tampering: bool = False
    seen: list[tuple[str, str, int]] = field(default_factory=list)

    def forget(self) -> None:
        """Begin to watch anew."""
        self.seen.clear()

    def statuses(self, path: str) -> list[int]:
        """Give how each request for a path was answered."""
        return [status for _, asked, status in self.seen if asked == path]

    async def _pass_on(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() in _ASKED}
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.request(
                request.method, f"{self.behind}{request.raw_path}", headers=headers, content=await request.read()
            )
        content = answer.content
        if self.tampering and request.path.endswith(".zip"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.seen.append((request.method, request.path, answer.status_code))
        given = {name: value for name, value in answer.headers.items() if name.lower() in _GIVEN}
        return web.Response(status=answer.status_code, body=content, headers=given)


_ASKED = {"if-modified-since", "if-none-match", "content-type", "user-agent"}
_GIVEN = {"last-modified", "etag", "content-type", "cache-control"}


@asynccontextmanager
async def open_proxy() -> AsyncIterator[Proxy]:
    """Listen; ``behind`` says before what."""
    proxy = Proxy()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", proxy._pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield proxy
    finally:
        await runner.cleanup()


@dataclass
class Project:
    """A folder with a ``composer.json``, and a Composer that knows nothing but what it learns here."""

    path: Path
    home: Path

    @classmethod
    def create(cls, root: Path, repository: str, **requires: str) -> "Project":
        """Make a project that has its plugins of a repository."""
        project = cls(root / "project", root / "composer-home")
        project.path.mkdir(parents=True)
        project.home.mkdir()
        (project.home / "config.json").write_text(json.dumps(OFFLINE))
        content = {
            "repositories": [{"type": "composer", "url": repository, "only": ["alice/*"]}],
            "require": {f"alice/{slug.replace('_', '-')}": wanted for slug, wanted in requires.items()},
        }
        (project.path / "composer.json").write_text(json.dumps(content))
        return project

    @property
    def environment(self) -> dict[str, str]:
        """What Composer runs in; nothing of it is outside the test's folder."""
        return {
            **os.environ,
            "COMPOSER_HOME": str(self.home),
            "COMPOSER_CACHE_DIR": str(self.home / "cache"),
            "COMPOSER_ALLOW_SUPERUSER": "1",
            "COMPOSER_NO_INTERACTION": "1",
            "COLUMNS": "300",
        }

    async def run(self, *arguments: str, status: int | None = 0) -> str:
        """Run Composer and give what it said; it must end with ``status``, and for None with any but 0."""
        return await self.shell(["composer", *arguments, "--no-ansi"], status=status)

    async def shell(self, command: list[str], *, status: int | None = 0) -> str:
        """Run any command in the project, likewise."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.path,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == status if status is not None else process.returncode, said
        return said

    def locked(self, name: str) -> dict[str, Any]:
        """Give what the lock file says of a package."""
        lock = json.loads((self.path / "composer.lock").read_text())
        found: dict[str, Any] = next(one for one in lock["packages"] if one["name"] == name)
        return found

    def forget(self) -> None:
        """Have nothing but ``composer.json`` and the lock, as after a fresh checkout elsewhere."""
        shutil.rmtree(self.path / "vendor", ignore_errors=True)
        shutil.rmtree(self.home / "cache", ignore_errors=True)
