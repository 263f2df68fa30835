"""Meeting another node: it shows its keys and proves the one it is known by; this one proves its own when asked.

Nothing is written here. Who meets a node does so for one use, at once: the challenge is never handed out.
"""

import secrets
from collections.abc import Callable

from pfn.outbound.peer import PeerClient
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.peer import NodeDescription, check_peer_proof, new_peer_challenge, sign_peer_challenge
from pfn.services.clock import Clock


class PeerProofs:
    """Proves this node, ``own``, to others and has them prove themselves; ``identity`` signs nothing else."""

    def __init__(
        self,
        client: PeerClient,
        own: NodeDescription,
        identity: SigningKey,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._client = client
        self._own = own
        self._identity = identity
        self._clock = clock
        self._random_bytes = random_bytes

    @property
    def own_url(self) -> str:
        """This node's address among its peers."""
        return self._own.url

    def answer(self, challenge: str) -> str:
        """Sign a challenge to this node, in base64. Raises SecurityError (``ownership_challenge``)."""
        return sign_peer_challenge(challenge, self._identity, own=self._own, now=int(self._clock()))

    async def meet(self, url: str, *, fingerprint: str | None = None) -> NodeDescription:
        """Ask the node at ``url``, in its one spelling, who it is, and have it prove that.

        ``fingerprint`` is that of the identity key it must have. Raises PfnError: ``peer_unreachable``,
        ``peer_answer``, ``wrong_state`` where it is this very node; SecurityError: ``peer_proof``, ``peer_keys``.
        """
        self._refuse_self(url == self._own.url)
        node = await self._client.get_node(url)
        if node.url != url:
            raise PfnError(
                Code.PEER_ANSWER,
                f"The node at {url} says that its address is {node.url}. Name it by that one, or have its operator "
                "set public_url.",
            )
        own = self._own
        self._refuse_self(node.identity_key == own.identity_key or node.log_key.key == own.log_key.key)
        if fingerprint is not None and node.identity_key.fingerprint != fingerprint:
            raise SecurityError(
                Code.PEER_KEYS, f"{url} shows the key {node.identity_key.fingerprint}, not the expected {fingerprint}."
            )
        challenge = new_peer_challenge(node, asking=own.url, now=int(self._clock()), random_bytes=self._random_bytes)
        check_peer_proof(node, challenge, await self._client.prove(url, challenge))
        return node

    def _refuse_self(self, same: bool) -> None:
        if same:
            raise PfnError(Code.WRONG_STATE, "That is this node itself, or a copy of it; no node is its own peer.")
