"""What clients get: the row shapes of protocol.md section 1, made from the domain's objects."""

from collections.abc import Sequence
from urllib.parse import urlencode

from pydantic import BaseModel

from pfn.domain.health import HealthHour, average
from pfn.domain.log import LogStanding
from pfn.domain.release import Plugin, ReleaseRecord, SignatureLevel
from pfn.domain.schedule import Due
from pfn.domain.source import AuthorInfo, Source
from pfn.domain.sync import Sync
from pfn.domain.trust import Trust
from pfn.services.health import HealthReport, HealthSummary
from pfn.services.release import Verdict
from pfn.services.source_report import SourceOverview, SourceReport
from pfn.services.subscription import Preview, Subscribed

Json = dict[str, object]


class NewKeyAnswer(BaseModel):
    """A key, this once."""

    key: str
    description: str
    created: int
    id: str
    owner: str
    scopes: list[str]
    expires_at: int


class AddSourceAnswer(BaseModel):
    """A source was registered; its verification began by itself."""

    success: bool
    source_id: str
    status: str
    message: str


def show_source_row(source: Source) -> Json:
    """Give the columns of the seed's ``sources`` table, and what explains the status."""
    return {
        "id": source.id,
        "instance_url": source.instance_url,
        "username": source.username,
        "public_key": source.public_key,
        "status": source.status.value,
        "trust_score": round(source.trust_score, 4),
        "created_at": source.created_at,
        "last_sync": source.last_sync,
        "asset_domain": source.asset_domain,
        "asset_naming_scheme": source.asset_naming_scheme,
        "status_code": source.status_code,
        "status_detail": source.status_detail,
        "features": list(source.features),
        "allow_unsigned": source.allow_unsigned,
        "generation": source.generation,
        "signing_oracle": source.signing_oracle,
        "gates": list(source.gates),
        "cool_down_until": source.cool_down_until,
    }


def show_overview(overview: SourceOverview) -> Json:
    """Give a row of ``/federation/sources``."""
    return {
        **show_source_row(overview.source),
        "subscriber_count": overview.subscriber_count,
        "plugin_count": overview.plugin_count,
        "last_verification_result": overview.verifications.last_result,
        "successful_verifications": overview.verifications.successful,
        "response_time_avg": overview.verifications.response_time_avg,
        "health": overview.health and overview.health.value,
    }


def show_trust(trust: Trust) -> Json:
    """Give a score with every term, its evidence in words, and the gates that fired."""
    return {
        "score": round(trust.score, 4),
        "earned": round(trust.earned, 4),
        "uncertainty": round(trust.uncertainty, 4),
        "formula": trust.formula,
        "terms": [
            {
                "name": term.name,
                "value": round(term.value, 4),
                "weight": term.weight,
                "n": round(term.n, 2),
                "good": round(term.good, 2),
                "bad": round(term.bad, 2),
                "uncertainty": round(term.uncertainty, 4),
                "sentence": term.sentence,
            }
            for term in trust.terms
        ],
        "gates": [{"name": gate.value, "cap": gate.cap, "sentence": gate.sentence} for gate in trust.gates],
    }


def show_health_summary(summary: HealthSummary) -> Json:
    """Give how a source fares now; every time is null before the first probe, a share where there were no probes."""
    health = summary.health
    error: Json | None = None
    if health is not None and health.last_error_at is not None:
        error = {"code": health.last_code, "sentence": health.last_error, "at": health.last_error_at}
    return {
        "state": health and health.state.value,
        "since": health and health.since,
        "last_seen": health and health.last_seen,
        "response_time_ms": health and health.response_ms,
        "uptime_24h": _round_share(summary.uptime.day),
        "uptime_7d": _round_share(summary.uptime.week),
        "uptime_30d": _round_share(summary.uptime.month),
        "last_error": error,
        "next_check": summary.next_check,
    }


def show_health(report: HealthReport) -> Json:
    """Give how a source fares and how long its answers took over the days the report is about."""
    return {
        **show_health_summary(report.summary),
        "response_time_avg": report.average_ms,
        "response_time_p95": report.p95_ms,
    }


def show_health_hour(hour: HealthHour) -> Json:
    """Give one hour of a source's history; ``at`` is when it began, times are in milliseconds."""
    return {
        "at": hour.at,
        "probes": hour.probes,
        "failed": hour.failed,
        "worst": hour.worst,
        "triggered": hour.triggered,
        "response_time_avg": average(hour.times),
        "response_time_max": max(hour.times, default=None),
    }


