"""A source with ten thousand plugins: it comes in whole, costs nothing when nothing changed, and little when little."""

import resource
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.network import serve_node

from pfn.domain.verification import VerificationType
from pfn.storage.schema import mirrored_plugins
from pfn.testing.swarm import Kind, PublisherSwarm

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(900)]

PLUGINS = 10_000
# What the whole test's process may grow by meanwhile, the publisher's own 10,000 zips among it.
MOST_GROWN_KB = 400_000


async def test_ten_thousand_plugins_of_one_source(tmp_path: Path) -> None:
    async with PublisherSwarm(1, PLUGINS) as swarm, serve_node(tmp_path / "node", sync_concurrency=16) as node:
        (member,) = swarm.members
        profile = member.publisher.profile
        await node.services.sources.add("test", member.publisher.url, profile.username, member.publisher.shown_key.pem)
        await node.services.verifications.verify(member.source_id, VerificationType.INITIAL, "test")
        answer = await node.post("subscribe", sourceId=member.source_id, filters={"slugs": ["plugin-00000"]})
        assert answer.status_code == 200, answer.text
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        subscription = (await node.get("subscriptions", sourceId=member.source_id))[0]["id"]
        changed = await node.post("change-subscription", id=subscription, filters={})
        assert changed.status_code == 200, changed.text
        ended = await node.services.syncs.run_now(member.source_id)
        assert ended.sync.code is None, ended.sync.detail
        async with node.database.read() as connection:
            count = (await connection.execute(select(func.count()).select_from(mirrored_plugins))).scalar_one()
        assert count == PLUGINS
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWN_KB
        traffic = swarm.traffic()
        await node.services.syncs.run_now(member.source_id)
        cost = swarm.traffic() - traffic
        assert +cost.requests == {Kind.UNCHANGED: 1}
        assert not +cost.body_bytes
        swarm.change(3)
        traffic = swarm.traffic()
        await node.services.syncs.run_now(member.source_id)
        assert (swarm.traffic() - traffic).requests[Kind.ZIP] == 3
        page = await node.http.get("/plugins?q=plugin+00042")
        assert page.status_code == 200
        # The care of so many is no matter of minutes either.
        scrubbed = await node.services.scrubs.run(await node.services.scrubs.begin(), 0)
        assert scrubbed.detail == f"Zips looked at: {PLUGINS + 3}, mended: 0, damaged still: 0."
        assert (await node.services.garbage.look()).is_empty
