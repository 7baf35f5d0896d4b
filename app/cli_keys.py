"""`vaanisetu keys`: exchanges the master key. Works on the store alone, while the service runs or without it."""

import json
from typing import Annotated

import typer
from rich.console import Console

from app.audit.log import AuditLog
from app.cli_settings import settings_with
from app.cli_store import with_store
from app.compliance.killswitch import OPERATOR_CHAIN
from app.keys import open_keys
from app.kit.clock import SystemClock
from app.kit.mongo import Database
from app.kit.rotation import Rotated, rotate

keys = typer.Typer(help="The master key that protects every tenant's data key.", no_args_is_help=True)
console = Console(highlight=False)


@keys.command("rotate-master")
def rotate_master(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Wrap every tenant's data key anew under the current master key; status 1 if one could not be opened.

    First give every process the new key in VAANISETU_ACCEPTED_MASTER_KEYS and restart it; then make it
    VAANISETU_MASTER_KEY (or VAANISETU_KMS_URL) with the old one accepted, and restart again; then run this; then drop
    the old key. A run that was cut off is run again. Content is not touched.
    """
    done = with_store(_rotate)
    if as_json:
        shown = {"key": done.key, "rewrapped": len(done.rewrapped), "already": done.already, "failed": done.failed}
        typer.echo(json.dumps(shown, indent=2))
    else:
        console.print(f"{done.key}: {len(done.rewrapped)} wrapped anew, {done.already} were already", markup=False)
        for tenant_id, code in done.failed.items():
            console.print(f"{tenant_id}: {code}", style="red", markup=False)
    if done.failed:
        raise typer.Exit(1)


async def _rotate(database: Database) -> Rotated:
    audit = AuditLog(database, SystemClock())
    async with open_keys(settings_with(), database) as opened:
        done = await rotate(database, opened.ring)
        for tenant_id in done.rewrapped:
            await audit.record(tenant_id, "operator", "keys.rewrapped", tenant_id, {"key": done.key})
        counts = {"rewrapped": len(done.rewrapped), "already": done.already, "failed": sorted(done.failed)}
        await audit.record(OPERATOR_CHAIN, "operator", "keys.rotated", done.key, counts)
    return done
