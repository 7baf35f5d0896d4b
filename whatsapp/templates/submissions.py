"""Submits templates to Meta's review: those of the packs in every language, and the tenant's own, checked first."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.audit.log import AuditLog
from app.errors import AppError, Conflict, FieldError, Unprocessable
from app.language.packs import Pack, WhatsappTemplate
from whatsapp.templates.components import wanted_faults
from whatsapp.templates.graph import TemplateApi
from whatsapp.templates.models import Category, Template, TemplateStatus, Wanted
from whatsapp.templates.registry import TemplateRegistry
from whatsapp.templates.sync import Account, TemplateSync

_AT_ONCE: Final = 4


class Submitted(StrEnum):
    """What became of one template."""

    SUBMITTED = "submitted"
    EXISTS = "exists"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a template of the packs in one language (BCP-47); `reason` says why it was not taken."""

    name: str
    language: str
    state: Submitted
    template: Template | None = None
    reason: str = ""


class Submissions:
    """The way of templates to Meta; they leave for customers only after Meta approved them."""

    def __init__(
        self,
        registry: TemplateRegistry,
        api: TemplateApi,
        sync: TemplateSync,
        packs: Mapping[str, Pack],
        audit: AuditLog,
    ) -> None:
        self._registry = registry
        self._api = api
        self._sync = sync
        self._packs = packs
        self._audit = audit

    async def of_packs(
        self, tenant_id: str, actor: str, names: Sequence[str] | None, languages: Sequence[str] | None
    ) -> list[Outcome]:
        """Submits what Meta does not have yet of the packs' templates; to be repeated without harm.

        Args:
            tenant_id: Whose account, the first one's.
            actor: Who asks.
            names: Which; None: all.
            languages: BCP-47; None: of every pack.

        Raises:
            Unprocessable: A name or a language that no pack has, or the tenant has no account.
            Conflict: Meta refuses the token.
            Unavailable: Meta does not answer; what was submitted before is kept.
        """
        tags = list(self._packs) if languages is None else list(dict.fromkeys(languages))
        _check("/body/languages", tags, list(self._packs), "language")
        known = list(next(iter(self._packs.values())).templates)
        chosen = known if names is None else list(dict.fromkeys(names))
        _check("/body/names", chosen, known, "template")
        [account, *_] = await self._sync.accounts(tenant_id)
        await self._sync.sync(tenant_id)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def submit(tag: str, name: str) -> Outcome:
            async with gate:
                return await self._of_pack(tenant_id, account, self._packs[tag], self._packs[tag].templates[name])

        done = await asyncio.gather(*(submit(tag, name) for name in chosen for tag in tags), return_exceptions=True)
        outcomes = [outcome for outcome in done if isinstance(outcome, Outcome)]
        counts = {state.value: sum(outcome.state is state for outcome in outcomes) for state in Submitted}
        await self._audit.record(tenant_id, actor, "whatsapp.templates_submitted", account.account_id, counts)
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure
        return outcomes

    async def one(self, tenant_id: str, actor: str, wanted: Wanted) -> Template:
        """Submits a template of the tenant's own.

        Raises:
            Unprocessable: Meta would not take it, or did not; the errors say where and why.
            Conflict: The name has this language already (`template_exists`), or Meta refuses the token.
            Unavailable: Meta does not answer; sync before trying again.
        """
        faults = [FieldError(f"/body{fault.pointer}", fault.detail) for fault in wanted_faults(wanted)]
        if faults:
            raise Unprocessable("Meta would not take this template", code="template_refused", errors=faults)
        [account, *_] = await self._sync.accounts(tenant_id)
        taken = await self._take(tenant_id, account, wanted)
        if taken is None:
            detail = f"{wanted.name} exists in {wanted.language}; choose another name"
            raise Conflict(detail, code="template_exists")
        data = {"name": wanted.name, "language": wanted.language, "category": wanted.category.value}
        await self._audit.record(tenant_id, actor, "whatsapp.template_submitted", taken.template_id, data)
        return taken

    async def _of_pack(self, tenant_id: str, account: Account, pack: Pack, template: WhatsappTemplate) -> Outcome:
        code = pack.manifest.whatsapp_code
        known = await self._registry.find(tenant_id, account.account_id, template.name, code)
        if known is not None and known.facts.status is not TemplateStatus.DELETED:
            return Outcome(template.name, pack.tag, Submitted.EXISTS, known, _standing(known))
        try:
            taken = await self._take(tenant_id, account, wanted_of(template, code))
        except Unprocessable as error:
            return Outcome(template.name, pack.tag, Submitted.REFUSED, reason=error.detail)
        if taken is None:
            return Outcome(template.name, pack.tag, Submitted.EXISTS, reason="Meta has it; it is being fetched")
        return Outcome(template.name, pack.tag, Submitted.SUBMITTED, taken)

    async def _take(self, tenant_id: str, account: Account, wanted: Wanted) -> Template | None:
        try:
            facts = await self._api.create(account.credentials, account.account_id, wanted)
        except AppError:
            await self._sync.want(tenant_id, account.account_id)
            raise
        if facts is None:
            await self._sync.want(tenant_id, account.account_id)
            return None
        return await self._registry.submitted(tenant_id, account.account_id, facts)


def wanted_of(template: WhatsappTemplate, code: str) -> Wanted:
    """Returns a template of a pack as it is submitted; `code` is Meta's name of the language."""
    body = {"type": "BODY", "text": template.body, "example": {"body_text": [list(template.examples)]}}
    return Wanted(template.name, code, Category.read(template.category), (body,))


def _standing(known: Template) -> str:
    """Returns what keeps a template from being sent, and what helps; "" if nothing does."""
    facts = known.facts
    if facts.status is TemplateStatus.REJECTED:
        return (
            f"rejected ({facts.reason or 'no reason told'}): correct it at Meta, or submit another wording under "
            f"another name and name it with PUT /v1/whatsapp/template-uses/{facts.name}"
        )
    return "" if facts.status is TemplateStatus.APPROVED else f"it is {facts.status.value}"


def _check(pointer: str, given: Sequence[str], known: Sequence[str], noun: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        fault = FieldError(pointer, f"no {noun} {', '.join(unknown)}; there are {', '.join(known)}")
        raise Unprocessable(f"an unknown {noun}", errors=[fault])
