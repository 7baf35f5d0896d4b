"""A demo tenant's order system over HTTP: what the agent looks orders up in while someone rings."""

import hmac
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal

from fastapi import FastAPI, Header, HTTPException, Path
from pydantic import BaseModel

Status = Literal["placed", "packed", "shipped", "out_for_delivery", "delivered", "cancelled", "returned", "delayed"]


class Order(BaseModel):
    """One order. `date` is the day it is expected, or the day it was delivered, cancelled or returned."""

    order_id: str
    status: Status
    date: date
    city: str | None = None


def demo_orders(today: date) -> dict[str, Order]:
    """Returns orders in every state, around `today`.

    Args:
        today: The day from which expected and past dates count.
    """
    rows: tuple[tuple[str, Status, int, str | None], ...] = (
        ("4512", "shipped", 2, "Pune"),
        ("7780", "out_for_delivery", 0, "Chennai"),
        ("1093", "delivered", -1, "Hyderabad"),
        ("3365", "packed", 3, None),
        ("8241", "delayed", 4, "Nagpur"),
        ("5906", "placed", 5, None),
        ("6127", "cancelled", -2, None),
        ("2458", "returned", -3, None),
        ("90214", "shipped", 1, "Madurai"),
        ("630517", "out_for_delivery", 0, "Vijayawada"),
    )
    return {
        order_id: Order(order_id=order_id, status=status, date=today + timedelta(days=days), city=city)
        for order_id, status, days, city in rows
    }


def build(orders: Mapping[str, Order], *, bearer_token: str | None = None) -> FastAPI:
    """Returns the application.

    Args:
        orders: What exists.
        bearer_token: Required in `Authorization`, if given.
    """
    app = FastAPI(title="Demo order system")

    @app.get("/orders/{order_id}", operation_id="get_order", response_model=Order)
    async def get_order(order_id: str = Path(pattern=r"^\d{1,20}$"), authorization: str = Header(default="")) -> Any:
        expected = f"Bearer {bearer_token}"
        if bearer_token is not None and not hmac.compare_digest(authorization.encode(), expected.encode()):
            raise HTTPException(401, "wrong token")
        order = orders.get(order_id)
        if order is None:
            raise HTTPException(404, f"no order {order_id}")
        return order

    return app
