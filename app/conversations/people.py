"""The people who answer: languages, teams, how many conversations at once, and whether they are on line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from app.audit.log import AuditLog
from app.auth.members import Member, MemberService, MemberStatus
from app.conversations.repository import CONVERSATIONS
from app.dialogue.hours import BusinessHours
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec

PEOPLE: Final = "inbox_people"
TEAMS: Final = "inbox_teams"
INDEXES = (IndexSpec(PEOPLE, (("tenant_id", 1), ("presence", 1))), IndexSpec(TEAMS, (("tenant_id", 1), ("name", 1))))
ON_LINE_FOR: Final = timedelta(minutes=3)
"""For how long somebody who said to be on line is believed; consoles say it again every minute."""
_MOST: Final = 500


class Presence(StrEnum):
    """Whether a person takes conversations."""

    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Team:
    """Some people who answer together. Outside of its hours nothing is routed to it."""

    team_id: str
    tenant_id: str
    name: str
    hours: BusinessHours


@dataclass(frozen=True, slots=True)
class Person:
    """A member who answers customers.

    Attributes:
        member_id: Who.
        tenant_id: Whose.
        languages: BCP-47 tags they can write; empty: any.
        team_ids: Their teams.
        capacity: How many open conversations they are given; more they may take themselves.
        presence: What they said last.
        seen_at: When they said it.
        assigned_at: When they were last given a conversation.
    """

    member_id: str
    tenant_id: str
    languages: tuple[str, ...] = ()
    team_ids: tuple[str, ...] = ()
    capacity: int = 5
    presence: Presence = Presence.OFFLINE
    seen_at: datetime | None = None
    assigned_at: datetime | None = None

    def is_on_line(self, now: datetime) -> bool:
        """Returns whether they take conversations at `now` (aware)."""
        return self.presence is Presence.ONLINE and self.seen_at is not None and now - self.seen_at < ON_LINE_FOR


class People:
    """Keeps who answers, in which teams."""

    def __init__(self, database: Database, members: MemberService, audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._members = members
        self._audit = audit
        self._clock = clock

    async def member(self, tenant_id: str, member_id: str) -> Member:
        """Returns a member who can be given conversations.

        Raises:
            NotFound: There is no such member, or they cannot sign in.
        """
        member = await self._members.get(tenant_id, member_id)
        if member.status is not MemberStatus.ACTIVE:
            raise NotFound(f"member {member_id} is not active")
        return member

    async def check_named(self, tenant_id: str, member_id: str | None, team_id: str | None) -> None:
        """Checks what a request's body names.

        Raises:
            Unprocessable: No such active member, or no such team.
        """
        wrong = []
        if member_id is not None:
            try:
                await self.member(tenant_id, member_id)
            except NotFound:
                wrong.append(FieldError("/body/member_id", "must be an active member; GET /v1/members lists them"))
        if team_id is not None:
            try:
                await self.team(tenant_id, team_id)
            except NotFound:
                wrong.append(FieldError("/body/team_id", "must be a team; GET /v1/inbox/teams lists them"))
        if wrong:
            raise Unprocessable("nobody of this name answers here", errors=wrong)

    async def name_of(self, tenant_id: str, member_id: str | None) -> str:
        """Returns what people call somebody: a member's name, else the id."""
        if member_id is None:
            return "somebody"
        try:
            return (await self._members.get(tenant_id, member_id)).name
        except NotFound:
            return member_id

    async def put(
        self, tenant_id: str, actor: str, member_id: str, languages: Iterable[str], teams: Iterable[str], capacity: int
    ) -> Person:
        """Says what a member answers, from now on.

        Raises:
            NotFound: No such member.
            Unprocessable: No such team.
        """
        await self.member(tenant_id, member_id)
        team_ids = tuple(dict.fromkeys(teams))
        for team_id in team_ids:
            await self.check_named(tenant_id, None, team_id)
        fields = {
            "languages": list(dict.fromkeys(languages)),
            "teams": dict.fromkeys(team_ids, True),
            "capacity": capacity,
        }
        await self._change(tenant_id, member_id, fields)
        await self._audit.record(
            tenant_id, actor, "inbox.person_changed", member_id, {**fields, "teams": list(team_ids)}
        )
        return await self.get(tenant_id, member_id)

    async def get(self, tenant_id: str, member_id: str) -> Person:
        """Returns what is known of a member's work; of one of whom nothing was said, the defaults."""
        found = await self._people(tenant_id).find_one({"_id": member_id})
        return _person(found) if found else Person(member_id, tenant_id)

    async def all(self, tenant_id: str) -> list[Person]:
        """Returns everybody of whom something was said; at most 500."""
        return [_person(found) for found in await self._people(tenant_id).find({}, limit=_MOST)]

    async def say_presence(self, tenant_id: str, member_id: str, presence: Presence) -> Person:
        """Notes whether somebody takes conversations; `online` is believed for three minutes.

        Raises:
            NotFound: Not an active member.
        """
        await self.member(tenant_id, member_id)
        await self._change(tenant_id, member_id, {"presence": presence.value, "seen_at": self._clock.now()})
        return await self.get(tenant_id, member_id)

    async def on_line(self, tenant_id: str) -> list[Person]:
        """Returns who takes conversations now, those first who were given none for longest."""
        found = await self._people(tenant_id).find({"presence": Presence.ONLINE.value}, limit=_MOST)
        now = self._clock.now()
        people = [person for person in map(_person, found) if person.is_on_line(now)]
        return sorted(people, key=lambda person: (person.assigned_at or person.seen_at or now, person.member_id))

    async def take_turn(self, person: Person) -> bool:
        """Notes that somebody's turn has come; returns False if it came elsewhere at the same time."""
        return await self._people(person.tenant_id).update_one(
            {"_id": person.member_id, "assigned_at": person.assigned_at}, {"$set": {"assigned_at": self._clock.now()}}
        )

    async def add_team(self, tenant_id: str, actor: str, name: str, hours: BusinessHours) -> Team:
        """Adds a team."""
        team = Team(new_id("team"), tenant_id, name, hours)
        await self._teams(tenant_id).insert_one({"_id": team.team_id, "name": name, "hours": hours.to_json()})
        await self._audit.record(tenant_id, actor, "inbox.team_created", team.team_id, {"name": name})
        return team

    async def team(self, tenant_id: str, team_id: str) -> Team:
        """Returns a team.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._teams(tenant_id).find_one({"_id": team_id})
        if found is None:
            raise NotFound(f"no team {team_id}")
        return _team(found)

    async def teams(self, tenant_id: str) -> list[Team]:
        """Returns a tenant's teams by name; at most 500."""
        return [_team(found) for found in await self._teams(tenant_id).find({}, sort=(("name", 1),), limit=_MOST)]

    async def change_team(
        self, tenant_id: str, actor: str, team_id: str, name: str | None, hours: BusinessHours | None
    ) -> Team:
        """Changes what is given.

        Raises:
            NotFound: Not this tenant's.
        """
        await self.team(tenant_id, team_id)
        given = {"name": name, "hours": hours.to_json() if hours is not None else None}
        fields = {key: value for key, value in given.items() if value is not None}
        if fields:
            await self._teams(tenant_id).update_one({"_id": team_id}, {"$set": fields})
            await self._audit.record(tenant_id, actor, "inbox.team_changed", team_id, {"fields": sorted(fields)})
        return await self.team(tenant_id, team_id)

    async def delete_team(self, tenant_id: str, actor: str, team_id: str) -> None:
        """Deletes a team; its people stay, and its conversations keep their people.

        Raises:
            NotFound: Not this tenant's.
        """
        await self.team(tenant_id, team_id)
        await self._teams(tenant_id).delete_one({"_id": team_id})
        await self._people(tenant_id).update_many({f"teams.{team_id}": True}, {"$unset": {f"teams.{team_id}": ""}})
        conversations = self._database.tenant(tenant_id).collection(CONVERSATIONS)
        await conversations.update_many({"team_id": team_id}, {"$set": {"team_id": None}})
        await self._audit.record(tenant_id, actor, "inbox.team_deleted", team_id)

    async def _change(self, tenant_id: str, member_id: str, fields: Mapping[str, Any]) -> None:
        fresh = {
            "languages": [],
            "teams": {},
            "capacity": Person(member_id, tenant_id).capacity,
            "presence": Presence.OFFLINE.value,
            "seen_at": None,
            "assigned_at": None,
        }
        missing = {name: value for name, value in fresh.items() if name not in fields}
        update = {"$set": dict(fields), "$setOnInsert": missing}
        await self._people(tenant_id).update_one({"_id": member_id}, update, upsert=True)

    def _people(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(PEOPLE)

    def _teams(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(TEAMS)


def _person(found: Mapping[str, Any]) -> Person:
    return Person(
        found["_id"],
        found["tenant_id"],
        tuple(found["languages"]),
        tuple(sorted(found["teams"])),
        found["capacity"],
        Presence(found["presence"]),
        found["seen_at"],
        found["assigned_at"],
    )


def _team(found: Mapping[str, Any]) -> Team:
    hours = found["hours"]
    return Team(found["_id"], found["tenant_id"], found["name"], BusinessHours.of(hours["time_zone"], hours["week"]))
