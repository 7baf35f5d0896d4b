"""What each error code of the Graph API means for a send, as data.

Source: Meta, "WhatsApp Cloud API error codes".
"""

from dataclasses import dataclass
from enum import StrEnum


class Remedy(StrEnum):
    """What the outbox does about a refused send."""

    RETRY = "retry"  # transient: the same message again, later
    RETRY_SLOWLY = "retry_slowly"  # a rate limit: again, much later
    NEXT_LANGUAGE = "next_language"  # the template is not approved in this language
    CLOSE_WINDOW = "close_window"  # the 24-hour window is shut, whatever we believed
    UNREACHABLE = "unreachable"  # this person cannot be reached on WhatsApp
    SUPPRESS = "suppress"  # this person does not want such messages
    ALERT = "alert"  # the tenant's account needs a person: token, payment, policy
    GIVE_UP = "give_up"  # a fault of the message; sending it again changes nothing


@dataclass(frozen=True, slots=True)
class Failure:
    """A refused send: Meta's code, what to do, and a stable name for programs."""

    code: int
    remedy: Remedy
    name: str


_TABLE: dict[Remedy, dict[int, str]] = {
    Remedy.RETRY: {
        1: "provider_busy",
        2: "provider_busy",
        131000: "provider_busy",
        131016: "provider_busy",
        131057: "account_in_maintenance",
    },
    Remedy.RETRY_SLOWLY: {
        4: "app_rate_limit",
        80007: "account_rate_limit",
        130429: "number_rate_limit",
        131056: "pair_rate_limit",
    },
    Remedy.NEXT_LANGUAGE: {132001: "template_not_approved"},
    Remedy.CLOSE_WINDOW: {131047: "window_closed"},
    Remedy.UNREACHABLE: {131026: "not_on_whatsapp"},
    Remedy.SUPPRESS: {131050: "opted_out_at_meta"},
    Remedy.ALERT: {
        10: "token_rejected",
        190: "token_rejected",
        368: "account_frozen",
        131031: "account_frozen",
        131042: "payment_needed",
        131048: "number_frozen",
        131064: "account_frozen",
        132007: "template_breaks_policy",
        132015: "template_paused",
        132016: "template_disabled",
    },
    Remedy.GIVE_UP: {
        131049: "meta_chose_not_to_deliver",
        132000: "template_parameters_wrong",
        132012: "template_parameters_wrong",
    },
}
_BY_CODE = {code: Failure(code, remedy, name) for remedy, entries in _TABLE.items() for code, name in entries.items()}


def failure_of(code: int) -> Failure:
    """Returns what to do about an error code; codes that nobody listed are not retried."""
    if 200 <= code <= 299:
        return Failure(code, Remedy.ALERT, "token_rejected")
    return _BY_CODE.get(code) or Failure(code, Remedy.GIVE_UP, "refused")
