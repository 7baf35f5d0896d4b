"""What Meta tells of templates by webhook: status, quality, category, wording; repeatable, in any order."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from app.kit.clock import Clock
from whatsapp.account import AccountUpdates
from whatsapp.payload import Item
from whatsapp.templates.models import Category, Facts, Quality, TemplateStatus
from whatsapp.templates.registry import TemplateRegistry
from whatsapp.templates.sync import TemplateSync

FIELDS: Final = (
    "message_template_status_update",
    "message_template_quality_update",
    "template_category_update",
    "message_template_components_update",
)
_AGAIN: Final = {"REINSTATED": "APPROVED", "UNPAUSED": "APPROVED"}


class TemplateUpdates:
    """Takes the updates of `FIELDS` over; what leaves doubt makes the list be fetched."""

    def __init__(self, registry: TemplateRegistry, sync: TemplateSync, clock: Clock) -> None:
        self._registry = registry
        self._sync = sync
        self._clock = clock

    def listen(self, account: AccountUpdates) -> None:
        """Has itself called for every update of a template."""
        for field in FIELDS:
            account.hear(field, self.take)

    async def take(self, tenant_id: str, item: Item) -> None:
        """Takes one update over; repeating it changes nothing.

        Raises:
            KeyError: It names no template.
        """
        account_id, field, body = item.account_id, item.field, item.body
        name, language = str(body["message_template_name"]), str(body["message_template_language"])
        if field == "message_template_status_update":
            sure = await self._status(tenant_id, account_id, Facts(name, language), body, item.at)
        elif field == "message_template_quality_update":
            quality = Quality.read(body["new_quality_score"])
            sure = await self._registry.told(tenant_id, account_id, name, language, quality=quality)
        elif field == "template_category_update":
            category = Category.read(body["new_category"])
            sure = await self._registry.told(tenant_id, account_id, name, language, category=category)
            await self._sync.want(tenant_id, account_id)
        else:
            sure = False
        if not sure:
            await self._sync.want(tenant_id, account_id)

    async def _status(
        self, tenant_id: str, account_id: str, about: Facts, body: Mapping[str, Any], at: int | None
    ) -> bool:
        event, reason = str(body["event"]).upper(), str(body.get("reason") or "")
        status = TemplateStatus.read(_AGAIN.get(event, event))
        facts = Facts(
            about.name,
            about.language,
            Category.read(body.get("message_template_category")),
            status,
            provider_id=str(body.get("message_template_id", "")),
            reason="" if reason == "NONE" else reason,
        )
        moment = self._clock.now() if at is None else datetime.fromtimestamp(at, UTC)
        sure = await self._registry.status_told(tenant_id, account_id, facts, moment)
        return sure and at is not None and status is not TemplateStatus.UNKNOWN
