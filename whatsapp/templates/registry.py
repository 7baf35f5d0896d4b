"""The templates of each business account as Meta last told: its list, its updates, its refusals; only moves forward.

An update that came late may only restrict; whatever is doubtful is settled by asking Meta for the list again.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.errors import Conflict, NotFound, Unavailable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from whatsapp.templates.models import Category, Facts, Quality, Template, TemplateStatus
from whatsapp.templates.ports import Publish

COLLECTION: Final = "whatsapp_templates"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("account_id", 1), ("name", 1), ("language", 1)), unique=True),
    IndexSpec(COLLECTION, (("tenant_id", 1), ("status", 1))),
)
CHANGED: Final = "whatsapp.template_changed"
SKEW: Final = timedelta(minutes=10)
"""By how much Meta's clock and ours may differ before the order of a status and a list is beyond doubt."""
_META: Final = "meta"
_SEEN: Final = 20
_ATTEMPTS: Final = 10
_MOST: Final = 10_000


class TemplateRegistry:
    """Reads and moves templates; each change of status, quality, category or wording is audited and signalled."""

    def __init__(self, database: Database, audit: AuditLog, publish: Publish, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._publish = publish
        self._clock = clock

    async def get(self, tenant_id: str, template_id: str) -> Template:
        """Returns a template.

        Raises:
            NotFound: There is none.
        """
        found = await self._rows(tenant_id).find_one({"_id": template_id})
        if found is None:
            raise NotFound(f"no template {template_id}")
        return template_of(found)

    async def find(self, tenant_id: str, account_id: str, name: str, language: str) -> Template | None:
        """Returns a template by Meta's name and language code, or None."""
        query = {"account_id": account_id, "name": name, "language": language}
        found = await self._rows(tenant_id).find_one(query)
        return template_of(found) if found else None

    async def named(self, tenant_id: str, account_id: str, names: Iterable[str]) -> list[Template]:
        """Returns every language of some templates."""
        found = await self._rows(tenant_id).find({"account_id": account_id, "name": {"$in": sorted(set(names))}})
        return [template_of(document) for document in found]

    async def of_account(self, tenant_id: str, account_id: str) -> list[Template]:
        """Returns every template of an account."""
        found = await self._rows(tenant_id).find({"account_id": account_id}, limit=_MOST)
        return [template_of(document) for document in found]

    async def page(self, tenant_id: str, query: Mapping[str, str], limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of documents for `template_of`, newest first; `query` names stored fields."""
        return await self._rows(tenant_id).page(dict(query), limit, starting_after)

    async def listed(
        self,
        tenant_id: str,
        account_id: str,
        facts: Sequence[Facts],
        before: Mapping[str, Template],
        asked_at: datetime,
    ) -> tuple[int, bool]:
        """Takes Meta's whole list over.

        Args:
            tenant_id: Whose.
            account_id: Of which account.
            facts: The list.
            before: What was stored before Meta was asked, by `name/language`: a template that an update moved
                meanwhile is left alone, as it is newer than the list.
            asked_at: When Meta was asked.

        Returns:
            How many templates changed, and whether any was left alone, so that the list has to be fetched again.
        """
        changed, left = 0, False
        for fresh in facts:
            known = before.get(f"{fresh.name}/{fresh.language}")
            if known is None:
                changed += await self._insert(tenant_id, account_id, fresh, asked_at)
            elif fresh != known.facts:
                moved = await self._write(known, replace(known, facts=fresh, status_at=asked_at))
                changed, left = changed + moved, left or not moved
        kept = {(fresh.name, fresh.language) for fresh in facts}
        for known in before.values():
            gone = (known.facts.name, known.facts.language) not in kept
            if gone and known.facts.status is not TemplateStatus.DELETED:
                facts_then = replace(known.facts, status=TemplateStatus.DELETED, reason="not in Meta's list")
                moved = await self._write(known, replace(known, facts=facts_then, status_at=asked_at))
                changed, left = changed + moved, left or not moved
        return changed, left

    async def submitted(self, tenant_id: str, account_id: str, facts: Facts) -> Template:
        """Keeps a template that Meta took for review; an update that was faster stays."""
        await self._insert(tenant_id, account_id, facts, self._clock.now() - 2 * SKEW)
        found = await self.find(tenant_id, account_id, facts.name, facts.language)
        if found is None:
            raise Unavailable("the template was stored and is not found; try again")
        return found

    async def status_told(
        self, tenant_id: str, account_id: str, facts: Facts, at: datetime, *, mark: str | None = None
    ) -> bool:
        """Takes an update of a status over; a repeated one changes nothing.

        Args:
            tenant_id: Whose.
            account_id: Of which account.
            facts: Name, language, status and reason; the rest only where the template was unknown.
            at: Meta's time of the update.
            mark: What tells a repeat apart; None: by status and time.

        Returns:
            Whether the order of what is known is beyond doubt; if not, the list has to be fetched.
        """
        mark = mark or f"{facts.status.value}@{int(at.timestamp())}"
        for _ in range(_ATTEMPTS):
            known = await self.find(tenant_id, account_id, facts.name, facts.language)
            if known is None:
                if await self._insert(tenant_id, account_id, facts, at, (mark,)):
                    return False
                continue
            if mark in known.seen:
                return True
            later = at > known.status_at
            restricts = facts.status is not TemplateStatus.APPROVED and at >= known.status_at - SKEW
            seen = (*known.seen, mark)[-_SEEN:]
            if later or restricts:
                fresh = replace(known.facts, status=facts.status, reason=facts.reason)
                moved = replace(known, facts=fresh, seen=seen, status_at=max(at, known.status_at))
            else:
                moved = replace(known, seen=seen)
            if await self._write(known, moved):
                return at > known.status_at + SKEW
        raise Unavailable("the template is being changed by too many at once")

    async def told(self, tenant_id: str, account_id: str, name: str, language: str, **changes: Any) -> bool:
        """Takes a changed quality, category or wording over; returns False where the template is unknown."""
        for _ in range(_ATTEMPTS):
            known = await self.find(tenant_id, account_id, name, language)
            if known is None:
                return False
            fresh = replace(known.facts, **changes)
            if fresh == known.facts or await self._write(known, replace(known, facts=fresh)):
                return True
        raise Unavailable("the template is being changed by too many at once")

    async def _insert(
        self, tenant_id: str, account_id: str, facts: Facts, at: datetime, seen: tuple[str, ...] = ()
    ) -> bool:
        now = self._clock.now()
        fresh = Template(new_id("wtpl"), tenant_id, account_id, facts, at, now, now, seen)
        with contextlib.suppress(Conflict):
            await self._rows(tenant_id).insert_one(_document(fresh))
            await self._tell(fresh, {"status": ("", facts.status.value)})
            return True
        return False

    async def _write(self, known: Template, moved: Template) -> bool:
        """Stores a change if nobody else changed the template since it was read; returns whether that was so."""
        fields = _document(replace(moved, updated_at=self._clock.now()))
        fixed = {"_id", "account_id", "name", "language", "created_at", "version"}
        changes = {name: value for name, value in fields.items() if name not in fixed}
        query = {"_id": known.template_id, "version": known.version}
        stored = await self._rows(known.tenant_id).find_one_and_update(query, {"$set": changes, "$inc": {"version": 1}})
        if stored is None:
            return False
        differences = _differences(known.facts, moved.facts)
        if differences:
            await self._tell(moved, differences)
        return True

    async def _tell(self, template: Template, differences: Mapping[str, tuple[str, str]]) -> None:
        facts = template.facts
        data: dict[str, Any] = {"name": facts.name, "language": facts.language, "account_id": template.account_id}
        data |= {what: {"from": before, "to": after} for what, (before, after) in differences.items()}
        if facts.reason:
            data["reason"] = facts.reason
        await self._audit.record(template.tenant_id, _META, CHANGED, template.template_id, data)
        signal = {"type": CHANGED, "template_id": template.template_id, "what": sorted(differences)}
        await self._publish(template.tenant_id, signal)

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _differences(before: Facts, after: Facts) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for what in ("status", "category", "quality"):
        old, new = getattr(before, what).value, getattr(after, what).value
        if old != new:
            found[what] = (old, new)
    if before.components != after.components:
        found["components"] = ("", "changed")
    return found


def _document(template: Template) -> dict[str, Any]:
    facts = template.facts
    return {
        "_id": template.template_id,
        "account_id": template.account_id,
        "name": facts.name,
        "language": facts.language,
        "category": facts.category.value,
        "status": facts.status.value,
        "quality": facts.quality.value,
        "components": orjson.dumps(facts.components).decode(),
        "named": facts.named,
        "provider_id": facts.provider_id,
        "reason": facts.reason,
        "status_at": template.status_at,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
        "seen": list(template.seen),
        "version": template.version,
    }


def template_of(document: Mapping[str, Any]) -> Template:
    """Returns a stored document as a value."""
    facts = Facts(
        document["name"],
        document["language"],
        Category(document["category"]),
        TemplateStatus(document["status"]),
        Quality(document["quality"]),
        tuple(orjson.loads(document["components"])),
        document["named"],
        document["provider_id"],
        document["reason"],
    )
    return Template(
        document["_id"],
        document["tenant_id"],
        document["account_id"],
        facts,
        document["status_at"],
        document["created_at"],
        document["updated_at"],
        tuple(document["seen"]),
        document["version"],
    )
