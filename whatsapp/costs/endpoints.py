"""The doors to costs: the tenant's rates, the sums of a month and of a conversation."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.kit.problem import responses
from app.kit.wiring import service
from whatsapp.costs.ledger import Costs
from whatsapp.costs.models import Rate, RateCard, Tally

router = APIRouter(tags=["whatsapp"], responses=responses(401, 403, 422, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("inbox:read"))]
Writer = Annotated[AuthSubject, Depends(holding("inbox:write"))]
Ledger = Annotated[Costs, Depends(service("whatsapp_costs", Costs))]
_CATEGORY = r"^[a-z_]{2,40}$"
_EXAMPLE: JsonDict = {"currency": "INR", "rates": [{"category": "utility", "prefix": "+91", "amount_micros": 115000}]}


class RateBody(BaseModel):
    """What one billable message of a category costs."""

    model_config = ConfigDict(extra="forbid")

    category: str = Field(pattern=_CATEGORY, description="As Meta bills.", examples=["utility"])
    prefix: str = Field(default="", pattern=r"^(\+\d{1,7})?$", description="Of the numbers; empty: all others.")
    amount_micros: int = Field(ge=0, le=10**12, strict=True, description="Millionths of the currency's unit.")


class RatesBody(BaseModel):
    """The rates of Meta's card that hold for the tenant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217.")
    rates: list[RateBody] = Field(max_length=500)

    @model_validator(mode="after")
    def _once(self) -> Self:
        keys = [(rate.category, rate.prefix) for rate in self.rates]
        if len(set(keys)) != len(keys):
            raise ValueError("a category and prefix stand twice; give each once")
        return self

    def card(self) -> RateCard:
        """Returns the value."""
        return RateCard(self.currency, tuple(Rate(r.category, r.prefix, r.amount_micros) for r in self.rates))

    @classmethod
    def of(cls, card: RateCard) -> Self:
        """Returns the wire form."""
        rates = [RateBody(category=r.category, prefix=r.prefix, amount_micros=r.amount_micros) for r in card.rates]
        return cls(currency=card.currency, rates=rates)


class RatesView(BaseModel):
    """The rates, null where none were entered."""

    currency: str | None
    rates: list[RateBody]


class TallyView(BaseModel):
    """Messages that Meta billed alike."""

    category: str = Field(examples=["utility"])
    kind: str = Field(description="regular, free_customer_service, free_entry_point.", examples=["regular"])
    billable: bool
    currency: str | None = Field(description="ISO 4217; null: no rate held.")
    messages: int
    amount_micros: int = Field(description="Their sum, in millionths of the currency's unit.")
    unpriced: int = Field(description="How many of them are billable, but without a rate.")

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Returns the wire form."""
        return cls(
            category=tally.category,
            kind=tally.kind,
            billable=tally.billable,
            currency=tally.currency,
            messages=tally.messages,
            amount_micros=tally.amount_micros,
            unpriced=tally.unpriced,
        )


class CostList(BaseModel):
    """Sums by category, kind and currency."""

    data: list[TallyView]


class ConversationCosts(CostList):
    """The sums of one conversation, and until when its messages are free after an advertisement."""

    free_until: datetime | None = Field(description="The end of the free entry point; null: there is none.")


class MonthList(CostList):
    """The sums of one month."""

    month: str = Field(description="UTC, by Meta's time of delivery.", examples=["2026-11"])


@router.get("/whatsapp/rates", operation_id="get_whatsapp_rates", summary="Show the rates of messages")
async def get_rates(subject: Reader, ledger: Ledger) -> RatesView:
    """Shows the rates that amounts are reckoned by."""
    card = await ledger.rates(subject.tenant_id)
    if card is None:
        return RatesView(currency=None, rates=[])
    return RatesView(currency=card.currency, rates=RatesBody.of(card).rates)


@router.put("/whatsapp/rates", operation_id="put_whatsapp_rates", summary="Set the rates of messages")
async def put_rates(subject: Writer, ledger: Ledger, body: RatesBody) -> RatesView:
    """Sets the rates for messages delivered from now on; Meta tells how a message is billed, never how much."""
    card = body.card()
    await ledger.set_rates(subject.tenant_id, subject.key_id, card)
    return RatesView(currency=card.currency, rates=body.rates)


@router.get("/whatsapp/costs", operation_id="get_whatsapp_costs", summary="Sum up a month's messages")
async def month_costs(
    request: Request,
    subject: Reader,
    ledger: Ledger,
    month: Annotated[str | None, Query(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", description="None: this one.")] = None,
) -> MonthList:
    """Sums up what was delivered in a month (UTC), by category, kind and currency."""
    wanted = month or f"{request.app.state.services.clock.now().astimezone(UTC):%Y-%m}"
    sums = await ledger.of_month(subject.tenant_id, wanted)
    return MonthList(month=wanted, data=[TallyView.of(tally) for tally in sums])


@router.get(
    "/conversations/{conversation_id}/whatsapp-costs",
    operation_id="get_conversation_whatsapp_costs",
    summary="Sum up a conversation's messages",
    responses=responses(404),
)
async def conversation_costs(
    request: Request,
    conversation_id: str,
    subject: Annotated[AuthSubject, Depends(holding("conversations:read"))],
    ledger: Ledger,
) -> ConversationCosts:
    """Sums up what the messages of a conversation cost; each message shows its own as `delivery.cost`."""
    services = request.app.state.services
    conversation = await services.conversations.get(subject.tenant_id, conversation_id)
    entry = await services.whatsapp_outbox.free_entry(
        subject.tenant_id, conversation.address, conversation.business_number
    )
    sums = await ledger.of_conversation(subject.tenant_id, conversation_id)
    return ConversationCosts(
        data=[TallyView.of(tally) for tally in sums], free_until=entry.free_until if entry is not None else None
    )
