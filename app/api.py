"""The REST face: `mount` puts every router under /v1."""

from fastapi import APIRouter, FastAPI

from app.agents import endpoints as agent_endpoints
from app.agents import number_endpoints as agent_number_endpoints
from app.auth import credential_endpoints, member_endpoints, number_endpoints
from app.auth import endpoints as auth_endpoints
from app.auth.once import taking_keys
from app.changes import endpoints as change_endpoints
from app.compliance import calling_endpoints
from app.compliance import endpoints as compliance_endpoints
from app.conversations import attachment_endpoints, desk_endpoints, people_endpoints, picking_endpoints
from app.conversations import endpoints as conversation_endpoints
from app.conversations.attachments import LARGEST_BYTES
from app.flows import endpoints as flow_endpoints
from app.integrations import endpoints as tool_endpoints
from app.onboarding import endpoints as onboarding_endpoints
from app.onboarding import limit_endpoints, sign_up_endpoints
from app.outbound import endpoints as outbound_endpoints
from app.privacy import endpoints as privacy_endpoints
from app.webhooks import endpoints as webhook_endpoints
from whatsapp import (
    account_endpoints,
    failure_endpoints,
    file_endpoints,
    hold_endpoints,
    opt_in_endpoints,
    parked_endpoints,
    retry_endpoints,
)
from whatsapp import webhook as whatsapp_webhook
from whatsapp.costs import endpoints as cost_endpoints
from whatsapp.templates import endpoints as template_endpoints

BODY_BYTES = {
    "/v1/attachments": LARGEST_BYTES + 65_536,
    r"/console/inbox/[^/]+/file": LARGEST_BYTES + 65_536,
    r"/v1/flow-sets/[^/]+/draft": 16_000_000,
    "/v1/whatsapp/webhook": 4_000_000,
}
"""For `BodyLimitMiddleware`: the paths that read more than others. Source: Meta sends updates of up to 3 MB."""


def mount(app: FastAPI, *more: APIRouter) -> None:
    """Puts the rooms' routers under /v1.

    Args:
        app: The application; the root installs problem documents, and puts a `Services` in `app.state.services`.
        *more: Routers of other rooms, such as calls.
    """
    own = (
        auth_endpoints.router,
        credential_endpoints.router,
        number_endpoints.router,
        member_endpoints.router,
        compliance_endpoints.router,
        privacy_endpoints.router,
        change_endpoints.router,
        calling_endpoints.router,
        outbound_endpoints.router,
        webhook_endpoints.router,
        agent_endpoints.router,
        agent_number_endpoints.router,
        onboarding_endpoints.router,
        sign_up_endpoints.router,
        limit_endpoints.router,
        flow_endpoints.router,
        tool_endpoints.router,
        conversation_endpoints.router,
        desk_endpoints.router,
        people_endpoints.router,
        picking_endpoints.router,
        attachment_endpoints.router,
        whatsapp_webhook.router,
        parked_endpoints.router,
        failure_endpoints.router,
        retry_endpoints.router,
        account_endpoints.router,
        file_endpoints.router,
        opt_in_endpoints.router,
        template_endpoints.router,
        cost_endpoints.router,
        hold_endpoints.router,
    )
    for router in (*own, *more):
        app.include_router(taking_keys(router), prefix="/v1")
