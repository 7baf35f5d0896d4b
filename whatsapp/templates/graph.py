"""Asks Meta about templates: the whole list by pages, and new ones for review; through the sender's clients."""

from collections.abc import Mapping
from typing import Any, Final

import httpx
from pywa_async.errors import WhatsAppError

from app.errors import Conflict, Unavailable, Unprocessable
from app.tenants.models import WhatsAppCredentials
from whatsapp.failures import Remedy
from whatsapp.sender import GraphSender, NotSent, translated
from whatsapp.templates.models import Category, Facts, Quality, TemplateStatus, Wanted

_FIELDS: Final = (
    "id",
    "name",
    "language",
    "status",
    "category",
    "components",
    "parameter_format",
    "quality_score",
    "rejected_reason",
)
_PAGE: Final = 100
_MOST_PAGES: Final = 100
ALREADY_THERE: Final = 2388024
"""Meta's subcode: the name has this language already."""


class TemplateApi:
    """Meta's template endpoints of one business account."""

    def __init__(self, sender: GraphSender) -> None:
        self._sender = sender

    async def all(self, credentials: WhatsAppCredentials, account_id: str) -> list[Facts]:
        """Returns every template of an account.

        Raises:
            Conflict: Meta refuses the token (`token_rejected`), or the account has more templates than can be.
            Unavailable: Meta does not answer, or not readably.
        """
        client = await self._sender.client(credentials)
        found: dict[tuple[str, str], Facts] = {}
        after: str | None = None
        for _ in range(_MOST_PAGES):
            pagination = {"limit": _PAGE} | ({"after": after} if after else {})
            try:
                page = await client.api.get_templates(account_id, fields=_FIELDS, pagination=pagination)
                for entry in page["data"]:
                    facts = facts_of(entry)
                    found[facts.name, facts.language] = facts
                paging = page.get("paging") or {}
                following = paging["cursors"]["after"] if "next" in paging else None
            except (WhatsAppError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise _refused(error) from error
            if following is None or following == after:
                return list(found.values())
            after = following
        raise Conflict(f"more than {_PAGE * _MOST_PAGES} templates; delete some at Meta", code="too_many_templates")

    async def create(self, credentials: WhatsAppCredentials, account_id: str, wanted: Wanted) -> Facts | None:
        """Submits a template for review.

        Returns:
            What Meta answered; None: the name has this language already.

        Raises:
            Unprocessable: Meta refuses the template; the detail is Meta's.
            Conflict: Meta refuses the token.
            Unavailable: Meta does not answer; ask for the list before trying again.
        """
        client = await self._sender.client(credentials)
        try:
            answer = await client.api.create_template(account_id, wanted.wire())
            provider_id, status = str(answer["id"]), TemplateStatus.read(answer.get("status"))
            category = Category.read(answer.get("category") or wanted.category.value)
        except WhatsAppError as error:
            if error.subcode == ALREADY_THERE:
                return None
            raise _refused(error) from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _refused(error) from error
        return Facts(
            wanted.name,
            wanted.language,
            category,
            status,
            Quality.UNKNOWN,
            wanted.components,
            wanted.named,
            provider_id,
        )


def facts_of(entry: Mapping[str, Any]) -> Facts:
    """Returns one entry of Meta's list as a value.

    Raises:
        KeyError: It has no name or no language.
        TypeError: Its components are no list.
    """
    score, reason = entry.get("quality_score"), str(entry.get("rejected_reason") or "")
    components = entry.get("components") or []
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise TypeError("components is no list of objects")
    return Facts(
        str(entry["name"]),
        str(entry["language"]),
        Category.read(entry.get("category")),
        TemplateStatus.read(entry.get("status")),
        Quality.read(score.get("score") if isinstance(score, Mapping) else score),
        tuple(components),
        str(entry.get("parameter_format", "")).upper() == "NAMED",
        str(entry.get("id", "")),
        "" if reason == "NONE" else reason,
    )


def _refused(error: Exception) -> Conflict | Unavailable | Unprocessable:
    found = translated(error)
    if not isinstance(found, NotSent):
        return Unavailable("Meta did not answer readably; try again", retry_after_seconds=30)
    if found.failure.remedy in (Remedy.ALERT, Remedy.FREEZE):
        return Conflict(f"{found.detail}; put a valid access token", code=found.failure.name)
    if found.failure.remedy in (Remedy.RETRY, Remedy.SLOW_DOWN):
        return Unavailable(found.detail, retry_after_seconds=60)
    advice = error.user_msg if isinstance(error, WhatsAppError) and error.user_msg else ""
    return Unprocessable(f"{found.detail} {advice}".strip(), code="template_refused")
