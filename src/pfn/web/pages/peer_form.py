"""The form fields of the terms on which a node is a peer: read, and written back as they were typed."""

from dataclasses import dataclass, replace
from typing import get_args

from pfn.domain.peer import Order, Peer, PeerPolicy, Take, Terms
from pfn.domain.release import SignatureLevel
from pfn.protocol.errors import Code, PfnError
from pfn.web.pages.submission import Submission

_FIELDS = ("operator", "take", "sources", "tags", "minimum_trust", "minimum_level", "first", "witness")
_LONGEST_LIST = 100_000
_MOST_SOURCES, _MOST_TAGS = 1_000, 100


@dataclass(frozen=True, slots=True)
class Given:
    """What stands in the form, as it was typed."""

    operator: str = ""
    take: str = "all"
    sources: str = ""
    tags: str = ""
    minimum_trust: str = ""
    minimum_level: str = SignatureLevel.NONE.value
    first: str = "publisher"
    witness: str = "yes"

    def to_terms(self) -> Terms:
        """Read it. Raises PfnError (``invalid_field``); its sentence begins with the field's name."""
        if self.take not in get_args(Take) or self.first not in get_args(Order):
            raise PfnError(Code.INVALID_FIELD, "take: choose one of what is offered.")
        if self.minimum_level not in tuple(SignatureLevel):
            raise PfnError(Code.INVALID_FIELD, f"minimum_level: choose one of {', '.join(SignatureLevel)}.")
        policy = PeerPolicy(
            take=self.take,  # type: ignore[arg-type]  # it was just found among them
            sources=_split("sources", self.sources, _MOST_SOURCES),
            tags=_split("tags", self.tags, _MOST_TAGS),
            minimum_trust=self._trust(),
            minimum_level=SignatureLevel(self.minimum_level),
            first=self.first,  # type: ignore[arg-type]
        )
        return Terms(self.operator or None, policy, self.witness == "yes")

    def _trust(self) -> float:
        try:
            trust = float(self.minimum_trust or 0)
        except ValueError:
            trust = -1
        if not 0 <= trust <= 1:
            raise PfnError(Code.INVALID_FIELD, "minimum_trust: must lie between 0 and 1.")
        return trust


def read_terms(form: Submission) -> Given:
    """Give what was typed. Raises PfnError (``invalid_field``) where it is too long to be typed again."""
    usual = Given()
    # A form without these fields says nothing of them; one with them leaves an unticked box out.
    asked = "take" in form.fields
    texts = {
        name: form.text(name, longest=_LONGEST_LIST if name == "sources" else 4_000)
        for name in _FIELDS
        if name in form.fields
    }
    if asked and "witness" not in texts:
        texts["witness"] = ""
    return replace(usual, **texts)


def write_terms(peer: Peer) -> Given:
    """Give what would have to be typed for the terms of a peer."""
    policy = peer.policy
    return Given(
        operator=peer.operator,
        take=policy.take,
        sources=", ".join(policy.sources),
        tags=", ".join(policy.tags),
        minimum_trust=f"{policy.minimum_trust:g}" if policy.minimum_trust else "",
        minimum_level=policy.minimum_level.value,
        first=policy.first,
        witness="yes" if peer.is_witness else "",
    )


def _split(name: str, text: str, most: int) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.replace("\n", ",").split(",") if word.strip()))
    if len(words) > most:
        raise PfnError(Code.INVALID_FIELD, f"{name}: name {most} at most.")
    return words
