"""Is this zip what its publisher signed, and what everybody else was shown too? Decided offline from one bundle.

Answers for the consumer's checks (facts: threats and architecture, b.5): the log's signature, the witnesses, the tree's
growth since last time, the entry's place in it and what it says; then the publisher's keys, catalogue and statement,
the sequence, newest unless asked for by name, length and digests, and nothing that withdraws it. The catalogue is
verified before the statement, because it vouches for one whose key was retired since.

Bytes, state and time in; a verdict with every check and what to remember, or one error, out. What is missing has
failed. A release counts as made when its entry says that the log took it in, which cannot be after its witnesses.

Does not answer for: where the bundle comes from, nor for what a node leaves out of ``notices``: only the log itself
tells that, to whoever reads all of it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pfn.protocol.artifact import check_artifact
from pfn.protocol.catalog import MAX_CLOCK_SKEW, Catalog, CatalogVerdict, check_listed, verify_catalog
from pfn.protocol.check import Check
from pfn.protocol.document import Head, read_document
from pfn.protocol.dsse import key_id
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.bundle import Bundle, LoggedEntry
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, check_successor, verify_checkpoint
from pfn.protocol.log.entry import AnyLeaf, CatalogLeaf, CustodyLeaf, EvidenceLeaf, ReleaseLeaf, YankLeaf, parse_leaf
from pfn.protocol.log.policy import DEFAULT_MAX_AGE, Policy, Witnessing, require_quorum
from pfn.protocol.log.proof import check_entry
from pfn.protocol.publisher_chain import TrustedPublisher, begin_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_key import release_blocked
from pfn.protocol.release_statement import VerifiedStatement, verify_statement


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """The newest release of a plugin that was believed: its version and its statement's place in the row."""

    version: str
    head: Head


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept of one source between two verifications: nothing older is believed again.

    ``trees`` by the origin of the log, ``releases`` by slug; ``catalog_signer`` is the id of the catalogue's key.
    """

    trees: Mapping[str, TreeHead] = field(default_factory=dict)
    publisher: Head | None = None
    catalog: Head | None = None
    catalog_signer: str | None = None
    releases: Mapping[str, KnownRelease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: a plugin of a source whose key is ``pin``; the newest version, or one by its name.

    ``accept_withdrawn`` is a person's consent to a release that is yanked, or whose source is in dispute.
    """

    source: str
    slug: str
    pin: PublicKey
    version: str | None = None
    accept_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A release that is proven: entry, statement, who stands behind the log, the checks, and what to remember now."""

    entry: ReleaseLeaf
    release: VerifiedStatement
    checkpoint: Checkpoint
    witnessing: Witnessing
    checks: tuple[Check, ...]
    remembered: Remembered


class BundleRefusedError(SecurityError):
    """The zip is not to be installed. ``checks`` are those that held and, last, the one that failed."""

    def __init__(self, code: Code, detail: str, checks: tuple[Check, ...]) -> None:
        super().__init__(code, detail)
        self.checks = checks


def verify_bundle(
    bundle: Bundle,
    data: bytes | None,
    wanted: Wanted,
    policy: Policy,
    *,
    now: int,
    remembered: Remembered | None = None,
    growth: Sequence[bytes] | None = None,
    max_age: int = DEFAULT_MAX_AGE,
) -> VerifiedBundle:
    """Verify the zip ``data`` by a bundle; ``now`` in Unix seconds, ``max_age`` of cosignatures in seconds.

    Without ``data`` there is no check ``digests``, and nothing is said of any zip before its digests are compared.
    ``growth`` is the consistency proof from the remembered tree to the bundle's, where the log could be asked for it.
    Raises BundleRefusedError with the check's code: ``proof_incomplete`` and ``unsigned`` where a piece is missing, and
    what the functions for each check raise.
    """
    known = remembered or Remembered()
    checks: list[Check] = []
    with _checking("log_signature", checks) as passed:
        entry = _require(bundle.release_entry, "the log entry of the release")
        checkpoint = verify_checkpoint(entry.proof.note, [log.key for log in policy.logs])
        passed(f"The log {checkpoint.origin} signed its tree of {checkpoint.size} entries.")
    with _checking("witnesses", checks) as passed:
        witnessing = require_quorum(entry.proof.note, policy, now=now, max_age=max_age)
        passed(_tell_witnesses(witnessing))
    with _checking("growth", checks) as passed:
        passed(_check_growth(checkpoint, known.trees.get(checkpoint.origin), growth))
    with _checking("inclusion", checks) as passed:
        check_entry(entry.leaf, entry.proof)
        passed(f"The entry is number {entry.proof.index} of the tree.")
    with _checking("leaf", checks) as passed:
        leaf = _read_release(entry.leaf, bundle, wanted, witnessing, now=now)
        passed(f"The entry is about {leaf.slug} {leaf.version} of {leaf.source}.")
    with _checking("key_document", checks) as passed:
        publisher = _trust(bundle, wanted, now=now, known=known.publisher)
        passed(f"Version {publisher.document.version} of the key document follows from {wanted.pin.fingerprint}.")
    with _checking("catalog", checks) as passed:
        verdict = _verify_catalog(bundle, publisher, checkpoint, now=now, known=known)
        catalog = verdict.catalog
        passed(f"Catalogue {catalog.sequence} is signed, logged and has not expired.")
    with _checking("statement", checks) as passed:
        release = _verify_statement(bundle, leaf, publisher, catalog, now=now)
        passed(f"A release key signed the statement about {leaf.slug} {leaf.version}.")
    with _checking("sequence", checks) as passed:
        passed(_check_sequence(release, known.releases.get(leaf.slug), catalog, wanted))
    with _checking("newest", checks) as passed:
        passed(_check_newest(release, catalog, asked_for=wanted.version is not None))
    if data is not None:
        with _checking("digests", checks) as passed:
            digests = (hashlib.sha256(data).hexdigest(), hashlib.sha384(data).hexdigest())
            check_artifact(release.statement, length=len(data), sha256=digests[0], sha384=digests[1])
            passed(f"The zip has the {len(data)} bytes, the SHA-256 and the SHA-384 that the publisher signed.")
    with _checking("not_withdrawn", checks) as passed:
        passed(_check_withdrawn(bundle, leaf, catalog, checkpoint, wanted, now=now))
    return VerifiedBundle(
        entry=leaf,
        release=release,
        checkpoint=checkpoint,
        witnessing=witnessing,
        checks=tuple(checks),
        remembered=_remember(known, checkpoint, publisher, verdict, release),
    )


@contextmanager
def _checking(name: str, checks: list[Check]) -> Iterator[Callable[[str], None]]:
    """Run one check; the block says what held, an error what did not."""
    try:
        yield lambda detail: checks.append(Check(name, True, detail))
    except PfnError as error:
        raise BundleRefusedError(error.code, error.detail, (*checks, Check(name, False, error.detail))) from error


def _require(entry: LoggedEntry | None, name: str) -> LoggedEntry:
    if entry is None:
        raise SecurityError(Code.PROOF_INCOMPLETE, f"The bundle lacks {name}.")
    return entry


def _tell_witnesses(witnessing: Witnessing) -> str:
    return (
        f"{len(witnessing.counted)} of {witnessing.of} witnesses, run by {len(witnessing.operators)} of "
        f"{len(witnessing.of_operators)} operators, cosigned it lately."
    )


def _check_growth(checkpoint: Checkpoint, known: TreeHead | None, growth: Sequence[bytes] | None) -> str:
    if known is None:
        return "No tree of this log was seen before."
    if growth is None and checkpoint.size > known.size:
        return f"The tree is larger than the one of {known.size} entries seen before; offline, no more can be told."
    check_successor(known, checkpoint.head, growth or ())
    return f"The tree follows from the one of {known.size} entries seen before."


def _read_release(leaf: bytes, bundle: Bundle, wanted: Wanted, witnessing: Witnessing, *, now: int) -> ReleaseLeaf:
    release = parse_leaf(leaf)
    if not isinstance(release, ReleaseLeaf):
        raise SecurityError(Code.LEAF_MISMATCH, f"The log entry is of the kind {release.kind}, not a release.")
    version = wanted.version or release.version
    if (release.source, release.slug, release.version) != (wanted.source, wanted.slug, version):
        raise SecurityError(
            Code.LEAF_MISMATCH,
            f"The log entry is about {release.slug} {release.version} of {release.source}, which was not asked for.",
        )
    if release.sha256 != bundle.sha256:
        raise SecurityError(Code.LEAF_MISMATCH, "The log entry is about another zip than the bundle.")
    if release.at > max((one.at for one in witnessing.counted), default=now) + MAX_CLOCK_SKEW:
        raise SecurityError(Code.LEAF_MISMATCH, "The log entry claims a time after its witnesses.")
    return release


def _trust(bundle: Bundle, wanted: Wanted, *, now: int, known: Head | None) -> TrustedPublisher:
    chain = bundle.publisher
    if not chain:
        raise SecurityError(Code.UNSIGNED, f"The bundle has no key document of {wanted.source}.")
    # Source and pin say who it is; the URL need only be one and the same along the chain.
    instance_url = read_document(PublisherDocument, chain[0]).instance_url
    publisher = begin_trust(
        chain, pin=wanted.pin, pin_is_oracle=False, source=wanted.source, instance_url=instance_url, now=now
    )
    hashes = {read_document(PublisherDocument, one).version: one.payload_hash for one in chain}
    if known is not None and known.sequence not in hashes:
        raise SecurityError(
            Code.DOCUMENT_ROLLBACK,
            f"Version {publisher.document.version} of the key document was sent; {known.sequence} is known.",
        )
    if known is not None and hashes[known.sequence] != known.payload_hash:
        raise SecurityError(
            Code.DOCUMENT_FORK, f"Another version {known.sequence} of the key document was believed before."
        )
    return publisher


def _read_beside(entry: LoggedEntry, checkpoint: Checkpoint) -> AnyLeaf:
    """A leaf that is in the same tree: pieces of two trees prove nothing together."""
    if entry.proof.note.text != checkpoint.text:
        raise SecurityError(Code.LOG_INCLUSION, "The entries of the bundle are proven under different checkpoints.")
    check_entry(entry.leaf, entry.proof)
    return parse_leaf(entry.leaf)


def _verify_catalog(
    bundle: Bundle, publisher: TrustedPublisher, checkpoint: Checkpoint, *, now: int, known: Remembered
) -> CatalogVerdict:
    if bundle.catalog is None:
        raise SecurityError(Code.PROOF_INCOMPLETE, "The bundle lacks the catalogue, so nothing proves what is newest.")
    # A thief may have counted the catalogue up; once the key is revoked, the publisher's own must be heard again.
    revoked = known.catalog_signer is not None and release_blocked(publisher, known.catalog_signer, now)
    verdict = verify_catalog(bundle.catalog, publisher, known=None if revoked else known.catalog, now=now)
    if verdict.stale:
        raise SecurityError(
            Code.CATALOG_EXPIRED, f"Catalogue {verdict.catalog.sequence} was good once and has expired."
        )
    leaf = _read_beside(_require(bundle.catalog_entry, "the log entry of the catalogue"), checkpoint)
    shown = (verdict.catalog.source, verdict.catalog.sequence, verdict.payload_hash)
    if not isinstance(leaf, CatalogLeaf) or (leaf.source, leaf.sequence, leaf.catalog) != shown:
        raise SecurityError(Code.LEAF_MISMATCH, "The log entry beside the catalogue is about something else.")
    return verdict


def _verify_statement(
    bundle: Bundle, leaf: ReleaseLeaf, publisher: TrustedPublisher, catalog: Catalog, *, now: int
) -> VerifiedStatement:
    if bundle.statement is None or leaf.statement is None:
        raise SecurityError(
            Code.UNSIGNED, f"No statement about {leaf.slug} {leaf.version} is in the bundle and in the log."
        )
    if leaf.statement != bundle.statement.payload_hash:
        raise SecurityError(Code.LEAF_MISMATCH, "The log entry names another statement than the bundle's.")
    release = verify_statement(
        bundle.statement,
        publisher,
        slug=leaf.slug,
        version=leaf.version,
        known=None,
        now=now,
        logged_at=leaf.at,
        endorsed_by=catalog,
    )
    statement = release.statement
    logged = (leaf.length, leaf.sha256, leaf.manifest or statement.manifest)
    if logged != (statement.length, statement.sha256, statement.manifest):
        raise SecurityError(Code.LEAF_MISMATCH, "The log entry says another zip than the statement it names.")
    return release


def _check_sequence(release: VerifiedStatement, known: KnownRelease | None, catalog: Catalog, wanted: Wanted) -> str:
    head, slug = release.head, release.statement.slug
    if known is None:
        return f"No release of {slug} was seen before."
    if head.sequence == known.head.sequence and head != known.head:
        raise SecurityError(Code.STATEMENT_FORK, f"Two different statements of {slug} are numbered {head.sequence}.")
    # Back is the way only from what the publisher withdrew, or at a person's word.
    withdrawn = catalog.find_yank(slug, known.version) is not None
    if head.sequence < known.head.sequence and wanted.version is None and not withdrawn:
        raise SecurityError(
            Code.STATEMENT_ROLLBACK, f"Statement {head.sequence} of {slug} was sent; {known.head.sequence} is known."
        )
    return f"Statement {head.sequence} of {slug}; {known.head.sequence} was seen before."


def _check_newest(release: VerifiedStatement, catalog: Catalog, *, asked_for: bool) -> str:
    statement = release.statement
    slug, version = statement.slug, statement.version
    listed = catalog.find_release(slug)
    if not asked_for or (listed is not None and listed.version == version):
        check_listed(catalog, slug=slug, version=version, head=release.head)
        return f"Catalogue {catalog.sequence} names {version} as the newest version of {slug}."
    if listed is None and catalog.find_yank(slug, version) is None:
        raise SecurityError(Code.CATALOG_MISMATCH, f"Catalogue {catalog.sequence} does not list {slug}.")
    if listed is not None and listed.sequence == statement.sequence:
        raise SecurityError(
            Code.STATEMENT_FORK, f"Two different statements of {slug} are numbered {statement.sequence}."
        )
    return f"{version} was asked for by name; it is not the newest."


def _check_withdrawn(
    bundle: Bundle, leaf: ReleaseLeaf, catalog: Catalog, checkpoint: Checkpoint, wanted: Wanted, *, now: int
) -> str:
    refusals = [
        refusal
        for notice in bundle.notices
        if (refusal := _judge_notice(_read_beside(notice, checkpoint), leaf, now=now)) is not None
    ]
    if (yank := catalog.find_yank(leaf.slug, leaf.version)) is not None:
        refusals.append(_yanked(leaf, yank.reason))
    if not refusals:
        return f"Nothing in the bundle speaks against {leaf.slug} {leaf.version}."
    if not wanted.accept_withdrawn:
        raise refusals[0]
    return f"You accept that: {refusals[0].detail}"


def _judge_notice(notice: AnyLeaf, leaf: ReleaseLeaf, *, now: int) -> SecurityError | None:
    match notice:
        case EvidenceLeaf(subject=leaf.source):
            return SecurityError(
                Code.EVIDENCE_LOGGED, f"The log holds evidence ({notice.about}) against {leaf.source}."
            )
        case CustodyLeaf(source=leaf.source) if notice.until > now:
            return SecurityError(Code.CUSTODY_COOLDOWN, f"{leaf.source} got another key a short while ago.")
        case YankLeaf(source=leaf.source, slug=leaf.slug, version=leaf.version):
            return _yanked(leaf, "the log says so.")
    return None


def _yanked(leaf: ReleaseLeaf, reason: str) -> SecurityError:
    return SecurityError(Code.RELEASE_YANKED, f"The publisher yanked {leaf.slug} {leaf.version}: {reason}")


def _remember(
    known: Remembered,
    checkpoint: Checkpoint,
    publisher: TrustedPublisher,
    verdict: CatalogVerdict,
    release: VerifiedStatement,
) -> Remembered:
    statement = release.statement
    listed = verdict.catalog.find_release(statement.slug)
    is_newest = listed is not None and listed.statement == release.payload_hash
    newest = {statement.slug: KnownRelease(statement.version, release.head)} if is_newest else {}
    return Remembered(
        trees={**known.trees, checkpoint.origin: checkpoint.head},
        publisher=Head(publisher.document.version, publisher.payload_hash),
        catalog=verdict.head,
        catalog_signer=key_id(verdict.key),
        releases={**known.releases, **newest},
    )
