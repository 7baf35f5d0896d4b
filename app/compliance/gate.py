"""The compliance gate of calls out: from what is known about one call to allowed or refused with every reason. Pure.

What is not known counts against the call: no rule, no consent, no fresh preference, no time zone means no dial.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from app.compliance.calling_hours import CallingHours
from app.compliance.calling_rules import CallingRules, CallPurpose, Country, PurposeRule
from app.compliance.killswitch import KillMode
from app.compliance.models import ConsentEntry, Decision, Purpose, Suppression
from app.compliance.scrubs import Preference, Scrub

SKEW: Final = timedelta(minutes=5)
"""How far in the future a record's time may lie before it is not believed."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known about a call that somebody wants to place.

    Attributes:
        purpose: Why.
        to_number: Who is called, E.164.
        from_number: The number shown, E.164.
        consents: What the person last said about calls, by purpose.
        suppressions: Opt-outs of calls that bear on the person: the tenant's, the operator's.
        scrub: What the national preference list last said.
        recent: When the person was rung before, at least as far back as the longest cap.
        kill_mode: What the agent may do.
        agent_faults: What the agent lacks before it may call; empty: nothing.
        time_zone: Where the person is, if the tenant knows; one of the country's zones.
        registrations: Numbers of registrations and notices, by name.
        calls_today: How many calls the tenant placed within 24 hours.
        most_calls_a_day: The tenant's limit.
        spent: Why the tenant may talk no more this month; None: it may.
        number_purposes: Which calls the tenant lets the number shown serve; None: whatever the rules allow.
    """

    purpose: CallPurpose
    to_number: str
    from_number: str
    consents: Mapping[Purpose, ConsentEntry | None] = field(default_factory=dict)
    suppressions: Mapping[str, Suppression | None] = field(default_factory=dict)
    scrub: Scrub | None = None
    recent: tuple[datetime, ...] = ()
    kill_mode: KillMode = KillMode.OFF
    agent_faults: tuple[str, ...] = ()
    time_zone: str | None = None
    registrations: Mapping[str, str] = field(default_factory=dict)
    calls_today: int = 0
    most_calls_a_day: int = 10_000
    number_purposes: tuple[CallPurpose, ...] | None = None
    spent: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason against a call.

    Attributes:
        rule: Its id in the rules' sources.
        code: Stable name.
        detail: What is wrong.
        instead: What would be allowed, or what to do.
        until: When this reason ends by itself (UTC); None: it does not.
    """

    rule: str
    code: str
    detail: str
    instead: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Allowed, or refused with every reason. `next_allowed_at` is set when waiting alone would do."""

    reasons: tuple[Reason, ...]
    next_allowed_at: datetime | None
    rules_version: str
    at: datetime
    evidence: Mapping[str, Any]

    @property
    def allowed(self) -> bool:
        """Whether the call may be placed at `at`."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Returns the decision as it is audited."""
        return {
            "allowed": self.allowed,
            "rules_version": self.rules_version,
            "at": self.at.isoformat(),
            "reasons": [{"rule": reason.rule, "code": reason.code} for reason in self.reasons],
            "next_allowed_at": self.next_allowed_at.isoformat() if self.next_allowed_at else None,
            "evidence": dict(self.evidence),
        }


def decide(rules: CallingRules, facts: CallFacts, at: datetime) -> GateDecision:
    """Decides whether a call may be placed.

    Args:
        rules: The rules.
        facts: What is known.
        at: When the call would be placed, aware.
    """
    country = rules.country_of(facts.to_number)
    rule = country.purposes.get(facts.purpose) if country is not None else None
    reasons = list(_house(facts))
    hours: CallingHours | None = None
    if country is None:
        instead = "countries with rules: " + ", ".join(sorted(country.code for country in rules.countries))
        reasons.append(Reason("VS-04", "no_rule", "the number's country has no calling rules", instead))
    elif rule is None:
        instead = "purposes with rules: " + ", ".join(purpose.value for purpose in country.purposes)
        detail = f"{country.code} has no rules for {facts.purpose.value} calls"
        reasons.append(Reason("VS-04", "no_rule", detail, instead))
    else:
        hours = _hours_of(country, rule, facts)
        reasons += [
            *_suppressed(country, facts),
            *_consent(country, rule, facts, at),
            *_scrubbed(country, rule, facts, at),
            *_numbers(country, rule, facts),
            *_time_zone(country, facts),
            *_in_hours(country, rule, hours, at),
            *_capped(rule, facts, at),
        ]
    return GateDecision(
        tuple(reasons),
        _next_allowed(reasons, hours, at),
        rules.version,
        at,
        _evidence(facts, country, hours),
    )


