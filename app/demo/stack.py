"""The whole service on one machine: stores, stand-ins of the outside world, server and worker processes, a tenant."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from app.config import DEVELOPMENT_SECRET, Settings
from app.demo.children import Child, free_port
from app.demo.seed import Accounts, DemoTenant, Seeder
from app.errors import ConfigError
from app.kit.embedded import EmbeddedServices
from app.language.loader import PackRegistry
from app.simulate.exchange import SimulatedPlivo
from app.simulate.graph import GraphConfig, GraphStandIn, Limits
from app.simulate.hosting import Hosted
from app.simulate.orders import demo_orders
from app.simulate.orders_system import demo_system
from app.simulate.readback import Readback
from app.simulate.ringing import Target
from app.speech.asr.checkpoint.readiness import check_recogniser

WHATSAPP_WEBHOOK: Final = "/v1/whatsapp/webhook"
TRAINING_SECONDS: Final = 600.0
READY_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was started, for the progress display."""

    name: str
    where: str


class DemoStack:
    """Starts everything in order and stops it in reverse. Use as an async context manager.

    Attributes:
        plivo: The simulated carrier.
        graph: The Graph API stand-in.
        server: The API and media process.
        worker: The background worker; None if left out.
        tenant: The seeded tenant.
        operator_key: Creates further tenants: VAANISETU_OPERATOR_KEY, or an invented one.
        server_environment: The variables of server and worker, once they run.
    """

    plivo: SimulatedPlivo
    graph: GraphStandIn
    server: Child
    worker: Child | None
    tenant: DemoTenant
    server_environment: dict[str, str]

    def __init__(
        self,
        settings: Settings,
        *,
        port: int = 0,
        with_worker: bool = True,
        environment: dict[str, str] | None = None,
        tell: Callable[[Part], None] | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            settings: Where data goes; stores that have a URL are used as they are.
            port: The API's port if it is free; 0: any.
            with_worker: Whether background jobs run.
            environment: Further variables for the children.
            tell: Is told of each part once it is up.
        """
        self._settings = settings
        self._port = free_port(port)
        self._with_worker = with_worker
        self._extra = environment or {}
        self._tell = tell or (lambda _: None)
        self._exits = AsyncExitStack()
        self._accounts = Accounts.invent()
        given = settings.operator_key.get_secret_value()
        self.operator_key = secrets.token_urlsafe(32) if given == DEVELOPMENT_SECRET else given
        self.url = f"http://127.0.0.1:{self._port}"
        self.worker = None

    @property
    def target(self) -> Target:
        """Whom to ring."""
        return target_of(self.tenant)

    def readback(self) -> Readback:
        """Returns the tenant's view; to be used as a context manager."""
        return Readback(self.url, self.tenant.api_key, self.tenant.graph_url)

    async def __aenter__(self) -> Self:
        """Starts everything.

        Raises:
            ConfigError: A part did not come up; what was started is stopped again.
            ModelError: The recogniser's model would not serve; nothing was started.
        """
        try:
            await self._start()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops everything, last started first."""
        await self._exits.aclose()

    async def _start(self) -> None:
        settings = self._settings
        packs = PackRegistry.open(settings.packs_dir)
        await asyncio.to_thread(
            check_recogniser, settings.asr_engine, settings.asr_model, settings.asr_models, packs.packs
        )
        self._tell(Part("language packs", ", ".join(packs.tags)))
        stores = EmbeddedServices(settings.data_dir, settings.mongodb_url, settings.redis_url)
        await self._exits.enter_async_context(stores)
        self._tell(Part("stores", f"{stores.mongodb_url} {stores.redis_url}"))
        accounts = self._accounts
        self.plivo = SimulatedPlivo({accounts.plivo_auth_id: accounts.plivo_auth_token})
        await self._exits.enter_async_context(self.plivo)
        self._tell(Part("telephone carrier (simulated Plivo)", self.plivo.url))
        self.graph = GraphStandIn(self._graph_config())
        graph = await self._exits.enter_async_context(Hosted(self.graph.app))
        self._tell(Part("WhatsApp (stand-in of Meta's Graph API)", graph.url))
        today = datetime.now(UTC).date()
        system = demo_system(demo_orders(today), bearer_token=accounts.orders_token, today=today)
        shop = await self._exits.enter_async_context(Hosted(system.app))
        self._tell(Part("the tenant's system: orders, appointments, customers", shop.url))
        operator_key = self.operator_key
        environment = self.server_environment = self._environment(stores, operator_key, graph.url)
        await self._start_children(environment)
        earlier = DemoTenant.read(settings.data_dir)
        async with Seeder(self.url, operator_key) as seeder:
            self.tenant = await seeder.seed(
                accounts, packs.tags, orders_url=shop.url, graph_url=graph.url, earlier=earlier
            )
        self.tenant.save(settings.data_dir)
        lines = ", ".join(f"{tag} {number}" for tag, number in self.tenant.numbers.items())
        self._tell(Part("demo tenant, seeded over REST", lines))

    async def _start_children(self, environment: dict[str, str]) -> None:
        logs = self._settings.data_dir / "logs"
        training = Child("training", ["nlu", "train"], environment, logs)
        self._exits.push_async_callback(training.stop)
        await training.succeeds(TRAINING_SECONDS)
        self._tell(Part("intent model", "trained from the packs at the first start, kept in the data directory"))
        self.server = Child("server", ["serve"], environment, logs)
        self._exits.push_async_callback(self.server.stop)
        if self._with_worker:
            self.worker = Child("worker", ["worker"], environment, logs)
            self._exits.push_async_callback(self.worker.stop)
        await self.server.answers(f"{self.url}/readyz", READY_SECONDS)
        self._tell(Part("API and media server", self.url))
        if self.worker is not None:
            self.worker.require_alive()
            self._tell(Part("background worker with its clock", f"process {self.worker.pid}"))

    def _graph_config(self) -> GraphConfig:
        return GraphConfig(
            numbers={self._accounts.phone_number_id: self._accounts.whatsapp_token},
            app_secret=self._accounts.whatsapp_secret,
            webhook_url=self.url + WHATSAPP_WEBHOOK,
            account_id=self._accounts.business_account_id,
            limits=Limits(),
        )

    def _environment(self, stores: EmbeddedServices, operator_key: str, graph_url: str) -> dict[str, str]:
        settings = self._settings
        values = {
            "mongodb_url": stores.mongodb_url,
            "redis_url": stores.redis_url,
            "operator_key": operator_key,
            "data_dir": str(settings.data_dir.absolute()),
            "packs_dir": str(settings.packs_dir.absolute()),
            "host": "127.0.0.1",
            "port": str(self._port),
            "public_url": self.url,
            "plivo_api_url": self.plivo.url,
            "graph_api_url": graph_url,
        }
        return {f"VAANISETU_{name.upper()}": value for name, value in values.items()} | self._extra


def target_of(tenant: DemoTenant) -> Target:
    """Returns whom to ring for a demo tenant.

    Raises:
        ConfigError: It has no number.
    """
    if not tenant.numbers:
        raise ConfigError("the demo tenant has no telephone number")
    return Target(tenant.url, next(iter(tenant.numbers.values())), tenant.auth_id, tenant.numbers)
