"""The life of sources: register, suspend, resume, remove; what is known of them is ``source_report``'s."""

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy.exc import IntegrityError

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.schedule import Work
from pfn.domain.source import LIFE_CYCLE, Source, SourceStatus
from pfn.outbound.policy import OutboundPolicy, check_url
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.source_id import is_username, normalize_instance_url, source_id
from pfn.services.clock import Clock
from pfn.services.leaf import append, append_unless_halted, custody_leaf, source_leaf
from pfn.services.schedule import ScheduleService, host_of
from pfn.services.trust import refresh_trust
from pfn.services.verification import require_source, unknown_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.peer import read_anew
from pfn.storage.release import forget_source_releases
from pfn.storage.schedule import hasten
from pfn.storage.signed_document import forget_signed_documents
from pfn.storage.source import (
    add_source,
    change_source,
    count_plugins,
    forget_source,
    get_source,
)
from pfn.storage.subscription import end_subscriptions

CUSTODY_COOL_DOWN_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a source did."""

    source_id: str
    plugins_withdrawn: int
    subscriptions_ended: int
    releases_deleted: int


class SourceService:
    """Owns the life of sources; proving them is ``pfn.services.verification``'s."""

    def __init__(self, database: Database, policy: OutboundPolicy, schedule: ScheduleService, clock: Clock) -> None:
        self._database = database
        self._policy = policy
        self._schedule = schedule
        self._clock = clock

    async def add(
        self,
        actor: str,
        instance_url: str,
        username: str,
        public_key: str,
        *,
        allow_unsigned: bool | None = None,
    ) -> Source:
        """Register a source as ``pending``; a removed one with the same key comes back with its releases.

        Raises PfnError: ``invalid_url``, ``invalid_field``, ``invalid_public_key``, ``source_exists``.
        """
        source = self._describe(instance_url, username, public_key, allow_unsigned)
        try:
            async with self._database.write() as connection:
                present = await get_source(connection, source.id, lock=True)
                if present is None:
                    await add_source(connection, source)
                else:
                    _refuse_existing(present, source)
                    status = LIFE_CYCLE.next(present.status, "operator adds again")
                    await change_source(connection, source.id, status=status, allow_unsigned=allow_unsigned)
                sentence = f"{source.id} was registered and is waiting for its first verification."
                await self._schedule.follow(connection, source)
                event = self._event(source, actor, describe("source_added", sentence))
                await append_unless_halted(
                    connection, [source_leaf(source, "registered", source.created_at)], source.created_at
                )
                # Peers may have logged releases of it long ago.
                await read_anew(connection)
                await hasten(connection, Work.PEER, source.created_at)
                await add_activities(connection, [event])
        except IntegrityError as error:
            raise PfnError(Code.SOURCE_EXISTS, f"{source.id} is registered already.") from error
        return source

    async def draft(self, instance_url: str, username: str, public_key: str) -> Source:
        """Give the source that ``add`` would register, without doing so, and raise what it would raise."""
        source = self._describe(instance_url, username, public_key, None)
        async with self._database.read() as connection:
            present = await get_source(connection, source.id)
        if present is None:
            return source
        _refuse_existing(present, source)
        return replace(present, status=SourceStatus.PENDING)

    def _describe(self, instance_url: str, username: str, public_key: str, allow_unsigned: bool | None) -> Source:
        url = normalize_instance_url(instance_url)
        check_url(url, self._policy)
        if not is_username(username):
            raise PfnError(
                Code.INVALID_FIELD,
                "username: must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit.",
            )
        return Source(
            id=source_id(url, username),
            instance_url=url,
            username=username,
            public_key=parse_public_key(public_key).pem,
            status=SourceStatus.PENDING,
            trust_score=0.0,
            created_at=int(self._clock()),
            allow_unsigned=allow_unsigned,
        )

    async def get(self, source_id: str) -> Source:
        """Give a source. Raises PfnError (``source_unknown``)."""
        return await require_source(self._database, source_id)

    async def suspend(self, actor: str, source_id: str, reason: str) -> Source:
        """Stop offering and mirroring a source; nothing is deleted.

        Raises PfnError: ``source_unknown``, ``wrong_state``.
        """
        sentence = f"{source_id} was suspended: {reason}"
        details = describe("source_suspended", sentence, reason=reason)
        return await self._move(actor, source_id, "operator suspends", details, reason)

    async def resume(self, actor: str, source_id: str) -> Source:
        """Offer a suspended source again; it is ``pending`` until it proves itself anew.

        Raises PfnError: ``source_unknown``, ``wrong_state``.
        """
        details = describe("source_resumed", f"{source_id} was resumed and is waiting to be verified again.")
        return await self._move(actor, source_id, "operator resumes", details, None)

    async def allow_unsigned(self, actor: str, source_id: str, allow: bool | None) -> Source:
        """Say whether this source's unsigned plugins are mirrored; None follows the node's setting.

        Raises PfnError (``source_unknown``).
        """
        said = {True: "are accepted", False: "are held back", None: "follow the node's setting"}[allow]
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None or source.status is SourceStatus.REMOVED:
                raise unknown_source(source_id)
            await change_source(connection, source_id, allow_unsigned=allow)
            details = describe("source_policy", f"Unsigned plugins of {source_id} {said}.", allow_unsigned=allow)
            await add_activities(connection, [self._event(source, actor, details)])
        return replace(source, allow_unsigned=allow)

    async def lift_gates(self, actor: str, source_id: str) -> Source:
        """Take a source's gates off after an operator looked at the evidence, which stays on record.

        Raises PfnError: ``source_unknown``; ``wrong_state`` where there is none.
        """
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None or source.status is SourceStatus.REMOVED:
                raise unknown_source(source_id)
            if not source.gates:
                raise PfnError(Code.WRONG_STATE, f"{source_id} has no gate to lift.")
            lifted = replace(source, gates=())
            await change_source(connection, source_id, gates=())
            await refresh_trust(connection, lifted, self._clock())
            sentence = f"The gates of {source_id} ({', '.join(source.gates)}) were lifted."
            await add_activities(connection, [self._event(source, actor, describe("gates_lifted", sentence))])
        return lifted

    async def reset_custody(self, actor: str, source_id: str, public_key: str) -> Source:
        """Give a source another key, after its publisher lost all of them or sold it (facts: threats b.6).

        Its signed documents start over, nothing new is served for seven days, and it must prove the new key. What was
        mirrored stays. Raises PfnError: ``source_unknown``, ``invalid_public_key``, ``log_halted``; ``wrong_state`` for
        the same key.
        """
        key = parse_public_key(public_key)
        now = int(self._clock())
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None or source.status is SourceStatus.REMOVED:
                raise unknown_source(source_id)
            if source.public_key == key.pem:
                raise PfnError(Code.WRONG_STATE, "That is the registered key already; there is nothing to reset.")
            changed: dict[str, object] = {
                "public_key": key.pem,
                "status": SourceStatus.PENDING,
                "status_code": None,
                "status_detail": None,
                "verified_since": None,
                "signing_oracle": False,
                "oracle_probed_at": None,
                "cool_down_until": now + CUSTODY_COOL_DOWN_S,
            }
            await change_source(connection, source_id, **changed)
            await forget_signed_documents(connection, source_id)
            old = parse_public_key(source.public_key).fingerprint
            sentence = (
                f"{source_id} changed hands: {old} gave way to {key.fingerprint}. "
                "It must prove the new key, and nothing new of it is served for seven days."
            )
            after = await get_source(connection, source_id)
            assert after is not None  # it was read in this transaction
            await refresh_trust(connection, after, now)
            await self._schedule.follow(connection, after)
            # The new key is to be proven at once, whenever the old one was to be proven again.
            await self._schedule.put(connection, Work.VERIFY, source_id, at=now, host=host_of(after))
            details = describe("custody_reset", sentence, old_key=old, new_key=key.fingerprint)
            leaf = custody_leaf(source_id, source.public_key, key.pem, now + CUSTODY_COOL_DOWN_S, now)
            await append(connection, [leaf], now)
            await add_activities(connection, [self._event(source, actor, details)])
        return after

    async def remove(self, actor: str, source_id: str, *, purge: bool = False) -> Removal:
        """Remove a source: its plugins are offered no more, its subscriptions end.

        Its releases stay on record, so that adding it again with the same key brings them back and no version can
        come back with other bytes. With ``purge`` they are deleted too, which cannot be undone.
        Raises PfnError (``source_unknown``); with ``purge`` a removed source may be named again.
        """
        now = int(self._clock())
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            gone = source is not None and source.status is SourceStatus.REMOVED
            if source is None or (gone and not purge):
                raise unknown_source(source_id)
            withdrawn = 0 if gone else (await count_plugins(connection, source_id)).get(source_id, 0)
            ended = await end_subscriptions(connection, now, source_id=source_id)
            deleted = 0
            if purge:
                deleted = await forget_source_releases(connection, source_id)
                await forget_source(connection, source_id)
            else:
                status = LIFE_CYCLE.next(source.status, "operator removes")
                await change_source(connection, source_id, status=status)
            await self._schedule.follow(connection, replace(source, status=SourceStatus.REMOVED))
            removal = Removal(source_id, withdrawn, ended, deleted)
            sentence = f"{source_id} was removed{' and purged' if purge else ''}."
            details = describe(
                "source_purged" if purge else "source_removed",
                sentence,
                plugins_withdrawn=withdrawn,
                subscriptions_ended=ended,
                releases_deleted=deleted,
            )
            if not gone:
                await append_unless_halted(connection, [source_leaf(source, "removed", now)], now)
            await add_activities(connection, [self._event(source, actor, details)])
        return removal

    async def _move(
        self, actor: str, source_id: str, event: str, details: dict[str, object], reason: str | None
    ) -> Source:
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None or source.status is SourceStatus.REMOVED:
                raise unknown_source(source_id)
            status = SourceStatus(LIFE_CYCLE.next(source.status, event))
            moved = replace(
                source,
                status=status,
                status_code="suspended" if reason is not None else None,
                status_detail=reason,
            )
            await change_source(
                connection,
                source_id,
                status=status.value,
                status_code=moved.status_code,
                status_detail=moved.status_detail,
            )
            await refresh_trust(connection, moved, self._clock())
            await self._schedule.follow(connection, moved)
            now = int(self._clock())
            standing: Literal["suspended", "resumed"] = "resumed" if reason is None else "suspended"
            await append_unless_halted(connection, [source_leaf(moved, standing, now)], now)
            await add_activities(connection, [self._event(source, actor, details)])
        return moved

    def _event(self, source: Source, actor: str, details: dict[str, object]) -> Activity:
        return source_event(source, int(self._clock()), details, actor=actor)


def _refuse_existing(present: Source, wanted: Source) -> None:
    if present.status is not SourceStatus.REMOVED:
        raise PfnError(Code.SOURCE_EXISTS, f"{present.id} is registered already; its status is {present.status.value}.")
    if present.public_key != wanted.public_key:
        known = parse_public_key(present.public_key).fingerprint
        raise PfnError(
            Code.SOURCE_EXISTS,
            f"{present.id} was here before with the key {known}, and its releases are kept under it. "
            f"Add it with that key, or forget it for good first: pfn source remove {present.id} --purge",
        )
