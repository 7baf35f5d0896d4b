"""`vaanisetu audit` and `vaanisetu kill-switch`: the proof of the audit log, and the one command that stops agents.

Both work on the store alone, so that they work when no server does.
"""

import json
from typing import Annotated

import typer
from rich.console import Console

from app.audit.log import AuditLog
from app.cli_store import tenants, with_store
from app.compliance.killswitch import OPERATOR_CHAIN, KillMode, KillSwitches
from app.errors import BadRequest
from app.kit.clock import SystemClock
from app.kit.mongo import Database

audit = typer.Typer(help="The audit log: prove that nobody changed it.", no_args_is_help=True)
kill_switch = typer.Typer(help="Stop agents, or only their talking, at once.", no_args_is_help=True)
console = Console(highlight=False)

Tenant = Annotated[str | None, typer.Option(help="Its id, `tenant_...`.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@audit.command("verify")
def audit_verify(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's log; default: every tenant's.")] = None,
    head: Annotated[str | None, typer.Option(help="`seq:sha256` of an earlier verification, with --tenant.")] = None,
    as_json: Json = False,
) -> None:
    """Walk the hash chain of the audit log; status 1 if an entry was changed, removed or moved.

    Keep the printed head elsewhere: given back with --head, it also proves that nothing was cut off the end.
    """
    if head is not None and tenant is None:
        raise BadRequest("--head needs --tenant")

    async def verify(database: Database) -> list[dict[str, object]]:
        log = AuditLog(database, SystemClock())
        rows: list[dict[str, object]] = []
        for tenant_id in [tenant] if tenant else [*await tenants(database), OPERATOR_CHAIN]:
            check = await log.verify(tenant_id, head)
            broken = check.first_broken_seq
            rows.append({"tenant": tenant_id, "entries": check.entries, "first_broken_seq": broken, "head": check.head})
        return rows

    rows = with_store(verify)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    for row in () if as_json else rows:
        whole = row["first_broken_seq"] is None
        said = (
            f"holds, {row['entries']} entries, head {row['head']}" if whole else f"BROKEN at {row['first_broken_seq']}"
        )
        console.print(f"{row['tenant']}: {said}", style=None if whole else "red", markup=False)
    if any(row["first_broken_seq"] is not None for row in rows):
        raise typer.Exit(1)


@kill_switch.command("set")
def kill_switch_set(
    mode: Annotated[KillMode, typer.Argument(help="What agents may still do; `off` lifts the switch.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
    tenant: Tenant = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent, `agent_...`; needs --tenant.")] = None,
) -> None:
    """Set the switch of everyone, of one tenant or of one agent: new calls at once, live calls at their next turn."""
    if agent is not None and tenant is None:
        raise BadRequest("--agent needs --tenant")

    async def put(database: Database) -> None:
        switches = KillSwitches(database, AuditLog(database, SystemClock()), SystemClock())
        if tenant is not None and tenant not in await tenants(database):
            raise BadRequest(f"there is no tenant {tenant}")
        await switches.set(mode, actor="operator", reason=reason, tenant_id=tenant, agent_id=agent)

    with_store(put)
    console.print(f"{agent or tenant or 'everyone'}: {mode.value}", markup=False)


@kill_switch.command("list")
def kill_switch_list(as_json: Json = False) -> None:
    """List the switches that are set."""

    async def read(database: Database) -> list[dict[str, object]]:
        switches = await KillSwitches(database, AuditLog(database, SystemClock()), SystemClock()).active()
        return [
            {
                "tenant": switch.tenant_id,
                "agent": switch.agent_id,
                "mode": switch.mode.value,
                "reason": switch.reason,
                "set_by": switch.set_by,
                "set_at": switch.set_at.isoformat(),
            }
            for switch in switches
        ]

    rows = with_store(read)
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        whose = row["agent"] or row["tenant"] or "everyone"
        console.print(f"{whose}: {row['mode']} since {row['set_at']} by {row['set_by']}: {row['reason']}", markup=False)
    if not rows:
        console.print("no kill switch is set")
