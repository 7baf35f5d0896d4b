"""What a demo tenant's system knows, and what it does when its tools are called: orders, appointments, people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel

Status = Literal["placed", "packed", "shipped", "out_for_delivery", "delivered", "cancelled", "returned", "delayed"]
Found = dict[str, Any] | None

_PRICES: Final[Mapping[str, int]] = {"phone": 12999, "mobile": 12999, "charger": 499, "cable": 199, "headphones": 1499}
_OPENING: Final = {"opens": "10:00", "closes": "21:00", "closed_today": False}
_CUSTOMER_PREFIX: Final = "+9198765"


class Order(BaseModel):
    """One order. `date` is the day it is expected, or the day it was delivered, cancelled or returned."""

    order_id: str
    status: Status
    date: date
    city: str | None = None


class Customer(BaseModel):
    """Somebody whose number is known, and what proves that it is them."""

    customer_id: str
    name: str
    pin: str
    date_of_birth: str
    postcode: str


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


def demo_customer(number: str) -> Customer | None:
    """Returns who calls from a number: the simulated callers' numbers are known, all with the same secrets."""
    if not number.startswith(_CUSTOMER_PREFIX):
        return None
    return Customer(
        customer_id=f"cust-{number[-5:]}", name="Asha", pin="4321", date_of_birth="1990-08-15", postcode="411001"
    )


