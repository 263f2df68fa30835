"""Nodes that meet: an operator adds one, or one introduces itself and is accepted.

Nobody becomes a peer without an operator's word and a proof of its key. Strangers may introduce themselves: that makes
a proposal, of which there are few at a time and one from a host. A proposal stands in no operator's way: whoever he
adds takes its place.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.peer import (
    ACCEPT,
    ESTABLISHED,
    LIFE_CYCLE,
    Peer,
    PeerState,
    Terms,
    find_former,
    introduce,
    keys_of,
    peer_event,
)
from pfn.outbound.peer import PeerClient
from pfn.outbound.policy import OutboundPolicy, check_url
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.peer import NodeDescription
from pfn.protocol.source_id import normalize_instance_url
from pfn.services.clock import Clock
from pfn.services.peer import require_peer
from pfn.services.peer_proof import PeerProofs
from pfn.services.peer_step import PeerSteps
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.peer import add_peer, change_peer, find_peer, forget_peer, get_peer, list_peers

log = structlog.get_logger()

MOST_PROPOSALS = 50
PROPOSAL_LIVES_S = 7 * 86_400
MOST_MEETINGS = 4
_USUAL = Terms()
_PROPOSED_OR_MORE = ESTABLISHED | {PeerState.PROPOSED}


@dataclass(frozen=True, slots=True)
class Added:
    """A new peer, and how this node stands there; where it could not introduce itself, ``trouble`` says why."""

    peer: Peer
    standing: str | None = None
    trouble: str | None = None

    @property
    def sentence(self) -> str:
        """What came of it."""
        proven = f"{self.peer.url} proved its key and is a peer"
        if self.trouble is not None:
            return f"{proven}, but this node could not introduce itself there. {self.trouble}"
        if self.standing == PeerState.ACTIVE:
            return f"{proven}. This node is one there too."
        return f"{proven}. There this node is {self.standing}: its operator has to accept it."


class PeerIntroductions:
    """Brings nodes together."""

    def __init__(
        self,
        database: Database,
        policy: OutboundPolicy,
        client: PeerClient,
        proofs: PeerProofs,
        steps: PeerSteps,
        clock: Clock,
    ) -> None:
        self._database = database
        self._policy = policy
        self._client = client
        self._proofs = proofs
        self._steps = steps
        self._clock = clock
        self._meetings = 0

    def prove(self, challenge: str) -> str:
        """Sign a challenge to this node, in base64. Raises SecurityError (``ownership_challenge``)."""
        return self._proofs.answer(challenge)

    async def add(self, actor: str, url: str, terms: Terms = _USUAL, *, fingerprint: str | None = None) -> Added:
        """Take the node at ``url`` for a peer once it has proven its keys, and introduce this node to it.

        ``fingerprint`` is that of the identity key it must have. A removed peer comes back, with what is known of its
        log. Raises PfnError: ``invalid_url``, ``peer_unreachable``, ``peer_answer``, ``peer_exists``, ``wrong_state``;
        SecurityError: ``peer_proof``, ``peer_keys``.
        """
        url = self._check_url(url)
        node = await self._meet(actor, url, fingerprint)
        async with self._write_one(node) as connection:
            peer = await self._place(connection, node, PeerState.ACTIVE, terms, standing=ESTABLISHED)
            await self._steps.take(connection, peer, "peer_added", f"{url} is a peer; it proved its key.", actor=actor)
        try:
            return Added(peer, standing=await self._client.hello(url, self._proofs.own_url))
        except PfnError as error:
            log.info("introduction_failed", url=url, code=error.code.slug, internal=error.internal)
            return Added(peer, trouble=error.detail)

    async def accept(self, actor: str, peer_id: int, terms: Terms = _USUAL, *, fingerprint: str | None = None) -> Peer:
        """Take a node that introduced itself for a peer; it proves its keys again.

        Raises as ``add``; PfnError (``peer_unknown``).
        """
        async with self._database.read() as connection:
            proposed = require_peer(peer_id, await get_peer(connection, peer_id))
        LIFE_CYCLE.next(proposed.state, ACCEPT)
        node = await self._meet(actor, proposed.url, fingerprint)
        async with self._write_one(node) as connection:
            # It may have been refused, accepted or proposed anew meanwhile.
            proposed = require_peer(peer_id, await get_peer(connection, peer_id, lock=True))
            LIFE_CYCLE.next(proposed.state, ACCEPT)
            if keys_of(node) != proposed.keys:
                raise SecurityError(
                    Code.PEER_KEYS,
                    f"{node.url} shows other keys than when it introduced itself. Remove it; it may come again.",
                )
            peer = await self._place(connection, node, PeerState.ACTIVE, terms, standing=ESTABLISHED)
            sentence = f"{peer.url}, which had introduced itself, is a peer; it proved its key."
            await self._steps.take(connection, peer, "peer_accepted", sentence, actor=actor)
        return peer

    async def hello(self, url: str) -> PeerState:
        """Have a node that introduces itself wait for the operator; tell how it stands here.

        It must prove its keys before anything of it is written; who is known already is not met again. Raises as
        ``add``; PfnError (``too_many_requests``).
        """
        url = self._check_url(url)
        if urlsplit(url).hostname in self._policy.allowed_hosts:
            # What an operator opened may lie inside his network, where no stranger's word must lead.
            raise PfnError(Code.INVALID_URL, "The URL cannot be used: only the operator adds a peer at this host.")
        async with self._database.read() as connection:
            known = await find_peer(connection, url=url)
            if known is not None and known.state is not PeerState.REMOVED:
                return known.state
            self._find_room(await list_peers(connection, state=PeerState.PROPOSED), url)
        node = await self._meet_stranger(url)
        async with self._write_one(node) as connection:
            for stale in self._find_room(await list_peers(connection, state=PeerState.PROPOSED), url):
                await forget_peer(connection, stale.id)
            peer = await self._place(connection, node, PeerState.PROPOSED, _USUAL, standing=_PROPOSED_OR_MORE)
            sentence = f"{url} introduced itself and proved its key. To take it for a peer: pfn peer accept {peer.id}"
            event = peer_event(peer, int(self._clock()), "peer_proposed", sentence, private=True)
            await add_activities(connection, [event])
        return peer.state

    def _check_url(self, url: str) -> str:
        normal = normalize_instance_url(url)
        check_url(normal, self._policy)
        return normal

    async def _meet(self, actor: str, url: str, fingerprint: str | None) -> NodeDescription:
        try:
            return await self._proofs.meet(url, fingerprint=fingerprint)
        except SecurityError as error:
            sentence = f"{url} could not be taken for a peer. {error.detail}"
            details = describe("peer_unproven", sentence, url=url, code=error.code.slug)
            event = Activity(ActivityType.FEDERATION_EVENT, int(self._clock()), actor, details, private=True)
            async with self._database.write() as connection:
                await add_activities(connection, [event])
            raise

    async def _meet_stranger(self, url: str) -> NodeDescription:
        if self._meetings >= MOST_MEETINGS:
            raise PfnError(Code.TOO_MANY_REQUESTS, "Others introduce themselves just now.", retry_after=30)
        self._meetings += 1
        try:
            return await self._proofs.meet(url)
        finally:
            self._meetings -= 1

    def _find_room(self, proposals: Sequence[Peer], url: str) -> Sequence[Peer]:
        """Give the proposals that have waited too long to stand in another's way.

        Raises PfnError (``too_many_requests``).
        """
        host = urlsplit(url).netloc
        if any(one.host == host for one in proposals):
            raise PfnError(
                Code.TOO_MANY_REQUESTS, f"A node at {host} waits to be accepted already.", retry_after=86_400
            )
        if len(proposals) < MOST_PROPOSALS:
            return ()
        oldest = int(self._clock()) - PROPOSAL_LIVES_S
        stale = [one for one in proposals if one.created_at < oldest]
        if not stale:
            raise PfnError(
                Code.TOO_MANY_REQUESTS,
                "Too many nodes wait to be accepted. Ask this node's operator to add yours.",
                retry_after=86_400,
            )
        return stale

    @asynccontextmanager
    async def _write_one(self, node: NodeDescription) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may meet another which takes the same node in. Raises PfnError (``peer_exists``)."""
        try:
            async with self._database.write() as connection:
                yield connection
        except IntegrityError as error:
            raise PfnError(Code.PEER_EXISTS, f"{node.url} became known here in this very moment.") from error

    async def _place(
        self,
        connection: AsyncConnection,
        node: NodeDescription,
        state: PeerState,
        terms: Terms,
        *,
        standing: Collection[PeerState],
    ) -> Peer:
        """Put a node that was just met into the row its log had before, or into a new one."""
        same = None
        for former in find_former(await list_peers(connection, removed=True), node, standing=standing):
            if former.log_key == node.log_key.text:
                same = former
            else:
                await forget_peer(connection, former.id)
        fresh = introduce(node, same, state, int(self._clock())).on_terms(terms)
        if same is None:
            return await add_peer(connection, fresh)
        names = (
            "url",
            "name",
            "operator",
            "identity_key",
            "witness_key",
            "state",
            "policy",
            "is_witness",
            "proven_at",
            "last_seen",
        )
        await change_peer(connection, same.id, **{name: getattr(fresh, name) for name in names})
        return fresh
