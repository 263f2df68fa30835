"""The schedule over the API: what is due for a source follows its status; a lease's token is shown to nobody."""

import secrets
import time

from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.protocol.errors import Code
from pfn.testing.publisher import FakePublisher


async def kinds(api: Api, source_id: str) -> list[str]:
    return sorted(row["kind"] for row in await api.get("schedule", sourceId=source_id))


async def test_what_is_due_follows_the_status_of_a_source(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    assert await kinds(api, source_id) == ["probe", "recheck", "sync", "verify"]
    rows = {row["kind"]: row for row in await api.get("schedule", sourceId=source_id)}
    now = time.time()
    assert rows["sync"]["due_at"] <= now
    assert rows["recheck"]["due_at"] > now
    assert rows["verify"] == {
        "kind": "verify",
        "subject": source_id,
        "due_at": rows["verify"]["due_at"],
        "interval_s": 86_400,
        "failures": 0,
        "leased": False,
        "lease_until": None,
        "ran_at": rows["verify"]["ran_at"],
        "outcome": rows["verify"]["outcome"],
    }
    assert rows["verify"]["due_at"] >= rows["verify"]["ran_at"] + 86_400
    status = await api.get("source-status", sourceId=source_id)
    assert status["schedule"] == await api.get("schedule", sourceId=source_id)
    await api.post("suspend-source", sourceId=source_id)
    assert await kinds(api, source_id) == []
    await api.post("resume-source", sourceId=source_id)
    while len(await kinds(api, source_id)) < 4:
        assert set(await kinds(api, source_id)) >= {"probe", "verify"}
    await api.post("remove-source", sourceId=source_id, purge=True)
    assert source_id not in {row["subject"] for row in await api.get("schedule", limit=1000)}


async def test_a_source_that_fails_its_proof_is_synced_no_more(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    publisher.proof_key = FakePublisher("other").key
    await api.post("verify-source", sourceId=source_id)
    assert await kinds(api, source_id) == ["probe", "verify"]


async def test_another_key_is_to_be_proven_at_once(api: Api, publisher: FakePublisher) -> None:
    source_id = await api.add(publisher)
    publisher.key = publisher.proof_key = FakePublisher("other").key
    answer = await api.post("reset-custody", sourceId=source_id, public_key=publisher.public_key_pem)
    assert answer.status_code == 200, answer.text
    while (await api.get("source-status", sourceId=source_id))["source"]["status"] != "verified":
        pass
    assert "sync" in await kinds(api, source_id)


async def test_the_schedule_is_for_readers_and_names_a_source_that_is_not(node: RunningNode, api: Api) -> None:
    assert_problem(await api.http.get("/federation/schedule?sourceId=a@b.example"), Code.SOURCE_UNKNOWN)
    assert_problem(node.client().get("/federation/schedule"), Code.KEY_REQUIRED)
    reader = node.client(node.create_key("subscriber", owner=secrets.token_hex(4))["key"])
    rows = reader.get("/federation/schedule").json()
    assert not [row for row in rows if row["kind"] == "deliver"]
