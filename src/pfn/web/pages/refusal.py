"""What a refusal means for people: what was found, and what can be done about it.

The sentence that is stored with a refusal says what happened this once; this says what that kind of thing is. Neither
lets anything in.
"""

from dataclasses import dataclass
from typing import Final

from pfn.protocol.errors import Code
from pfn.web.pages.language import N_, translate


@dataclass(frozen=True, slots=True)
class Explanation:
    """``means``: what kind of refusal it is; ``remedy``: what can be done about it."""

    means: str
    remedy: str


_ASK = N_("Ask its publisher how this came about. If it was a mistake, a new version, signed anew, comes in by itself.")
_ZIP = (
    N_("The zip came and was looked into without being unpacked. It holds what no plugin's zip may hold."),
    N_(
        "Tell its publisher what was found. A version that is in order comes in by itself. After an update of this "
        "node its rules may be others: check it again."
    ),
)
_CLAIM = (
    N_("The zip is in order, but it is of another plugin or version than its publisher announced."),
    N_("Its publisher has to announce what is in the zip, or put the right zip in its place. Then drop this one."),
)
_SIGNATURE = (
    N_("A signature does not fit what came. Either it was changed on its way, or another key signed it."),
    _ASK,
)
_BYTES = (
    N_("Other bytes came than its publisher signed. Somebody may have put another zip in its place."),
    N_("Ask its publisher who else can write to where its zips are. Drop it once the right zip is there again."),
)
_CHANGED = (
    N_("This version was mirrored before with other bytes. A version never changes; the first stays what is served."),
    N_("Look at the conflict. An honest change of a plugin has a new version number."),
)
_KEY = (
    N_("It is signed by a key that its publisher has not named for this plugin and this time."),
    N_("Its publisher has to sign with one of its present keys, or name the new key in its key document."),
)
_ORDER = (
    N_("Signed statements follow each other without a gap and without a second one. This one does not."),
    N_("Look whether there is a conflict of this source. Its publisher has to mend the row of its statements."),
)
_WEAKER = (
    N_("The publisher proved more before. Whoever stole its address, but not its keys, could prove less too."),
    _ASK,
)
_OTHER = (N_("A proof that has to come with it did not hold, so nothing tells that it is genuine."), _ASK)

_OF_CODE: Final = {
    Code.ZIP_REFUSED: _ZIP,
    Code.ZIP_MISMATCH: _CLAIM,
    Code.SIGNATURE_INVALID: _SIGNATURE,
    Code.ARTIFACT_SIGNATURE: _SIGNATURE,
    Code.ARTIFACT_DIGEST: _BYTES,
    Code.PEER_BYTES: _BYTES,
    Code.RELEASE_CONFLICT: _CHANGED,
    Code.FIRST_SEEN_CONFLICT: _CHANGED,
    Code.RELEASE_KEY_UNKNOWN: _KEY,
    Code.RELEASE_KEY_REVOKED: _KEY,
    Code.RELEASE_KEY_TIME: _KEY,
    Code.RELEASE_KEY_SCOPE: _KEY,
    Code.STATEMENT_ROLLBACK: _ORDER,
    Code.STATEMENT_FORK: _ORDER,
    Code.STATEMENT_GAP: _ORDER,
    Code.STATEMENT_CHAIN: _ORDER,
    Code.DOWNGRADE: _WEAKER,
}
_OF_SLUG: Final = {code.slug: texts for code, texts in _OF_CODE.items()}


def explain(slug: str) -> Explanation:
    """Explain the refusal that has this code."""
    means, remedy = _OF_SLUG.get(slug, _OTHER)
    return Explanation(translate(means), translate(remedy))
