"""How far a release without a statement can be verified: what a node's log says of it, and no more.

A v1 publisher signs no bytes. What remains is that everybody was shown the same: the log's signature, its witnesses,
the entry's place in the tree, what it says, and that this zip is the one it says. Whoever accepts that relies on the
node having taken the first bytes it saw from the publisher.

With a statement ``pfn.protocol.log.bundle_verification`` decides.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pfn.protocol.check import Check
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.bundle import Bundle
from pfn.protocol.log.bundle_verification import BundleRefusedError
from pfn.protocol.log.checkpoint import Checkpoint, verify_checkpoint
from pfn.protocol.log.entry import ReleaseLeaf, parse_leaf
from pfn.protocol.log.policy import DEFAULT_MAX_AGE, Policy, Witnessing, require_quorum
from pfn.protocol.log.proof import check_entry


@dataclass(frozen=True, slots=True)
class LoggedDownload:
    """A release that is logged, whose bytes no publisher signed."""

    entry: ReleaseLeaf
    checkpoint: Checkpoint
    witnessing: Witnessing
    checks: tuple[Check, ...]


def read_entry(bundle: Bundle) -> ReleaseLeaf:
    """Give what a bundle claims to be about; nothing of it is verified. Raises PfnError, as all of a bundle does."""
    if bundle.release_entry is None:
        raise SecurityError(Code.PROOF_INCOMPLETE, "The bundle lacks the log entry of the release.")
    leaf = parse_leaf(bundle.release_entry.leaf)
    if not isinstance(leaf, ReleaseLeaf):
        raise SecurityError(Code.LEAF_MISMATCH, f"The log entry is of the kind {leaf.kind}, not a release.")
    return leaf


def verify_logged(
    bundle: Bundle,
    data: bytes | None,
    policy: Policy,
    *,
    source: str,
    slug: str,
    version: str,
    now: int,
    max_age: int = DEFAULT_MAX_AGE,
) -> LoggedDownload:
    """Verify that a release is logged and witnessed, and that ``data`` is its zip; who made it is not verified.

    ``now`` in Unix seconds. Raises BundleRefusedError with the code of the check that failed.
    """
    checks: list[Check] = []
    with _checking("log_signature", checks) as passed:
        leaf = read_entry(bundle)
        assert bundle.release_entry is not None  # its leaf was just read
        proof = bundle.release_entry.proof
        checkpoint = verify_checkpoint(proof.note, [log.key for log in policy.logs])
        passed(f"The log {checkpoint.origin} signed its tree of {checkpoint.size} entries.")
    with _checking("witnesses", checks) as passed:
        witnessing = require_quorum(proof.note, policy, now=now, max_age=max_age)
        passed(f"{len(witnessing.counted)} of {witnessing.of} witnesses cosigned it lately.")
    with _checking("inclusion", checks) as passed:
        check_entry(bundle.release_entry.leaf, proof)
        passed(f"The entry is number {proof.index} of the tree.")
    with _checking("leaf", checks) as passed:
        if (leaf.source, leaf.slug, leaf.version) != (source, slug, version):
            raise SecurityError(
                Code.LEAF_MISMATCH,
                f"The log entry is about {leaf.slug} {leaf.version} of {leaf.source}, which was not asked for.",
            )
        passed(f"The entry is about {leaf.slug} {leaf.version} of {leaf.source}.")
    if data is not None:
        with _checking("digests", checks) as passed:
            if (len(data), hashlib.sha256(data).hexdigest()) != (leaf.length, leaf.sha256):
                raise SecurityError(Code.ARTIFACT_DIGEST, "The zip is not the one that was logged.")
            passed(f"The zip has the {len(data)} bytes and the SHA-256 that were logged.")
    return LoggedDownload(leaf, checkpoint, witnessing, tuple(checks))


@contextmanager
def _checking(name: str, checks: list[Check]) -> Iterator[Callable[[str], None]]:
    try:
        yield lambda detail: checks.append(Check(name, True, detail))
    except PfnError as error:
        raise BundleRefusedError(error.code, error.detail, (*checks, Check(name, False, error.detail))) from error
