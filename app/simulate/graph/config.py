"""What the Graph stand-in knows, what it leaves open, how fast it lets senders be, and what goes wrong at it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

ACCOUNT_ID = "102290129340398"


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast messages are taken.

    Source: Meta, "Messaging limits and throughput": 80 a second from a number; one in 6 seconds to a person, after a
    burst.
    """

    number_per_second: float = 80.0
    number_burst: int = 80
    pair_seconds: float = 6.0
    pair_burst: int = 45


@dataclass(frozen=True, slots=True)
class Unknowns:
    """What Meta's documents leave open, or what differs between accounts.

    Attributes:
        reaction_opens_window: Whether a customer's reaction counts as a message.
        failed_carries_tracker: Whether a `failed` status tells `biz_opaque_callback_data`.
        window_refused_by_status: A free text outside of the window is taken, and a `failed` status follows.
        tells_user_ids: Whether updates tell business-scoped ids of people whose number is shown.
    """

    reaction_opens_window: bool = False
    failed_carries_tracker: bool = True
    window_refused_by_status: bool = False
    tells_user_ids: bool = False


@dataclass(frozen=True, slots=True)
class GraphConfig:
    """What this Meta knows.

    Attributes:
        numbers: phone_number_id -> the access token that may send from it.
        app_secret: Signs the webhooks.
        webhook_url: Where updates go; None: nowhere.
        templates: (name, language code) -> approved body with {{1}}, {{2}} ..., there from the start.
        account_id: The WhatsApp business account of all numbers.
        limits: How fast messages are taken; None: as fast as they come.
        unknowns: What the documents leave open.
    """

    numbers: Mapping[str, str]
    app_secret: str
    webhook_url: str | None
    templates: Mapping[tuple[str, str], str] = field(default_factory=dict)
    account_id: str = ACCOUNT_ID
    limits: Limits | None = None
    unknowns: Unknowns = Unknowns()


class Weather(BaseModel):
    """What goes wrong, as shares of one.

    Attributes:
        latency_seconds: Each answer takes up to so long.
        unavailable: Requests refused with 503; nothing is taken.
        lost: Messages that are taken, but whose answer gets lost on the way.
        duplicates: Webhooks that come twice.
        reordered: Webhooks that later ones overtake.
        batch: Up to so many updates that wait travel in one webhook.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_seconds: float = Field(default=0.0, ge=0, le=60)
    unavailable: float = Field(default=0.0, ge=0, le=1)
    lost: float = Field(default=0.0, ge=0, le=1)
    duplicates: float = Field(default=0.0, ge=0, le=1)
    reordered: float = Field(default=0.0, ge=0, le=0.9)
    batch: int = Field(default=1, ge=1, le=1000)


class Sky:
    """The weather of a stand-in and the dice that it is made with; `weather` may be replaced at any time."""

    def __init__(self, seed: int = 0) -> None:
        self.weather = Weather()
        self._dice = random.Random(seed)

    def strikes(self, share: float) -> bool:
        """Returns whether something that happens to this share happens now."""
        return share > 0 and self._dice.random() < share

    def latency_seconds(self) -> float:
        """Returns how long the next answer takes."""
        return self._dice.uniform(0, self.weather.latency_seconds)

    def pick(self, count: int) -> int:
        """Returns one of `count` places."""
        return self._dice.randrange(count)
