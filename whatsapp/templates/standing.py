"""What the outbox asks of templates: which may leave for a row, and what Meta's refusals tell about them."""

from collections.abc import Mapping

from app.errors import Conflict
from app.kit.clock import Clock
from whatsapp.failures import Failure, Remedy, named
from whatsapp.models import OutboxRow
from whatsapp.sender import NotSent
from whatsapp.templates.door import Choice, TemplateDoor
from whatsapp.templates.models import Facts, Template, TemplateStatus
from whatsapp.templates.registry import TemplateRegistry
from whatsapp.templates.sync import TemplateSync

_STANDING = {"template_paused": TemplateStatus.PAUSED, "template_disabled": TemplateStatus.DISABLED}


class Templates:
    """The templates' side of a dispatch."""

    def __init__(self, door: TemplateDoor, registry: TemplateRegistry, sync: TemplateSync, clock: Clock) -> None:
        self._door = door
        self._registry = registry
        self._sync = sync
        self._clock = clock

    async def choose(
        self, row: OutboxRow, account_id: str | None, refused: Mapping[tuple[str, str], Failure]
    ) -> Choice:
        """Returns what may leave for a row at this moment.

        Raises:
            NotSent: Nothing may, any more.
        """
        try:
            return await self._door.choose(
                row.tenant_id, account_id, row.template or "", row.versions, skip=refused.keys()
            )
        except Conflict as error:
            last = [named("template_not_approved"), *refused.values()][-1]
            final = Failure(last.code, Remedy.FIX, last.name)
            raise NotSent(error.detail, final) from error

    async def refused_by_meta(self, template: Template, failure: Failure) -> None:
        """Takes over what a refusal tells: this template is not sent again before Meta says that it may be."""
        await self._told(template.tenant_id, template.account_id, template.facts, failure)

    async def refused_later(self, row: OutboxRow, account_id: str, failure: Failure) -> None:
        """Takes over what the failed status of a message tells about the template that it carried."""
        version = next((version for version in row.versions if version.language == row.language), None)
        if row.template_sent is not None and version is not None:
            await self._told(row.tenant_id, account_id, Facts(row.template_sent, version.code), failure)

    async def _told(self, tenant_id: str, account_id: str, facts: Facts, failure: Failure) -> None:
        status = _STANDING.get(failure.name, TemplateStatus.UNKNOWN)
        told = Facts(facts.name, facts.language, status=status, reason=f"refused when sent ({failure.code})")
        await self._registry.status_told(tenant_id, account_id, told, self._clock.now())
        await self._sync.want(tenant_id, account_id)
