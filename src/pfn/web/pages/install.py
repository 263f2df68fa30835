"""The ways to a plugin from this node: WordPress with the site helper or by hand, Composer, a terminal.

Commands are to be copied as they stand: whatever a publisher chose is quoted for the shell. They promise no more than
can be kept: only where the author's key covers the zip is there a command that verifies it against that key.
"""

import shlex
from dataclasses import dataclass
from urllib.parse import urlencode

from pfn.domain.offer import THEME, kind_of
from pfn.domain.release import Release, SignatureLevel
from pfn.protocol.errors import PfnError
from pfn.services.node import Services
from pfn.web.links import zip_path

AUTHOR_KEY = "author.pem"


@dataclass(frozen=True, slots=True)
class Ways:
    """What to click and what to type. ``helper`` is the address of the site helper.

    Without one ``holder`` is who has the slug in its place, or ``unhelped`` a sentence that says why, in English.
    ``composer`` are the commands for the package ``package``, if Composer takes its name; ``fetch`` fetch the zip and
    compare its digest; ``verify`` checks it against the author's key; ``prove`` the same offline, with the node's log.
    """

    is_theme: bool
    zip_url: str
    helper: str | None
    holder: str | None
    unhelped: str | None
    package: str | None
    composer: tuple[str, ...]
    fetch: tuple[str, ...]
    verify: str | None
    prove: tuple[str, ...]


async def list_ways(node: Services, release: Release) -> Ways:
    """Give every way to a release that is offered, the newest of its plugin."""
    slug, source_id = release.plugin_id, release.source_id
    is_theme = kind_of(release) == THEME
    holder, unhelped = (None, None) if is_theme else await _find_holder(node, slug)
    package = (await node.composer.names_of([(source_id, slug)])).get((source_id, slug))
    signed = release.level is SignatureLevel.ARTIFACT
    file = f"{slug}.{release.version}.zip"
    url = f"{node.address}{zip_path(source_id, slug, release.version)}"
    asked = urlencode({"source": source_id, "plugin": slug, "version": release.version})
    proof = f"{node.address}/federation/proof?{asked}"
    return Ways(
        is_theme=is_theme,
        zip_url=url,
        helper=f"/wordpress/pfn-site.php?{urlencode({'plugins': slug})}" if holder == source_id else None,
        holder=holder if holder != source_id else None,
        unhelped=unhelped,
        package=package,
        composer=_write_composer(node.address, package) if package else (),
        fetch=(
            _command("curl", "-fsSL", "-o", file, url),
            f"{_command('echo', f'{release.blob.sha256}  {file}')} | sha256sum -c",
        ),
        verify=_command("pfn", "verify", file, "--source", source_id, "--key", AUTHOR_KEY) if signed else None,
        prove=(
            _command("curl", "-fsSL", "-o", "proof.json", proof),
            f"{_command('pfn', 'log', 'policy', '--node', node.address)} > policy.txt",
            _command("pfn", "verify", "--bundle", "proof.json", file, "--policy", "policy.txt", "--pin", AUTHOR_KEY),
        )
        if signed and release.log_index is not None
        else (),
    )


async def _find_holder(node: Services, slug: str) -> tuple[str | None, str | None]:
    """Give whose plugin sites get by this slug alone, or why they get none from here."""
    try:
        return (await node.site_helper.pin_named([slug]))[slug].offered.source_id, None
    except PfnError as error:
        return None, error.detail


def _write_composer(address: str, package: str) -> tuple[str, ...]:
    vendor = package.partition("/")[0]
    repository = f'{{"type": "composer", "url": "{address}/composer", "only": ["{vendor}/*"]}}'
    return (
        _command("composer", "config", f"repositories.{vendor}", repository),
        "composer config allow-plugins.composer/installers true",
        _command("composer", "require", package),
    )


def _command(*words: str) -> str:
    return shlex.join(words)
