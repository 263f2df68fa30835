"""``pfn verify --bundle``: verify a release by its proof alone, offline, check by check; the first that fails ends it.

Which logs, witnesses and quorum are relied on stands in the policy file, which source key in ``--pin``: nothing of that
is taken from the proof. What is missing has failed. A release without a statement, of a v1 publisher, is verified as
far as the log goes, and accepted only at a person's word.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from pfn.cli.options import read_key
from pfn.cli.output import FAILED, USAGE, fail, printable, say, show_facts, show_json
from pfn.client.bundle import LoggedDownload, read_entry, verify_logged
from pfn.client.state_file import BundleStateFile
from pfn.protocol.check import Check
from pfn.protocol.ed25519 import PublicKey, parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.bundle import Bundle, parse_bundle
from pfn.protocol.log.bundle_verification import BundleRefusedError, VerifiedBundle, Wanted, verify_bundle
from pfn.protocol.log.entry import ReleaseLeaf
from pfn.protocol.log.policy import Policy, Witnessing
from pfn.protocol.log.policy_text import parse_policy


@dataclass(frozen=True, slots=True)
class Asked:
    """Which release is meant, as far as it was said, and what a person accepts of it."""

    source: str | None
    slug: str | None
    version: str | None
    allow_yanked: bool
    allow_unsigned: bool


def verify_bundle_file(
    file: Path,
    target: Path | None,
    policy_file: Path,
    pin: str | None,
    asked: Asked,
    state: Path | None,
    *,
    as_json: bool,
) -> None:
    """Verify and print every check. Raises typer.Exit with 1 where one failed, 2 where something cannot be read."""
    policy = parse_policy(_read_file(policy_file))
    data = None if target is None else _read_file(target)
    try:
        bundle = parse_bundle(_read_file(file))
        entry = read_entry(bundle)
        if asked.allow_unsigned and entry.statement is None:
            _show_logged(_verify_logged(bundle, data, policy, entry, asked), data is not None, as_json=as_json)
            return
        if pin is None:
            raise typer.BadParameter("Name the publisher's key by which it is verified: --pin KEY or its file.")
        verified = _verify(bundle, data, policy, entry, asked, _read_pin(pin), state)
    except BundleRefusedError as error:
        raise _refuse(error, error.checks, as_json=as_json) from error
    except PfnError as error:
        raise _refuse(error, (), as_json=as_json) from error
    _show(verified, data is not None, as_json=as_json)


def _verify(
    bundle: Bundle,
    data: bytes | None,
    policy: Policy,
    entry: ReleaseLeaf,
    asked: Asked,
    pin: PublicKey,
    state: Path | None,
) -> VerifiedBundle:
    source = asked.source or entry.source
    remembered = BundleStateFile(state) if state else None
    wanted = Wanted(source, asked.slug or entry.slug, pin, asked.version, asked.allow_yanked)
    known = remembered.read(source) if remembered else None
    verified = verify_bundle(bundle, data, wanted, policy, now=int(time.time()), remembered=known)
    if remembered:
        remembered.remember(source, verified.remembered)
    return verified


def _verify_logged(
    bundle: Bundle, data: bytes | None, policy: Policy, entry: ReleaseLeaf, asked: Asked
) -> LoggedDownload:
    return verify_logged(
        bundle,
        data,
        policy,
        source=asked.source or entry.source,
        slug=asked.slug or entry.slug,
        version=asked.version or entry.version,
        now=int(time.time()),
    )


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise fail(f"{path} cannot be read: {error.strerror}.", "unreadable", USAGE) from None


def _read_pin(given: str) -> PublicKey:
    try:
        return parse_public_key(read_key(given))
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{given} is no text; a PEM file is needed.", param_hint="--pin") from error


def _refuse(error: PfnError, checks: tuple[Check, ...], *, as_json: bool) -> typer.Exit:
    if as_json:
        shown = [check.to_json() for check in checks]
        show_json({"valid": False, "code": error.code.slug, "detail": error.detail, "checks": shown})
        return typer.Exit(FAILED)
    _show_checks(checks)
    if error.code is Code.UNSIGNED:
        say("For a release whose publisher signs no zips, what the log says is all there is: --allow-unsigned")
    return fail(error.detail, error.code.slug)


def _show(verified: VerifiedBundle, with_zip: bool, *, as_json: bool) -> None:
    key = verified.release.key.fingerprint
    _show_all(verified.entry, verified.witnessing, verified.checks, "artifact", key, with_zip, as_json=as_json)


def _show_logged(logged: LoggedDownload, with_zip: bool, *, as_json: bool) -> None:
    level = "none" if logged.entry.signature is None else "metadata"
    _show_all(logged.entry, logged.witnessing, logged.checks, level, None, with_zip, as_json=as_json)


def _show_all(
    entry: ReleaseLeaf,
    witnessing: Witnessing,
    checks: tuple[Check, ...],
    level: str,
    key: str | None,
    with_zip: bool,
    *,
    as_json: bool,
) -> None:
    if as_json:
        show_json(
            {
                "valid": True,
                "source": entry.source,
                "plugin": entry.slug,
                "version": entry.version,
                "signature_level": level,
                "key_fingerprint": key,
                "digests": {"sha256": entry.sha256, "size": entry.length},
                "zip_checked": with_zip,
                "witnessed": {
                    "n": len(witnessing.counted),
                    "of": witnessing.of,
                    "operators": len(witnessing.operators),
                },
                "checks": [check.to_json() for check in checks],
            }
        )
        return
    show_facts(
        (
            ("release", f"{entry.slug} {entry.version} of {entry.source}"),
            ("signed by", key),
            ("sha256", entry.sha256),
            ("size", entry.length),
        )
    )
    _show_checks(checks)
    if level != "artifact":
        say("[yellow]No key of the publisher covers these bytes.[/yellow] They are those the node saw first.")
    if not with_zip:
        say("[yellow]No zip was checked.[/yellow] Compare its SHA-256, or name it too.")
    elif level == "artifact":
        say("[green]Everything holds.[/green]")
    else:
        say("What the log says holds, and no more can be verified.")


def _show_checks(checks: tuple[Check, ...]) -> None:
    for check in checks:
        sign = "[green]ok[/green]  " if check.passed else "[red]fail[/red]"
        say(f"  {sign} {check.name}: {escape(printable(check.detail))}")