def _house(facts: CallFacts) -> Iterator[Reason]:
    if facts.kill_mode is not KillMode.OFF:
        detail = f"the kill switch is set to {facts.kill_mode.value}"
        yield Reason("VS-02", "kill_switch", detail, "lift the kill switch")
    for fault in facts.agent_faults:
        yield Reason("VS-03", "agent_not_live", fault, "mend this first")
    if facts.spent is not None:
        yield Reason("VS-05", "monthly_limit", facts.spent, "wait for the next month, or ask the operator for more")
    if facts.calls_today >= facts.most_calls_a_day:
        detail = f"{facts.calls_today} calls were placed within 24 hours; the limit is {facts.most_calls_a_day}"
        yield Reason("VS-05", "daily_limit", detail, "wait, or ask the operator for a higher limit")


def _suppressed(country: Country, facts: CallFacts) -> Iterator[Reason]:
    for whose in ("tenant", "operator"):
        if whose not in facts.suppressions:
            detail = f"the {whose}'s do-not-call list was not read"
            yield Reason(country.rules["suppression"], "list_missing", detail, "try again")
        elif (line := facts.suppressions[whose]) is not None:
            rule = country.rules["suppression"] if whose == "tenant" else "VS-06"
            detail = f"the number is on the {whose}'s do-not-call list since {line.since:%Y-%m-%d}"
            yield Reason(rule, "suppressed", detail, "nothing, until the person asks for calls again")


def _consent(country: Country, rule: PurposeRule, facts: CallFacts, at: datetime) -> Iterator[Reason]:
    instead = f"record a consent to {rule.consent.value} calls, with its evidence"
    entry = facts.consents.get(rule.consent)
    code, detail = "", ""
    if entry is None:
        code, detail = "no_consent", f"no consent to {rule.consent.value} calls is recorded"
    elif entry.decision is not Decision.GRANTED:
        code, detail = "consent_withdrawn", f"the person withdrew it on {entry.at:%Y-%m-%d}"
        instead = "nothing, until the person consents again"
    elif (entry.given_at or entry.at) > at + SKEW:
        code, detail = "consent_not_yet", "the consent is dated after the call"
    elif at >= consent_ends(rule, entry):
        code, detail = "consent_expired", f"the consent ended on {consent_ends(rule, entry):%Y-%m-%d}"
    if code:
        yield Reason(country.rules["consent"], code, detail, instead)


def consent_ends(rule: PurposeRule, entry: ConsentEntry) -> datetime:
    """Returns when a consent ends: by its own date or by the rule's longest, whichever is first."""
    longest = (entry.given_at or entry.at) + timedelta(days=rule.consent_days)
    return min(longest, entry.expires_at) if entry.expires_at is not None else longest


def _scrubbed(country: Country, rule: PurposeRule, facts: CallFacts, at: datetime) -> Iterator[Reason]:
    if facts.scrub is not None and facts.scrub.preference is Preference.FULLY_BLOCKED:
        detail = "the national list blocks every commercial call to this number"
        yield Reason(country.rules["scrub"], "dnd_fully_blocked", detail, "nothing")
    if rule.scrub_hours is None:
        return
    name, hours = country.rules["scrub"], rule.scrub_hours
    instead = f"import a scrub result that is at most {hours} hours old"
    if facts.scrub is None:
        yield Reason(name, "scrub_missing", "the number was never checked against the national list", instead)
    elif facts.scrub.scrubbed_at > at + SKEW or at - facts.scrub.scrubbed_at > timedelta(hours=hours):
        detail = f"the last check against the national list is of {facts.scrub.scrubbed_at:%Y-%m-%d %H:%M} UTC"
        yield Reason(name, "scrub_stale", detail, instead)


