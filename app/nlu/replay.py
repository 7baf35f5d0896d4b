"""Replays what callers said against a candidate before it goes live: which turns would be understood differently.

`vaanisetu nlu replay` prints the report; it passes when few enough turns change.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from app.nlu.rows import LabelledRow
from app.nlu.understanding import Entity, Understanding


class Listener(Protocol):
    """What understands: an `Understander`, live or candidate."""

    def understand(self, text: str, *, enabled: Sequence[str], current_language: str) -> Understanding:
        """Returns what some words mean."""
        ...


def replay(
    rows: Sequence[LabelledRow], live: Listener, candidate: Listener, tags: Sequence[str], most_changed: float
) -> dict[str, Any]:
    """Returns the report, as JSON can say it: `passed`, the share of changed turns, and each of them.

    A turn whose right intent is known counts against the candidate when only the live version has it right, and for
    it the other way round; where it is not known ("") any change counts.

    Args:
        rows: What callers said.
        live: What serves.
        candidate: What would.
        tags: BCP-47 tags of the languages that may be spoken.
        most_changed: Share of turns (0..1) that may change for the worse.
    """
    changes: list[dict[str, Any]] = []
    worse = 0
    for number, row in enumerate(rows, 1):
        before = live.understand(row.text, enabled=tags, current_language=row.language)
        after = candidate.understand(row.text, enabled=tags, current_language=row.language)
        if before.intent == after.intent and _values(before.entities) == _values(after.entities):
            continue
        verdict = _verdict(row.intent, before, after)
        worse += verdict != "better"
        changes.append(
            {
                "turn": number,
                "text": row.text,
                "language": row.language,
                "wanted": row.intent or None,
                "live": {"intent": before.intent, "entities": dict(_values(before.entities))},
                "candidate": {"intent": after.intent, "entities": dict(_values(after.entities))},
                "verdict": verdict,
            }
        )
    share = worse / len(rows) if rows else 0.0
    return {
        "passed": share <= most_changed,
        "turns": len(rows),
        "changed": len(changes),
        "worse": worse,
        "worse_share": round(share, 4),
        "allowed_share": most_changed,
        "changes": changes,
    }


def _verdict(wanted: str, before: Understanding, after: Understanding) -> str:
    if wanted and after.intent == wanted != before.intent:
        return "better"
    if wanted and before.intent == wanted != after.intent:
        return "worse"
    return "changed"


def _values(entities: Sequence[Entity]) -> list[tuple[str, str]]:
    return sorted((entity.kind, entity.resolved or entity.value) for entity in entities)
