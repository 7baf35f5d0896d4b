"""Every index of the store; the root makes them at start-up by `Database.ensure_indexes`."""

from app.agents import phone_numbers as agent_numbers
from app.agents import service as agent_service
from app.audit import log as audit_log
from app.auth import members as auth_members
from app.auth import service as auth_service
from app.auth import sessions as auth_sessions
from app.calls import repository as call_repository
from app.changes import service as changes_service
from app.compliance import consent, killswitch, scrubs, suppression
from app.conversations import inbox as conversation_inbox
from app.conversations import repository as conversation_repository
from app.flows import service as flow_service
from app.integrations import approvals as tool_approvals
from app.integrations import ledger as tool_ledger
from app.intents import service as intent_service
from app.kit import idempotency
from app.outbound import repository as outbound_repository
from app.privacy import room as privacy_room
from app.rehearsal import replays as replay_service
from app.tenants import credentials as tenant_credentials
from app.tenants import service as tenant_service
from app.webhooks import repository as webhook_repository
from whatsapp import rooms as whatsapp_rooms

INDEXES = (
    *tenant_service.INDEXES,
    *tenant_credentials.INDEXES,
    *auth_service.INDEXES,
    *auth_members.INDEXES,
    *auth_sessions.INDEXES,
    *audit_log.INDEXES,
    *consent.INDEXES,
    *killswitch.INDEXES,
    *suppression.INDEXES,
    *scrubs.INDEXES,
    *outbound_repository.INDEXES,
    *agent_service.INDEXES,
    *agent_numbers.INDEXES,
    *flow_service.INDEXES,
    *changes_service.INDEXES,
    *tool_ledger.INDEXES,
    *tool_approvals.INDEXES,
    *conversation_repository.INDEXES,
    *conversation_inbox.INDEXES,
    *whatsapp_rooms.INDEXES,
    *idempotency.INDEXES,
    *webhook_repository.INDEXES,
    *privacy_room.INDEXES,
    *call_repository.INDEXES,
    *intent_service.INDEXES,
    *replay_service.INDEXES,
)
