"""The charts of a source's page: its trust over time, how it answered, and how fast."""

from pfn.domain.trust import DAY
from pfn.services.health import HealthReport
from pfn.services.source_report import TRUST_DAYS, SourceReport
from pfn.web.pages.chart import Chart, Series, draw_lines, draw_strip
from pfn.web.pages.language import gettext, number


def chart_trust(report: SourceReport) -> Chart | None:
    """Draw the trust by day and as it is now; None for a source that was never scored before today."""
    if not report.trust_days:
        return None
    today = report.at // DAY
    known = {one.day: (one.score, one.earned) for one in report.trust_days}
    known[today] = (report.trust.score, report.trust.earned)
    days = [day for day in range(today - TRUST_DAYS + 1, today + 1) if day * DAY >= _first_day(report)]
    score = Series(gettext("Trust"), [known[day][0] if day in known else None for day in days], _score)
    earned = Series(gettext("Earned, before caps"), [known[day][1] if day in known else None for day in days], _score)
    capped = any(one != other for one, other in known.values())
    title = gettext("Trust over time")
    return draw_lines("trust-days", title, [day * DAY for day in days], [score, *([earned] if capped else [])], top=1)


def chart_health(report: HealthReport) -> Chart:
    """Draw which share of the probes was answered, by day."""
    days = [day.at for day in report.days]
    shares = Series(gettext("Answered"), [day.share for day in report.days], _percent)
    probes = Series(gettext("Probes"), [day.probes or None for day in report.days])
    return draw_strip("health-days", gettext("Probes answered, by day"), days, shares, more=[probes])


def chart_response(report: HealthReport) -> Chart | None:
    """Draw how long an answer took on average, by day; None where nothing was answered."""
    times = Series(gettext("Mean time"), [day.average_ms for day in report.days], _milliseconds)
    if not any(times.values):
        return None
    return draw_lines("response-days", gettext("Time to answer, by day"), [day.at for day in report.days], [times])


def _first_day(report: SourceReport) -> int:
    """Give the day a source came, or a month ago: a line of two days has no form."""
    return min(report.overview.source.created_at // DAY * DAY, report.at - 30 * DAY)


def _score(value: float) -> str:
    return number(value, 2)


def _percent(value: float) -> str:
    return f"{number(100 * value, 1)} %"


def _milliseconds(value: float) -> str:
    return f"{number(value)} ms"
