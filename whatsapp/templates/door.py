"""The door that every template passes before it leaves: approved, of its purpose's category, its values fitting."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.errors import Conflict
from whatsapp.models import TemplateVersion
from whatsapp.templates.components import unsendable, value_faults
from whatsapp.templates.models import Category, Template, TemplateStatus
from whatsapp.templates.registry import TemplateRegistry
from whatsapp.templates.sync import TemplateSync
from whatsapp.templates.uses import TemplateUses


@dataclass(frozen=True, slots=True)
class Choice:
    """What may leave: a template, in the language of `version`."""

    template: Template
    version: TemplateVersion

    @property
    def key(self) -> tuple[str, str]:
        """Meta's name and language code."""
        return self.template.facts.name, self.template.facts.language


def choose(
    names: Sequence[str],
    versions: Sequence[TemplateVersion],
    known: Mapping[tuple[str, str], Template],
    category: Category,
    skip: Collection[tuple[str, str]] = (),
) -> Choice | list[str]:
    """Returns the first template that may be sent, or the reasons why none may; pure.

    Languages go before names: who cannot have the template in their own language gets its alternate in it, and only
    then the next language. An alternate of another category is none, so that no service message becomes marketing.

    Args:
        names: Meta's names, in order of preference.
        versions: Languages with their values, in order of preference.
        known: (name, Meta's language code) -> template.
        category: What it must be billed as.
        skip: What Meta refused just now.
    """
    reasons: list[str] = []
    for version in versions:
        for name in names:
            template = known.get((name, version.code))
            reason = _reason(template, version, category)
            if reason is None and (name, version.code) not in skip and template is not None:
                return Choice(template, version)
            reasons.append(f"{name} in {version.code} {reason or 'was refused by Meta just now'}")
    return reasons


def _reason(template: Template | None, version: TemplateVersion, category: Category) -> str | None:
    """Returns why a template may not be sent, None if it may."""
    if template is None or template.facts.status is TemplateStatus.DELETED:
        return "does not exist at Meta"
    facts = template.facts
    if facts.status is not TemplateStatus.APPROVED:
        return f"is {facts.status.value}" + (f" ({facts.reason})" if facts.reason else "")
    if facts.category is not category:
        return f"is {facts.category.value} at Meta, not {category.value}"
    cannot = unsendable(facts)
    if cannot is not None:
        return f"cannot be sent: {cannot}"
    faults = value_faults(facts, version.values)
    return f"does not fit: {faults[0].detail}" if faults else None


class TemplateDoor:
    """Asks the registry what may leave; used when a message is written and again when it leaves.

    An account of which nothing is known yet has its list fetched.
    """

    def __init__(self, registry: TemplateRegistry, uses: TemplateUses, sync: TemplateSync) -> None:
        self._registry = registry
        self._uses = uses
        self._sync = sync

    async def choose(
        self,
        tenant_id: str,
        account_id: str | None,
        name: str,
        versions: Sequence[TemplateVersion],
        *,
        skip: Collection[tuple[str, str]] = (),
    ) -> Choice:
        """Returns what may leave.

        Args:
            tenant_id: Whose.
            account_id: The business account of the number that sends; None: not known.
            name: A purpose of the packs.
            versions: Languages with their values, in order of preference.
            skip: What Meta refused just now.

        Raises:
            Conflict: None may (`template_not_approved`); the detail says why, and what may be done instead.
        """
        if account_id is None:
            detail = "the business account is not known; PUT /v1/credentials/whatsapp with business_account_id"
            raise Conflict(detail, code="template_not_approved")
        names = (await self._uses.get(tenant_id, name)).names
        category = Category.read(self._uses.purposes.get(name))
        found = await self._registry.named(tenant_id, account_id, names)
        known = {(template.facts.name, template.facts.language): template for template in found}
        choice = choose(names, versions, known, category, skip)
        if isinstance(choice, Choice):
            return choice
        raise Conflict(await self._refusal(tenant_id, account_id, name, choice), code="template_not_approved")

    async def _refusal(self, tenant_id: str, account_id: str, name: str, reasons: Sequence[str]) -> str:
        known = await self._registry.of_account(tenant_id, account_id)
        if not known:
            await self._sync.want(tenant_id, account_id)
        approved = [
            f"{template.facts.name} ({template.facts.language})"
            for template in known
            if template.facts.status is TemplateStatus.APPROVED and template.facts.name != name
        ]
        instead = ", ".join(sorted(approved)[:10]) or "none yet"
        cure = (
            f"approved now: {instead}; name one as alternate with PUT /v1/whatsapp/template-uses/{name}, submit the "
            "missing ones with POST /v1/whatsapp/templates/submissions, or wait until the customer writes"
        )
        return f"only APPROVED templates may be sent: {'; '.join(reasons)}. {cure}"
