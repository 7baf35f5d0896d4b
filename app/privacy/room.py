"""Puts the room together for the composition root, and names its jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.audit.log import AuditLog
from app.compliance.killswitch import KillSwitches
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.jobs import JobFunction, Jobs
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.kit.sealed_files import SealedFiles
from app.kit.vault import Vault
from app.privacy import ending, requests
from app.privacy.ending import CLEAR, TenantEnding
from app.privacy.erasure import Eraser, ForgetCaller
from app.privacy.export import Exporter
from app.privacy.opening import Opener, TenantFiles
from app.privacy.requests import WORK, PrivacyRequests
from app.privacy.retention import ENFORCE, Retention
from app.privacy.trail import Finder
from app.tenants.service import TenantService

INDEXES: Final = (*requests.INDEXES, *ending.INDEXES)
SWEEP: Final = "privacy.sweep"
SWEEP_SECONDS: Final = 600
JOBS: Final = (WORK, ENFORCE, CLEAR, SWEEP)


@dataclass(frozen=True, slots=True)
class PrivacyRoom:
    """The room's services."""

    requests: PrivacyRequests
    retention: Retention
    ending: TenantEnding

    def job_functions(self) -> Mapping[str, JobFunction]:
        """Returns the room's jobs by name."""
        return {
            WORK: self.requests.work,
            ENFORCE: self.retention.enforce,
            CLEAR: self.ending.clear,
            SWEEP: self.sweep,
        }

    async def sweep(self) -> int:
        """Finds what waits, of all tenants; a periodic job. Returns how much there was."""
        return await self.requests.sweep() + await self.ending.sweep() + await self.retention.sweep()


def build(
    *,
    database: Database,
    vault: Vault,
    master: MasterKey,
    data_dir: Path,
    tenants: TenantService,
    switches: KillSwitches,
    forget_caller: ForgetCaller,
    audit: AuditLog,
    jobs: Jobs,
    clock: Clock,
) -> PrivacyRoom:
    """Builds the room.

    Args:
        database: The store.
        vault: Seals and opens.
        master: For digests.
        data_dir: Where sealed files are, shared by server and worker.
        tenants: The tenants.
        switches: Stops a tenant's agents.
        forget_caller: Forgets what is kept under a number's digest.
        audit: Who did what.
        jobs: Where work for later goes.
        clock: Time.
    """
    sealed, finder, files = SealedText(vault), Finder(database), TenantFiles(data_dir, vault)
    exporter = Exporter(finder, Opener(vault), files, clock)
    eraser = Eraser(database, finder, files, sealed, master, forget_caller)
    archives = SealedFiles(vault, data_dir / "exports")
    return PrivacyRoom(
        PrivacyRequests(database, sealed, archives, exporter, eraser, master, audit, jobs, clock),
        Retention(database, files, audit, jobs, clock),
        TenantEnding(database, vault, files, tenants, switches, audit, jobs, clock),
    )
