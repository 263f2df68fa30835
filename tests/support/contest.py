"""Two sources with one slug: whoever comes second is newer, and more trusted where a test says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.mesh import follow
from tests.support.network import ServedNode

from pfn.storage.source import change_source
from pfn.testing.publisher import FakePublisher

SLUG = "calm-gallery"


@dataclass(frozen=True, slots=True)
class Contested:
    """Alice brought SLUG 1.0 to a node first; Mallory came with 9.0."""

    alice: FakePublisher
    mallory: FakePublisher
    holder: str
    newcomer: str


@asynccontextmanager
async def contest(node: ServedNode) -> AsyncIterator[Contested]:
    """Have a node follow two publishers that have one slug; the newcomer has the higher version and trust."""
    async with FakePublisher("alice") as alice, FakePublisher("mallory") as mallory:
        alice.add_plugin(SLUG, "1.0", name="Calm Gallery")
        mallory.add_plugin(SLUG, "9.0", name="Calm Gallery Pro")
        mallory.add_plugin("other", "1.0")
        holder = await follow(node, alice)
        newcomer = await follow(node, mallory)
        async with node.database.write() as connection:
            await change_source(connection, holder, trust_score=0.1)
            await change_source(connection, newcomer, trust_score=0.99)
        yield Contested(alice, mallory, holder, newcomer)