@dataclass
class Shop:
    """The demo tenant's business: each tool is a method of its name. None means: there is no such thing."""

    orders: dict[str, Order]
    today: date
    appointments: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, tool: str, arguments: Mapping[str, Any]) -> Found:
        """Returns what the business says; every tool of the contracts has an answer."""
        method: Any = getattr(self, tool)
        found: Found = method(arguments)
        return found

    def order_status(self, given: Mapping[str, Any]) -> Found:
        """Where an order is."""
        order = self.orders.get(given["order_id"])
        return order.model_dump(mode="json") if order is not None else None

    def cancel_order(self, given: Mapping[str, Any]) -> Found:
        """Cancels what has not left."""
        order = self.orders.get(given["order_id"])
        if order is None:
            return None
        if order.status == "cancelled":
            return {"order_id": order.order_id, "status": "already_cancelled"}
        if order.status not in ("placed", "packed", "delayed"):
            return {"order_id": order.order_id, "status": "too_late"}
        self._change(order, status="cancelled", date=self.today)
        refund = (self.today + timedelta(days=5)).isoformat()
        return {"order_id": order.order_id, "status": "cancelled", "amount": 1499, "date": refund}

    def return_order(self, given: Mapping[str, Any]) -> Found:
        """Takes back what was delivered."""
        order = self.orders.get(given["order_id"])
        if order is None:
            return None
        if order.status == "returned":
            return {"order_id": order.order_id, "status": "already_returned"}
        if order.status != "delivered":
            return {"order_id": order.order_id, "status": "not_eligible"}
        self._change(order, status="returned")
        return {"order_id": order.order_id, "status": "accepted", "date": self._in_days(2)}

    def refund_status(self, given: Mapping[str, Any]) -> Found:
        """What is due back."""
        order = self.orders.get(given["order_id"])
        if order is None:
            return None
        if order.status == "returned":
            return {"order_id": order.order_id, "status": "processed", "amount": 1499, "date": self._in_days(-1)}
        if order.status == "cancelled":
            return {"order_id": order.order_id, "status": "initiated", "amount": 1499, "date": self._in_days(3)}
        return {"order_id": order.order_id, "status": "none"}

    def change_address(self, given: Mapping[str, Any]) -> Found:
        """Another address, while it has not left."""
        return self._before_it_leaves(given["order_id"], "changed", "too_late")

    def reschedule_delivery(self, given: Mapping[str, Any]) -> Found:
        """Another day, while it is not there."""
        order = self.orders.get(given["order_id"])
        if order is None:
            return None
        if order.status in ("delivered", "cancelled", "returned") or given["date"] <= self.today.isoformat():
            return {"order_id": order.order_id, "status": "not_possible"}
        self._change(order, date=date.fromisoformat(given["date"]))
        return {"order_id": order.order_id, "status": "rescheduled", "date": given["date"]}

    def payment_issue(self, given: Mapping[str, Any]) -> Found:
        """How it was paid."""
        order = self.orders.get(given["order_id"])
        if order is None:
            return None
        twice = order.status == "placed"
        back = self._in_days(5) if twice else None
        state = "debited_twice" if twice else "paid"
        return {"order_id": order.order_id, "status": state, "amount": 1499, "date": back}

    def product_question(self, given: Mapping[str, Any]) -> Found:
        """Whether there is one."""
        known = any(word in given["item"].lower() for word in _PRICES)
        return {"item": given["item"], "status": "in_stock" if known else "out_of_stock"}

    def price_question(self, given: Mapping[str, Any]) -> Found:
        """What it costs."""
        price = next((price for word, price in _PRICES.items() if word in given["item"].lower()), None)
        return None if price is None else {"item": given["item"], "amount": price}

    def store_hours(self, given: Mapping[str, Any]) -> Found:
        """When the shops are open."""
        return {"city": given.get("city"), **_OPENING}

    def book_appointment(self, given: Mapping[str, Any]) -> Found:
        """Books unless the hour is taken; six in the evening always is."""
        slot = {"date": given["date"], "time": given["time"]}
        if given["time"] == "18:00" or any(held.items() >= slot.items() for held in self.appointments.values()):
            return {"status": "slot_taken", "date": given["date"], "time": "11:00"}
        appointment = {"appointment_id": f"A{len(self.appointments) + 1:04d}", **slot}
        self.appointments[given.get("caller_phone", "")] = appointment
        return {"status": "booked", **appointment}

    def reschedule_appointment(self, given: Mapping[str, Any]) -> Found:
        """Moves the caller's appointment."""
        held = self.appointments.get(given.get("caller_phone", ""))
        if held is None:
            return None
        held |= {"date": given["date"], "time": given["time"]}
        return {"status": "rescheduled", **held}

    def cancel_appointment(self, given: Mapping[str, Any]) -> Found:
        """Cancels the caller's appointment."""
        held = self.appointments.pop(given.get("caller_phone", ""), None)
        return None if held is None else {"status": "cancelled", **held}

    def confirm_appointment(self, given: Mapping[str, Any]) -> Found:
        """Says when the caller's appointment is."""
        held = self.appointments.get(given.get("caller_phone", ""))
        return None if held is None else {"status": "confirmed", **held}

    def identify_caller(self, given: Mapping[str, Any]) -> Found:
        """Whose number it is."""
        customer = demo_customer(given["caller_phone"])
        if customer is None:
            return None
        secrets = customer.model_dump(include={"pin", "date_of_birth", "postcode"})
        return {"customer_id": customer.customer_id, "name": customer.name, "verification": secrets}

    def request_quote(self, given: Mapping[str, Any]) -> Found:
        """Keeps a lead."""
        return {"request_id": self._keep("lead", given)}

    def callback(self, given: Mapping[str, Any]) -> Found:
        """Keeps when to call."""
        return {"request_id": self._keep("callback", given), "date": given.get("date"), "time": given.get("time")}

    def ticket(self, given: Mapping[str, Any]) -> Found:
        """Opens a ticket."""
        return {"ticket_id": self._keep("ticket", given)}

    def _before_it_leaves(self, order_id: str, done: str, too_late: str) -> Found:
        order = self.orders.get(order_id)
        if order is None:
            return None
        return {"order_id": order_id, "status": done if order.status in ("placed", "packed", "delayed") else too_late}

    def _change(self, order: Order, **changes: Any) -> None:
        self.orders[order.order_id] = order.model_copy(update=changes)

    def _keep(self, kind: str, given: Mapping[str, Any]) -> str:
        self.kept.append({"kind": kind, **given})
        return f"{kind[0].upper()}{len(self.kept):05d}"

    def _in_days(self, days: int) -> str:
        return (self.today + timedelta(days=days)).isoformat()
