"""What a sync costs: one request where nothing changed, and else as much as changed, however much is listed."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.syncing import SyncNode, open_sync_node

from pfn.domain.schedule import Result
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.testing.swarm import Kind, Member, PublisherSwarm, Traffic

MANY = 10_000
WANTED = tuple(f"plugin-{number:05}" for number in range(8))
# What any sync writes that has something to write: its own row and that of the source.
RUN = {"syncs": 1, "sources": 1, "schedule": 1}
# Rows written, one way or the other, for three new versions.
HANDFUL = 60
# What three new versions of known plugins are, in rows.
THREE_RELEASES = {
    "mirrored_plugins": 3,
    "blobs": 3,
    "plugins": 3,
    "version_updates": 3,
    "events": 3,
    "listings": 3,
    "listing_states": 1,
    "log_leaves": 3,
    "log_tiles": 1,
}


@pytest.fixture
async def node(tmp_path: Path) -> Any:
    async with open_sync_node(tmp_path / "node") as node:
        yield node


async def add(node: SyncNode, publisher: Any) -> str:
    answer = await node.post(
        "add-source",
        instance_url=publisher.url,
        username=publisher.profile.username,
        public_key=publisher.shown_key.pem,
    )
    source_id: str = answer.json()["source_id"]
    assert (await node.post("verify-source", sourceId=source_id)).json()["success"] is True
    return source_id


def spent(member: Member, before: Traffic) -> dict[Kind, tuple[int, int]]:
    """Give requests and body bytes since then, by kind."""
    now = member.traffic - before
    return {kind: (now.requests[kind], now.body_bytes[kind]) for kind in Kind if now.requests[kind]}


async def test_three_new_versions_of_ten_thousand_plugins_touch_three(node: SyncNode) -> None:
    async with PublisherSwarm(sources=1, plugins=MANY) as swarm:
        member = swarm.members[0]
        source_id = await add(node, member.publisher)
        result = await node.subscribe(source_id, slugs=list(WANTED))
        assert (result["mirroredCount"], result["totalPlugins"]) == (len(WANTED), MANY)
        await node.work(source_id)

        rows, traffic = node.rows(), member.traffic + Traffic()
        outcome = await node.work(source_id)
        assert outcome.result is Result.UNCHANGED
        assert spent(member, traffic) == {Kind.UNCHANGED: (1, 0)}
        # The source was looked at, and will be again: nothing else is written.
        node.clock.now += 1
        await node.work(source_id)
        assert node.changed(rows) == {"sources": 1, "schedule": 1}

        for slug in WANTED[:3]:
            member.plugins[slug] += 1
        member.revision += 1
        node.clock.now += 1
        rows, traffic = node.rows(), member.traffic + Traffic()
        with node.writes() as writes:
            outcome = await node.work(source_id)
        assert outcome.result is Result.CHANGED
        assert writes.total() <= HANDFUL, writes
        requests = {kind: count for kind, (count, _) in spent(member, traffic).items()}
        assert requests == {Kind.CATALOGUE: 1, Kind.ZIP: 3}
        changed = node.changed(rows)
        # Every plugin has one tag, and its rows in the index of tags are made anew, the same as before.
        assert changed == {**RUN, **THREE_RELEASES}
        status = await node.status(source_id)
        sync = status["syncs"][0]
        assert [sync[name] for name in ("state", "total", "wanted", "done", "mirrored", "failed")] == [
            *("finished", MANY, 3, 3, 3, 0)
        ]


@pytest.mark.parametrize("many", [300, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_three_new_versions_of_a_signed_catalogue_touch_three(node: SyncNode, many: int) -> None:
    async with FakePublisherV2("alice", now=int(node.clock.now)) as publisher:
        for number in range(many):
            publisher.add_plugin(f"plugin-{number:05}", "1.0.0", listed=False)
        publisher.renew_catalog()
        source_id = await node.add(publisher)
        result = await node.subscribe(source_id, slugs=list(WANTED))
        assert (result["mirroredCount"], result["totalPlugins"]) == (len(WANTED), many)
        await node.work(source_id)

        publisher.requests.clear()
        rows = node.rows()
        node.clock.now += 1
        with node.writes() as writes:
            outcome = await node.work(source_id)
        assert outcome.result is Result.UNCHANGED
        # The lease, the time of the look, the next time.
        assert writes == {"UPDATE": 3, "INSERT": 0}
        assert [one.path for one in publisher.requests] == ["/.well-known/pfn/catalog.json"]
        assert "if-none-match" in publisher.requests[0].headers
        assert node.changed(rows) == {"sources": 1, "schedule": 1}

        for slug in WANTED[:3]:
            publisher.add_plugin(slug, "1.0.1", listed=False)
        publisher.renew_catalog()
        publisher.requests.clear()
        rows = node.rows()
        with node.writes() as writes:
            assert (await node.work(source_id)).result is Result.CHANGED
        assert writes.total() <= HANDFUL, writes
        asked = [one.path.rpartition("/")[2].removeprefix("plugin-") for one in publisher.requests]
        # The catalogue, the keys it is believed under, then a statement, a signature and a zip of each.
        assert asked[:2] == ["catalog.json", "publisher.json"]
        assert len(asked) == 2 + 3 * 3
        assert len([one for one in publisher.requests if one.path.endswith(".zip")]) == 3
        assert len([one for one in publisher.requests if "/releases/" in one.path]) == 3
        # The catalogue is an entry of the log too, in a transaction of its own; both end in one row of the tree.
        expected = {**RUN, **THREE_RELEASES, "release_statements": 3, "catalogs": 1, "log_leaves": 4}
        # The validators stand beside the catalogue itself.
        del expected["listing_states"]
        assert node.changed(rows) == expected


@pytest.mark.parametrize("kind", [FakePublisher, FakePublisherV2])
async def test_nothing_changed_leaves_no_trace_and_a_new_catalogue_without_news_little(
    node: SyncNode, kind: type[FakePublisher]
) -> None:
    async with kind("alice") as publisher:
        publisher.now = int(node.clock.now)
        publisher.add_plugin("one", "1.0")
        source_id = await node.add(publisher)
        await node.subscribe(source_id)
        rows = node.rows()
        publisher.requests.clear()
        for _ in range(3):
            node.clock.now += 60
            assert (await node.work(source_id)).result is Result.UNCHANGED
        assert len(publisher.requests) == 3
        assert node.changed(rows) == {"sources": 1, "schedule": 1}
        if isinstance(publisher, FakePublisherV2):
            publisher.renew_catalog()
            assert (await node.work(source_id)).result is Result.UNCHANGED
            said = {"log_leaves": 1, "log_tiles": 1}
            assert node.changed(rows) == {"sources": 1, "schedule": 1, "catalogs": 1, **said}


async def test_a_publisher_without_validators_costs_a_body_and_nothing_else(node: SyncNode) -> None:
    async with FakePublisher("alice") as publisher:
        publisher.add_plugin("one", "1.0")
        source_id = await node.add(publisher)
        body = (await node.http.__class__().get(f"{publisher.url}/author-data?author=alice")).content
        publisher.faults["/author-data"] = faults.body(body)
        await node.subscribe(source_id)
        rows = node.rows()
        publisher.requests.clear()
        node.clock.now += 60
        assert (await node.work(source_id)).result is Result.UNCHANGED
        assert [one.path for one in publisher.requests] == ["/author-data"]
        assert "if-none-match" not in publisher.requests[0].headers
        assert node.changed(rows) == {"sources": 1, "schedule": 1}
        # Other bytes that say the same: remembered, so that they too are known next time.
        publisher.faults["/author-data"] = faults.body(body + b"\n")
        node.clock.now += 60
        assert (await node.work(source_id)).result is Result.UNCHANGED
        assert node.changed(rows) == {"sources": 1, "schedule": 1, "listing_states": 1}


async def test_bytes_that_a_statement_names_and_that_are_here_are_not_fetched_again(node: SyncNode) -> None:
    async with FakePublisherV2("alice") as first, FakePublisherV2("bob") as second:
        for publisher in (first, second):
            publisher.now = int(node.clock.now)
            publisher.add_plugin("shared", "1.0")
        for publisher in (first, second):
            source_id = await node.add(publisher)
            assert (await node.subscribe(source_id))["mirroredCount"] == 1
            assert await node.versions(source_id) == {"shared": ["1.0"]}
            assert (await node.get("verify", source=source_id, plugin="shared"))["valid"] is True
        zips = [one.path for one in (*first.requests, *second.requests) if one.path.endswith(".zip")]
        assert len(zips) == 1
        # Looking again means fetching again.
        second.requests.clear()
        assert (await node.sync(source_id, recheck=True))["state"] == "finished"
        assert len([one.path for one in second.requests if one.path.endswith(".zip")]) == 1


async def test_wishes_that_change_are_met_without_the_catalogue(node: SyncNode) -> None:
    async with FakePublisher("alice") as publisher:
        publisher.add_plugin("one", "1.0", tags=("seo",))
        publisher.add_plugin("two", "1.0", tags=("shop",))
        source_id = await node.add(publisher)
        assert (await node.subscribe(source_id, tags=["seo"]))["mirroredCount"] == 1
        publisher.requests.clear()
        assert (await node.subscribe(source_id))["mirroredCount"] == 1
        bodies = [one.path for one in publisher.requests if one.path != "/author-data"]
        assert bodies == [publisher.zip_path("two", "1.0")]
        assert "if-none-match" in publisher.requests[0].headers
        assert set(await node.versions(source_id)) == {"one", "two"}


@pytest.mark.parametrize("kind", [FakePublisher, FakePublisherV2])
async def test_what_failed_is_tried_again_in_its_time_without_the_catalogue(
    node: SyncNode, kind: type[FakePublisher]
) -> None:
    async with kind("alice") as publisher:
        publisher.now = int(node.clock.now)
        publisher.add_plugin("one", "1.0")
        publisher.add_plugin("two", "1.0")
        path = publisher.zip_path("two", "1.0")
        publisher.faults[path] = faults.status(500)
        source_id = await node.add(publisher)
        assert (await node.subscribe(source_id))["failedCount"] == 1
        failure = (await node.failures(source_id))["two"]
        # The pace may be slower than that.
        assert (await node.due(source_id)).due_at == failure["next_retry"]
        publisher.faults.clear()
        assert (await node.work(source_id)).result is Result.UNCHANGED
        node.clock.now = failure["next_retry"]
        publisher.requests.clear()
        assert (await node.work(source_id)).result is Result.CHANGED
        zips = [one.path for one in publisher.requests if one.path.endswith(".zip")]
        assert zips == [path]
        assert "if-none-match" in publisher.requests[0].headers
        assert set(await node.versions(source_id)) == {"one", "two"}


async def test_a_cool_down_ends_by_time_alone(node: SyncNode) -> None:
    async with FakePublisher("alice") as publisher:
        publisher.add_plugin("one", "1.0")
        source_id = await node.add(publisher)
        assert (await node.subscribe(source_id, minimum_age_days=0.01))["mirroredCount"] == 0
        ripe = node.clock.now + 864
        assert (await node.due(source_id)).due_at == ripe
        node.clock.now = ripe - 1
        await node.work(source_id)
        assert await node.versions(source_id) == {}
        node.clock.now = ripe
        await node.work(source_id)
        assert await node.versions(source_id) == {"one": ["1.0"]}


async def test_what_is_due_but_wanted_by_nobody_any_more_is_put_off(node: SyncNode) -> None:
    async with FakePublisher("alice") as publisher:
        publisher.add_plugin("one", "1.0")
        publisher.faults[publisher.zip_path("one", "1.0")] = faults.status(500)
        source_id = await node.add(publisher)
        await node.subscribe(source_id)
        await node.subscribe(source_id, slugs=["another"])
        before = (await node.failures(source_id))["one"]
        node.clock.now = before["next_retry"]
        await node.work(source_id)
        after = (await node.failures(source_id))["one"]
        assert after["next_retry"] > node.clock.now
        assert after["last_failed"] == before["last_failed"]


@pytest.mark.parametrize(("scheme", "again"), [("author/slug.zip", True), ("author/slug/version", False)])
async def test_zips_without_a_version_in_their_url_are_compared_once_a_week(
    node: SyncNode, scheme: str, again: bool
) -> None:
    async with FakePublisher("alice", naming_scheme=scheme) as publisher:
        publisher.add_plugin("one", "1.0")
        publisher.add_plugin("two", "1.0", signature="wrong")
        source_id = await node.add(publisher)
        await node.subscribe(source_id)
        for days, fetched in ((0, 0), (6.9, 0), (0.1, again), (0.1, 0), (6.9, again)):
            node.clock.now += round(days * 86_400)
            publisher.requests.clear()
            await node.work(source_id)
            zips = [one.path for one in publisher.requests if one.path == publisher.zip_path("one", "1.0")]
            assert len(zips) == fetched, days
        # Only a person may look at a broken proof again.
        assert (await node.failures(source_id))["two"]["last_failed"] < node.clock.now


@pytest.mark.parametrize("kind", [FakePublisher, FakePublisherV2])
async def test_a_batch_is_written_in_as_many_statements_as_one_release(
    tmp_path: Path, kind: type[FakePublisher]
) -> None:
    said = [await first_sync(tmp_path / str(many), kind, many) for many in (2, 40)]
    # Progress is told once a second meanwhile.
    assert abs(said[1] - said[0]) <= 3, said


async def first_sync(data: Path, kind: type[FakePublisher], many: int) -> int:
    """Mirror so many plugins at once and give how many statements wrote it."""
    async with open_sync_node(data) as node, kind("alice") as publisher:
        publisher.now = int(node.clock.now)
        for number in range(many):
            publisher.add_plugin(f"plugin-{number:02}", "1.0.0")
        source_id = await node.add(publisher)
        with node.statements() as statements:
            result = await node.subscribe(source_id)
        assert (result["mirroredCount"], result["failedCount"]) == (many, 0)
        return sum(count for word, count in statements.items() if word in {"INSERT", "UPDATE", "DELETE"})