def _round_share(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def show_report(report: SourceReport) -> Json:
    """Give the answer of ``/federation/source-status``."""
    overview = report.overview
    source = overview.source
    retries = [failure.next_retry for failure in report.failures if failure.next_retry is not None]
    return {
        "source": show_overview(overview),
        "health": {
            "status": source.status.value,
            "reason": source.status_detail,
            **show_health(report.health),
        },
        "last_sync": source.last_sync,
        "next_retry": min(retries, default=None),
        "trust": show_trust(report.trust),
        "verifications": [verification.to_json() for verification in report.verifications],
        "syncs": [sync.to_json() for sync in report.syncs],
        "failures": [failure.to_json() for failure in report.failures],
        "schedule": [show_due(due, report.at) for due in report.schedule],
    }


def show_due(due: Due, now: float) -> Json:
    """Give a row of ``/federation/schedule``; the token of a lease is nobody's business."""
    return {
        "kind": due.kind.value,
        "subject": due.subject,
        "due_at": due.due_at,
        "interval_s": due.interval_s,
        "failures": due.failures,
        "leased": due.is_leased(now),
        "lease_until": due.lease_until,
        "ran_at": due.ran_at,
        "outcome": due.outcome,
    }


def show_author(author: AuthorInfo | None) -> Json | None:
    """Give ``authorInfo`` as the prototype spells it."""
    if author is None:
        return None
    return {
        "username": author.username,
        "memberSince": author.member_since,
        "website": author.website,
        "github": author.github,
        "twitter": author.twitter,
    }


def show_subscribed(subscribed: Subscribed) -> Json:
    """Give the answer of ``/federation/subscribe``."""
    sync = subscribed.outcome.sync
    return {
        "success": True,
        "message": _summarize(sync),
        "source": show_source_row(subscribed.source),
        "subscription": subscribed.subscription.to_json(),
        "syncResult": {
            "success": sync.code is None,
            "mirroredCount": sync.mirrored,
            "totalPlugins": sync.total,
            "authorInfo": show_author(subscribed.outcome.author),
            "failedCount": sync.failed,
            "code": sync.code,
            "error": sync.detail,
        },
    }


def show_preview(preview: Preview) -> Json:
    """Give the answer of ``/federation/preview-subscription``."""
    return {
        "source_id": preview.source.id,
        "filters": preview.filters.to_json(),
        "description": preview.filters.describe(),
        "total": len(preview.plugins),
        "taken": preview.taken,
        "skipped": len(preview.plugins) - preview.taken,
        "plugins": [
            {
                "plugin": plugin.listing.slug,
                "version": plugin.listing.version,
                "name": plugin.listing.name,
                "taken": plugin.taken,
                "reasons": [skip.to_json() for skip in plugin.skips],
                "mirrored": plugin.mirrored,
            }
            for plugin in preview.plugins
        ],
    }


def _summarize(sync: Sync) -> str:
    if sync.code is not None:
        return f"Subscribed, but the first sync failed: {sync.detail}"
    held = f", {sync.failed} not taken (see source-status)" if sync.failed else ""
    return f"Subscribed: {sync.mirrored} of {sync.total} listed plugins newly mirrored{held}."


def show_release(release: ReleaseRecord, address: str, log: LogStanding) -> Json:
    """Give one version of a plugin; ``log`` says how the node's log stands."""
    query = urlencode({"source": release.source_id, "plugin": release.plugin_id, "version": release.version})
    return {
        "version": release.version,
        "sha256": release.blob.sha256,
        "sha1": release.blob.sha1,
        "sha384": release.blob.sha384,
        "size": release.blob.size,
        "signature_level": release.level.value,
        "mirror_date": release.mirror_date,
        "yanked": release.yank_reason if release.yanked_at is not None else None,
        "blocked": release.block_reason,
        "retired": release.retired_at,
        "download_url": f"{address}/federation/download?{query}",
        "verify_url": f"{address}/federation/verify?{query}",
        "proof_url": f"{address}/federation/proof?{query}",
        **log.show(release.log_index),
    }


def show_plugin(
    plugin: Plugin, releases: Sequence[ReleaseRecord], address: str, log: LogStanding, composer: str | None
) -> Json:
    """Give a row of ``/federation/plugins``; ``composer`` is the plugin's name there, where it has one."""
    newest = plugin.newest
    versions = {release.version: show_release(release, address, log) for release in releases}
    header = newest.facts.get("header")
    requirements = header if isinstance(header, dict) else {}
    return {
        "plugin_id": plugin.plugin_id,
        "source_id": plugin.source_id,
        "name": plugin.name,
        "description": plugin.description,
        "author": plugin.author,
        "tags": list(plugin.tags),
        "version": newest.version,
        "signature_level": newest.level.value,
        "requires": requirements.get("requires_wp") or None,
        "requires_php": requirements.get("requires_php") or None,
        "trust_score": round(plugin.trust_score, 4),
        "updated_at": plugin.updated_at,
        "download_url": versions[newest.version]["download_url"],
        "composer": composer,
        "versions": list(versions.values()),
    }


def show_verdict(verdict: Verdict, log: LogStanding) -> Json:
    """Give the answer of ``/federation/verify``."""
    release = verdict.release
    signature = release.signature
    return {
        "valid": verdict.valid,
        "source": release.source_id,
        "plugin": release.plugin_id,
        "version": release.version,
        "signature_level": release.level.value,
        "explanation": release.level.sentence,
        "key": verdict.source.public_key if signature is None else signature.public_key,
        "key_fingerprint": verdict.fingerprint,
        "signature": None if signature is None else signature.signature,
        "signed_message": None if signature is None else _show_message(release.level, signature.message),
        "statement": None if verdict.statement is None else verdict.statement.decode(),
        "yanked": release.yank_reason if release.yanked_at is not None else None,
        "digests": {
            "sha256": release.blob.sha256,
            "sha1": release.blob.sha1,
            "sha384": release.blob.sha384,
            "size": release.blob.size,
        },
        "checks": [check.to_json() for check in verdict.checks],
        "verified_at": verdict.verified_at,
        **log.show(release.log_index),
    }


def _show_message(level: SignatureLevel, message: bytes) -> str:
    """Give what the signature is over: v1 signs text, v2 the raw SHA-384, shown in hex."""
    return message.hex() if level is SignatureLevel.ARTIFACT else message.decode()
