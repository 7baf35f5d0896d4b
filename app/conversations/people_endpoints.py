"""The doors of the inbox's people: who answers what, presence, teams, canned replies, settings."""

from fastapi import APIRouter, Request

from app.conversations.desk import member_of
from app.conversations.doors import SeeInbox, Supervise, Write, clock_of, inbox_of
from app.conversations.people import Presence
from app.conversations.people_schemas import (
    CannedBody,
    CannedPatch,
    CannedView,
    PersonBody,
    PersonView,
    PresenceBody,
    SettingsBody,
    TeamBody,
    TeamPatch,
    TeamView,
)
from app.errors import Forbidden
from app.kit.problem import responses

router = APIRouter(prefix="/inbox", tags=["inbox"], responses=responses(401, 403, 404, 409, 422, 429, 503))


@router.get("/people", operation_id="list_people", summary="List who answers customers")
async def list_people(request: Request, subject: SeeInbox) -> list[PersonView]:
    """Lists the members of whom it was said what they answer, and who is on line."""
    people, now = await inbox_of(request).people.all(subject.tenant_id), clock_of(request).now()
    return [PersonView.of(person, now) for person in people]


@router.put("/people/{member_id}", operation_id="put_person", summary="Say what a member answers")
async def put_person(request: Request, subject: Supervise, member_id: str, body: PersonBody) -> PersonView:
    """Sets languages, teams and capacity. The first such member switches routing on."""
    person = await inbox_of(request).people.put(
        subject.tenant_id, subject.key_id, member_id, body.languages, body.team_ids, body.capacity
    )
    return PersonView.of(person, clock_of(request).now())


@router.put("/presence", operation_id="put_presence", summary="Say whether you take conversations")
async def put_presence(request: Request, subject: Write, body: PresenceBody) -> PersonView:
    """Notes the presence of the member who asks; repeat `online` every minute."""
    me = member_of(subject.key_id)
    if me is None:
        raise Forbidden("an API key is nobody's presence: sign in", code="members_only")
    person = await inbox_of(request).people.say_presence(subject.tenant_id, me, Presence(body.presence))
    return PersonView.of(person, clock_of(request).now())


@router.get("/teams", operation_id="list_teams", summary="List teams")
async def list_teams(request: Request, subject: SeeInbox) -> list[TeamView]:
    """Lists teams by name."""
    return [TeamView.of(team) for team in await inbox_of(request).people.teams(subject.tenant_id)]


@router.post("/teams", operation_id="create_team", summary="Add a team", status_code=201)
async def create_team(request: Request, subject: Supervise, body: TeamBody) -> TeamView:
    """Adds a team; outside of its hours nothing is routed to it."""
    people = inbox_of(request).people
    return TeamView.of(await people.add_team(subject.tenant_id, subject.key_id, body.name, body.hours.hours()))


@router.patch("/teams/{team_id}", operation_id="update_team", summary="Change a team")
async def update_team(request: Request, subject: Supervise, team_id: str, body: TeamPatch) -> TeamView:
    """Changes what is given."""
    hours = body.hours.hours() if body.hours is not None else None
    people = inbox_of(request).people
    return TeamView.of(await people.change_team(subject.tenant_id, subject.key_id, team_id, body.name, hours))


@router.delete("/teams/{team_id}", operation_id="delete_team", summary="Delete a team", status_code=204)
async def delete_team(request: Request, subject: Supervise, team_id: str) -> None:
    """Deletes a team; its conversations keep their people."""
    await inbox_of(request).people.delete_team(subject.tenant_id, subject.key_id, team_id)


@router.get("/canned-replies", operation_id="list_canned_replies", summary="List canned replies")
async def list_canned_replies(request: Request, subject: SeeInbox) -> list[CannedView]:
    """Lists them by their short names, in all languages."""
    return [CannedView.of(reply) for reply in await inbox_of(request).canned.all(subject.tenant_id)]


@router.post("/canned-replies", operation_id="create_canned_reply", summary="Add a canned reply", status_code=201)
async def create_canned_reply(request: Request, subject: Supervise, body: CannedBody) -> CannedView:
    """Adds a reply; its short name is its alone."""
    canned = inbox_of(request).canned
    return CannedView.of(await canned.add(subject.tenant_id, subject.key_id, body.shortcut, body.texts))


@router.patch("/canned-replies/{reply_id}", operation_id="update_canned_reply", summary="Change a canned reply")
async def update_canned_reply(request: Request, subject: Supervise, reply_id: str, body: CannedPatch) -> CannedView:
    """Replaces its words in all languages."""
    canned = inbox_of(request).canned
    return CannedView.of(await canned.change(subject.tenant_id, subject.key_id, reply_id, body.texts))


@router.delete(
    "/canned-replies/{reply_id}", operation_id="delete_canned_reply", summary="Delete a canned reply", status_code=204
)
async def delete_canned_reply(request: Request, subject: Supervise, reply_id: str) -> None:
    """Deletes it."""
    await inbox_of(request).canned.delete(subject.tenant_id, subject.key_id, reply_id)


@router.get("/settings", operation_id="get_inbox_settings", summary="Show how people work")
async def get_inbox_settings(request: Request, subject: SeeInbox) -> SettingsBody:
    """Shows hours, time to answer, the default agent, ratings."""
    return SettingsBody.of(await inbox_of(request).settings.get(subject.tenant_id))


@router.put("/settings", operation_id="put_inbox_settings", summary="Say how people work")
async def put_inbox_settings(request: Request, subject: Supervise, body: SettingsBody) -> SettingsBody:
    """Replaces all settings; other processes follow within five seconds."""
    services = request.app.state.services
    if body.default_agent_id is not None:
        await services.agents.get(subject.tenant_id, body.default_agent_id)
    await inbox_of(request).settings.put(subject.tenant_id, body.settings())
    data = body.model_dump(mode="json", exclude={"hours"})
    await services.audit.record(subject.tenant_id, subject.key_id, "inbox.settings_changed", subject.tenant_id, data)
    return SettingsBody.of(await inbox_of(request).settings.get(subject.tenant_id))
