"""What was witnessed is replaced only by who knew it: anybody else lost a race and is told so."""

import hashlib

from pfn.protocol.log.checkpoint import TreeHead
from pfn.storage.database import Database
from pfn.storage.witness import (
    Witnessed,
    find_witnessed,
    get_witnessed,
    list_log_evidence,
    put_log_evidence,
    set_witnessed,
)

ORIGIN = "node.example.org/pfn"


def make(size: int, root: bytes = b"\1") -> Witnessed:
    return Witnessed(ORIGIN, TreeHead(size, root * 32), f"a note of {size}", size)


async def test_only_the_known_tree_is_replaced(database: Database) -> None:
    first, second, other = make(3), make(5), make(5, b"\2")
    for known, fresh, done in (
        (None, first, True),
        # Two that knew of none: the second was too late.
        (None, second, False),
        (TreeHead(4, b"\1" * 32), second, False),
        (TreeHead(3, b"\2" * 32), second, False),
        (first.head, second, True),
        (first.head, other, False),
    ):
        async with database.write() as connection:
            before = await get_witnessed(connection, ORIGIN)
            assert await set_witnessed(connection, known, fresh) is done
            assert await get_witnessed(connection, ORIGIN) == (fresh if done else before)
    async with database.read() as connection:
        name = hashlib.sha256(ORIGIN.encode()).hexdigest()
        assert await find_witnessed(connection, name) == second
        assert await find_witnessed(connection, "0" * 64) is None
        assert await get_witnessed(connection, "other.example.org/pfn") is None


async def test_evidence_is_kept_once_in_whichever_order(database: Database) -> None:
    async with database.write() as connection:
        kept = await put_log_evidence(connection, ORIGIN, "log_fork", "Two trees.", b"one", b"two", 5)
        assert kept is not None
        assert await put_log_evidence(connection, ORIGIN, "log_fork", "Two trees.", b"two", b"one", 6) is None
        assert await put_log_evidence(connection, "other.example.org/pfn", "log_fork", "Two.", b"one", b"two", 7)
    async with database.read() as connection:
        assert list(await list_log_evidence(connection, ORIGIN)) == [kept]
        assert len(await list_log_evidence(connection)) == 2
