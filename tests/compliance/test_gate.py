"""The calling gate: every reason alone, all of them together, hours as a property, and rules that are wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.compliance.calling_hours import CallingHours
from app.compliance.calling_rules import RULES_FILE, CallPurpose, Hours, load_rules
from app.compliance.gate import CallFacts, GateDecision, decide
from app.compliance.killswitch import KillMode
from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose, Suppression
from app.compliance.scrubs import Preference, Scrub
from app.errors import ConfigError

pytestmark = pytest.mark.unit

RULES = load_rules()
INDIA = ZoneInfo("Asia/Kolkata")
NOON = datetime(2026, 11, 18, 12, 0, tzinfo=INDIA)
PHONE, FIXED, PROMOTIONAL_LINE = "+919812345678", "+918047000001", "+911401234567"


def consent(purpose: Purpose, decision: Decision = Decision.GRANTED, **changes: datetime) -> ConsentEntry:
    entry = ConsentEntry(
        "consent_1", PHONE, ConsentChannel.CALL, purpose, decision, NOON.astimezone(UTC) - timedelta(days=3)
    )
    return replace(entry, **changes)  # type: ignore[arg-type]


SERVICE = CallFacts(
    CallPurpose.SERVICE,
    PHONE,
    FIXED,
    consents={Purpose.SERVICE: consent(Purpose.SERVICE)},
    suppressions={"tenant": None, "operator": None},
)
PROMOTION = CallFacts(
    CallPurpose.PROMOTIONAL,
    PHONE,
    PROMOTIONAL_LINE,
    consents={Purpose.MARKETING: consent(Purpose.MARKETING)},
    suppressions={"tenant": None, "operator": None},
    scrub=Scrub(PHONE, Preference.CLEAR, NOON.astimezone(UTC) - timedelta(hours=2), "scrub-1"),
    registrations={"oap_notification_ref": "OAP1", "dlt_entity_id": "11", "dlt_template_id": "12"},
)


def codes(decision: GateDecision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_what_is_in_order_is_allowed_and_names_its_rules_and_evidence() -> None:
    for facts in (SERVICE, PROMOTION):
        decision = decide(RULES, facts, NOON)
        assert decision.allowed and decision.next_allowed_at is None
        assert decision.rules_version == RULES.version
        assert decision.to_json()["evidence"]["consents"]


DAY = timedelta(days=1)
LINE = Suppression(PHONE, ConsentChannel.CALL, NOON.astimezone(UTC))
AMERICA = replace(SERVICE, to_number="+12125550100", from_number="+12125550199")
WITHDRAWN = consent(Purpose.SERVICE, Decision.WITHDRAWN)


def granted(**changes: datetime) -> ConsentEntry:
    return consent(Purpose.SERVICE, **changes)


REFUSED = [
    (SERVICE, {"to_number": "+4915112345678"}, "no_rule", "VS-04"),
    (AMERICA, {"purpose": CallPurpose.RECOVERY}, "no_rule", "VS-04"),
    (SERVICE, {"consents": {}}, "no_consent", "IN-07"),
    (PROMOTION, {"consents": SERVICE.consents}, "no_consent", "IN-07"),
    (SERVICE, {"consents": {Purpose.SERVICE: WITHDRAWN}}, "consent_withdrawn", "IN-07"),
    (SERVICE, {"consents": {Purpose.SERVICE: granted(given_at=NOON - 400 * DAY)}}, "consent_expired", "IN-07"),
    (SERVICE, {"consents": {Purpose.SERVICE: granted(expires_at=NOON - DAY)}}, "consent_expired", "IN-07"),
    (SERVICE, {"consents": {Purpose.SERVICE: granted(at=NOON + DAY)}}, "consent_not_yet", "IN-07"),
    (SERVICE, {"suppressions": {"tenant": LINE, "operator": None}}, "suppressed", "IN-08"),
    (SERVICE, {"suppressions": {"tenant": None, "operator": LINE}}, "suppressed", "VS-06"),
    (SERVICE, {"suppressions": {"tenant": None}}, "list_missing", "IN-08"),
    (PROMOTION, {"scrub": None}, "scrub_missing", "IN-05"),
    (PROMOTION, {"scrub": Scrub(PHONE, Preference.CLEAR, NOON - 2 * DAY, "old")}, "scrub_stale", "IN-05"),
    (PROMOTION, {"scrub": Scrub(PHONE, Preference.CLEAR, NOON + DAY, "future")}, "scrub_stale", "IN-05"),
    (PROMOTION, {"scrub": Scrub(PHONE, Preference.FULLY_BLOCKED, NOON, "s")}, "dnd_fully_blocked", "IN-05"),
    (SERVICE, {"scrub": Scrub(PHONE, Preference.FULLY_BLOCKED, NOON, "s")}, "dnd_fully_blocked", "IN-05"),
    (SERVICE, {"from_number": "+919812300000"}, "wrong_number_series", "IN-02"),
    (SERVICE, {"from_number": PROMOTIONAL_LINE}, "wrong_number_series", "IN-02"),
    (PROMOTION, {"from_number": FIXED}, "wrong_number_series", "IN-02"),
    (SERVICE, {"from_number": "+15550100"}, "wrong_number_series", "IN-02"),
    (PROMOTION, {"registrations": {"dlt_entity_id": "1", "dlt_template_id": "2"}}, "registration_missing", "IN-09"),
    (SERVICE, {"time_zone": "Europe/Berlin"}, "unknown_time_zone", "VS-04"),
    (SERVICE, {"kill_mode": KillMode.TRANSFER_ONLY}, "kill_switch", "VS-02"),
    (SERVICE, {"agent_faults": ("the tenant has no carrier account",)}, "agent_not_live", "VS-03"),
    (SERVICE, {"calls_today": 10_000}, "daily_limit", "VS-05"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "change", "code", "rule"), REFUSED)
def test_each_reason_alone_refuses_for_good(facts: CallFacts, change: dict[str, object], code: str, rule: str) -> None:
    decision = decide(RULES, replace(facts, **change), NOON)  # type: ignore[arg-type]
    assert not decision.allowed
    assert [(reason.code, reason.rule) for reason in decision.reasons] == [(code, rule)]
    assert decision.reasons[0].detail and decision.reasons[0].instead
    assert decision.next_allowed_at is None, "waiting would not do"


def test_every_reason_is_told_at_once() -> None:
    facts = CallFacts(
        CallPurpose.PROMOTIONAL, PHONE, FIXED, kill_mode=KillMode.STOP, recent=(NOON - timedelta(hours=1),)
    )
    found = codes(decide(RULES, facts, NOON.replace(hour=22)))
    assert {"kill_switch", "list_missing", "no_consent", "scrub_missing", "wrong_number_series"} <= set(found)
    assert {"registration_missing", "outside_hours", "too_often"} <= set(found)


@pytest.mark.parametrize(
    ("purpose", "clock", "allowed"),
    [
        (CallPurpose.PROMOTIONAL, time(9, 59), False),
        (CallPurpose.PROMOTIONAL, time(10, 0), True),
        (CallPurpose.PROMOTIONAL, time(20, 59, 59), True),
        (CallPurpose.PROMOTIONAL, time(21, 0), False),
        (CallPurpose.SERVICE, time(8, 59), False),
        (CallPurpose.SERVICE, time(9, 0), True),
        (CallPurpose.SERVICE, time(21, 0), False),
        (CallPurpose.RECOVERY, time(8, 0), True),
        (CallPurpose.RECOVERY, time(19, 0), False),
    ],
)
def test_the_hours_of_each_purpose(purpose: CallPurpose, clock: time, allowed: bool) -> None:
    at = datetime.combine(NOON.date(), clock, INDIA)
    facts = replace(PROMOTION if purpose is CallPurpose.PROMOTIONAL else SERVICE, purpose=purpose)
    if facts.scrub is not None:
        facts = replace(facts, scrub=replace(facts.scrub, scrubbed_at=at - timedelta(hours=1)))
    decision = decide(RULES, facts, at)
    assert decision.allowed is allowed
    if not allowed:
        assert codes(decision) == ["outside_hours"]
        assert decision.next_allowed_at is not None
        later = replace(
            facts, scrub=replace(facts.scrub, scrubbed_at=decision.next_allowed_at) if facts.scrub else None
        )
        assert decide(RULES, later, decision.next_allowed_at).allowed


def test_caps_end_by_themselves_inside_the_hours() -> None:
    recent = tuple(NOON - timedelta(hours=hours) for hours in (5, 3, 1))
    decision = decide(RULES, replace(SERVICE, recent=recent), NOON)
    assert codes(decision) == ["too_often"]
    assert decision.next_allowed_at is not None
    assert decision.next_allowed_at == (recent[0] + DAY).replace(hour=9)
    assert decide(RULES, replace(SERVICE, recent=recent), decision.next_allowed_at).allowed


def test_a_person_s_own_bands_and_days_hold_beside_the_hours() -> None:
    bands = (Hours(time(15), time(18)),)
    scrub = Scrub(PHONE, Preference.BLOCKED, NOON - timedelta(hours=1), "s", bands, frozenset({2}))
    decision = decide(RULES, replace(PROMOTION, scrub=scrub), NOON)
    assert codes(decision) == ["outside_hours"]
    assert decision.next_allowed_at == NOON.replace(hour=15)
    assert NOON.weekday() == 2


def test_in_america_every_zone_that_the_number_may_be_in_must_be_open() -> None:
    facts = AMERICA
    morning = datetime(2026, 11, 18, 9, 0, tzinfo=ZoneInfo("America/New_York"))
    decision = decide(RULES, facts, morning)
    assert codes(decision) == ["outside_hours"]
    assert decision.next_allowed_at == datetime(2026, 11, 18, 8, 0, tzinfo=ZoneInfo("Pacific/Honolulu"))
    assert decide(RULES, replace(facts, time_zone="America/New_York"), morning).allowed


spans = st.tuples(st.integers(0, 1_380), st.integers(30, 600)).map(
    lambda pair: Hours(_clock(pair[0]), _clock(min(pair[0] + pair[1], 1_439)))
)
zone_sets = st.lists(
    st.sampled_from(["Asia/Kolkata", "America/New_York", "Pacific/Honolulu", "Europe/London", "Australia/Lord_Howe"]),
    max_size=3,
    unique=True,
).map(tuple)


def _clock(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


@settings(max_examples=150)
@given(
    hours=spans,
    zones=zone_sets,
    bands=st.lists(spans, max_size=2).map(tuple),
    days=st.frozensets(st.integers(0, 6), max_size=6),
    holidays=st.frozensets(st.dates(date(2026, 3, 1), date(2026, 3, 12)), max_size=3),
    minutes=st.integers(0, 350_000),
)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    hours: Hours,
    zones: tuple[str, ...],
    bands: tuple[Hours, ...],
    days: frozenset[int],
    holidays: frozenset[date],
    minutes: int,
) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    calling = CallingHours(hours, zones, holidays, bands, days)
    opens = calling.next_open(start)
    if opens is None:
        assert not any(calling.is_open(start + timedelta(minutes=30 * step)) for step in range(2 * 24 * 12))
        return
    assert zones and calling.is_open(opens) and opens >= start
    span = int((opens - start).total_seconds() // 60)
    assert not any(calling.is_open(start + timedelta(minutes=step)) for step in range(0, span, max(1, span // 400)))
    for zone in zones:
        here = opens.astimezone(ZoneInfo(zone))
        assert hours.opens <= here.time() < hours.closes and here.date() not in holidays


@settings(max_examples=60)
@given(
    minutes=st.integers(0, 525_600),
    drop=st.sampled_from(["consents", "suppressions", "scrub", "registrations"]),
)
def test_nothing_unknown_is_ever_allowed(minutes: int, drop: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    empty: dict[str, object] = {"consents": {}, "suppressions": {}, "scrub": None, "registrations": {}}
    facts = replace(PROMOTION, **{drop: empty[drop]})  # type: ignore[arg-type]
    assert not decide(RULES, facts, at).allowed


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("zones: [Asia/Kolkata]", "zones: [Asia/Kolkatta]", "countries.IN.zones"),
        ('hours: {opens: "10:00", closes: "21:00"}', 'hours: {opens: "21:00", closes: "10:00"}', "promotional.hours"),
        ('series: ["140"]', 'series: ["150"]', "promotional.series"),
        ("hours_rule: IN-16", "hours_rule: IN-99", "IN-99"),
        ("consent_days: 180", "consent_days: 0", "consent_days"),
        ("consent: marketing", "consent: none", "consent"),
        ("version:", "edition:", "version"),
        ("countries:", "countries: [", "not readable"),
    ],
)
def test_wrong_rules_stop_the_process_with_the_place(tmp_path: Path, old: str, new: str, place: str) -> None:
    text = RULES_FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=place.replace(".", r"\.")):
        load_rules(path)