def _numbers(country: Country, rule: PurposeRule, facts: CallFacts) -> Iterator[Reason]:
    series = country.series_of(facts.from_number)
    if series not in rule.series:
        detail = f"{facts.from_number} is of series {series or 'unknown'}"
        instead = f"a number of series {' or '.join(rule.series)} for {facts.purpose.value} calls"
        yield Reason(country.rules["series"], "wrong_number_series", detail, instead)
    if facts.number_purposes is not None and facts.purpose not in facts.number_purposes:
        kept_for = ", ".join(facts.number_purposes) or "calls that come in"
        detail = f"the tenant keeps {facts.from_number} for {kept_for}"
        instead = f"a number for {facts.purpose.value} calls, or PATCH its purposes"
        yield Reason(country.rules["series"], "wrong_number_purpose", detail, instead)
    for name in rule.registrations:
        if not facts.registrations.get(name, "").strip():
            yield Reason(country.rules["registrations"], "registration_missing", f"{name} is missing", f"give {name}")


def _time_zone(country: Country, facts: CallFacts) -> Iterator[Reason]:
    if facts.time_zone is not None and facts.time_zone not in country.zones:
        instead = "leave it out, or give one of " + ", ".join(country.zones)
        yield Reason("VS-04", "unknown_time_zone", f"{facts.time_zone} is no zone of {country.code}", instead)


def _hours_of(country: Country, rule: PurposeRule, facts: CallFacts) -> CallingHours:
    zones = (facts.time_zone,) if facts.time_zone in country.zones and facts.time_zone else country.zones
    chosen = facts.scrub if rule.scrub_hours is not None else None
    return CallingHours(
        rule.hours,
        zones,
        country.holidays,
        chosen.bands if chosen is not None else (),
        chosen.days if chosen is not None else frozenset(),
    )


def _in_hours(country: Country, rule: PurposeRule, hours: CallingHours, at: datetime) -> Iterator[Reason]:
    if hours.is_open(at):
        return
    opens = hours.next_open(at)
    span = f"{rule.hours.opens:%H:%M} to {rule.hours.closes:%H:%M}"
    where = hours.zones[0] if len(hours.zones) == 1 else "every zone the number may be in"
    when = f"; next at {opens:%Y-%m-%d %H:%M} UTC" if opens is not None else ""
    yield Reason(rule.hours_rule, "outside_hours", "outside the calling hours", f"{span} in {where}{when}", opens)


def _capped(rule: PurposeRule, facts: CallFacts, at: datetime) -> Iterator[Reason]:
    for cap in rule.caps:
        span = timedelta(hours=cap.hours)
        within = sorted(moment for moment in facts.recent if moment > at - span)
        if len(within) >= cap.calls:
            detail = f"the number was rung {len(within)} times within {cap.hours} hours"
            frees = within[len(within) - cap.calls] + span
            yield Reason("VS-01", "too_often", detail, f"at most {cap.calls} calls in {cap.hours} hours", frees)


def _next_allowed(reasons: list[Reason], hours: CallingHours | None, at: datetime) -> datetime | None:
    if not reasons or hours is None or any(reason.until is None for reason in reasons):
        return None
    return hours.next_open(max(reason.until for reason in reasons if reason.until is not None))


def _evidence(facts: CallFacts, country: Country | None, hours: CallingHours | None) -> dict[str, Any]:
    scrub = facts.scrub
    return {
        "purpose": facts.purpose.value,
        "country": country.code if country is not None else None,
        "series": country.series_of(facts.from_number) if country is not None else None,
        "zones": list(hours.zones) if hours is not None else [],
        "consents": {purpose.value: entry.consent_id for purpose, entry in facts.consents.items() if entry is not None},
        "suppressed_by": sorted(whose for whose, line in facts.suppressions.items() if line is not None),
        "scrub": None if scrub is None else {"reference": scrub.reference, "at": scrub.scrubbed_at.isoformat()},
        "rung_before": len(facts.recent),
        "kill_mode": facts.kill_mode.value,
        "registrations": dict(facts.registrations),
    }
