"""Builds the room of templates: registry, list, door, settings; the root keeps one per process."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.audit.log import AuditLog
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.kit.mongo import Database
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from whatsapp.sender import GraphSender
from whatsapp.templates import registry, sync, uses
from whatsapp.templates.door import TemplateDoor
from whatsapp.templates.graph import TemplateApi
from whatsapp.templates.ports import Publish
from whatsapp.templates.registry import TemplateRegistry
from whatsapp.templates.standing import Templates
from whatsapp.templates.submissions import Submissions
from whatsapp.templates.sync import TemplateSync
from whatsapp.templates.updates import TemplateUpdates
from whatsapp.templates.uses import TemplateUses

INDEXES = (*registry.INDEXES, *sync.INDEXES, *uses.INDEXES)


@dataclass(frozen=True, slots=True)
class TemplateRoom:
    """What the room offers."""

    registry: TemplateRegistry
    sync: TemplateSync
    uses: TemplateUses
    door: TemplateDoor
    standing: Templates
    updates: TemplateUpdates
    submissions: Submissions


def build(
    *,
    database: Database,
    credentials: CredentialService,
    graph: GraphSender,
    purposes: Mapping[str, str],
    packs: Mapping[str, Pack],
    audit: AuditLog,
    publish: Publish,
    jobs: Jobs,
    clock: Clock,
) -> TemplateRoom:
    """Builds the room.

    Args:
        database: The store.
        credentials: What opens accounts.
        graph: The clients that reach Meta.
        purposes: Name of each template of the packs -> its category.
        packs: BCP-47 tag -> pack, for what is submitted.
        audit: Who changed what.
        publish: Tells listeners of a tenant what changed.
        jobs: Where work for later goes.
        clock: Time.
    """
    known = TemplateRegistry(database, audit, publish, clock)
    api = TemplateApi(graph)
    lists = TemplateSync(known, api, credentials, database, jobs, clock)
    settings = TemplateUses(database, purposes, audit)
    door = TemplateDoor(known, settings, lists)
    return TemplateRoom(
        known,
        lists,
        settings,
        door,
        Templates(door, known, lists, clock),
        TemplateUpdates(known, lists, clock),
        Submissions(known, api, lists, packs, audit),
    )
