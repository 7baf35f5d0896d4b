"""Frames: filling, confirming, correcting, leaving and coming back, writing once; in every language of the packs."""

from dataclasses import replace
from datetime import date

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.speculation import CommitNeeded, ReadOnly
from app.dialogue.turn import DialogueState, Expectation, ToolResult
from app.dialogue.verification import VerificationPolicy
from app.language.numbers import spoken_date, spoken_digits
from tests.dialogue.conftest import (
    LANGUAGES,
    LATER,
    REGISTRY,
    TODAY,
    TOMORROW,
    Conversation,
    Shop,
    kinds,
    meant,
    profile,
    says_key,
    texts,
)

pytestmark = pytest.mark.unit


def written(talk: Conversation) -> list[tuple[str, dict[str, str]]]:
    return list(talk.shop.written.values())


async def test_the_first_sentence_fills_all_it_holds_and_only_a_yes_writes(talk: Conversation) -> None:
    reply = await talk.say("cancel_order", digits="4512", reason="it is late", text="cancel 4512 because it is late")
    assert says_key(reply, talk.language, "confirm_cancel_order") and reply.expectation is Expectation.YES_NO
    assert spoken_digits(REGISTRY.get(talk.language), "4512") in texts(reply)[0]
    assert not talk.shop.asked
    reply = await talk.say("affirm")
    assert says_key(reply, talk.language, "cancel_order_done") and says_key(reply, talk.language, "anything_else")
    assert written(talk) == [("cancel_order", {"order_id": "4512", "reason": "it is late"})]
    (key,) = talk.shop.written
    assert key.startswith("call_1:1:cancel_order:")


async def test_a_reason_is_asked_for_once_and_may_be_refused(talk: Conversation) -> None:
    reply = await talk.say("return_order", digits="4512")
    assert says_key(reply, talk.language, "ask_return_reason") and reply.expectation is Expectation.TEXT
    assert says_key(await talk.say("deny", text="no"), talk.language, "confirm_return_order")
    await talk.say("affirm")
    assert written(talk) == [("return_order", {"order_id": "4512"})]


@pytest.mark.parametrize(
    ("text", "sure"),
    [("I do not need it any more", 0.8), ("I want to cancel because I found it cheaper elsewhere", 0.99)],
)
async def test_a_reason_that_sounds_like_the_request_is_the_reason(talk: Conversation, text: str, sure: float) -> None:
    await talk.say("cancel_order", digits="4512")
    reply = await talk.say("cancel_order", text=text, confidence=sure)
    assert talk.state.slots["reason"] == text and reply.expectation is Expectation.YES_NO


async def test_the_request_said_again_is_no_reason(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512")
    await talk.say("cancel_order", text="cancel my order", confidence=0.99)
    assert "reason" not in talk.state.slots


async def test_whatever_is_said_is_the_reason(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512")
    await talk.say("order_status", text="it has not come and where is it")
    await talk.say("affirm")
    assert written(talk)[0][1]["reason"] == "it has not come and where is it"


async def test_keys_one_and_two_answer_yes_and_no(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512", reason="late")
    assert says_key(await talk.type("2"), talk.language, "ask_what_to_change")
    await talk.say("inform", digits="77001")
    assert says_key(await talk.type("1"), talk.language, "cancel_order_done")
    assert written(talk)[0][1]["order_id"] == "77001"


async def test_a_correction_changes_one_value_and_is_confirmed_again(talk: Conversation) -> None:
    no = sorted(REGISTRY.get(talk.language).lexicon.no_words)[0]
    await talk.say("reschedule_delivery", digits="4512", date=TODAY)
    reply = await talk.say(
        "book_appointment", date=f"{TOMORROW}|{TODAY}", text=f"{no} tomorrow not today", confidence=0.7
    )
    assert says_key(reply, talk.language, "confirm_reschedule_delivery")
    await talk.say("affirm")
    assert written(talk) == [("reschedule_delivery", {"order_id": "4512", "date": TOMORROW})]


async def test_a_digit_and_a_quantity_and_an_hour_are_corrected(talk: Conversation) -> None:
    names = REGISTRY.get(talk.language).formats.digit_names
    await talk.say("cancel_order", digits="7891", reason="late")
    reply = await talk.say("deny", text=f"{names[9]} {names[4]}")
    assert spoken_digits(REGISTRY.get(talk.language), "7841") in texts(reply)[0]
    other = Conversation(talk.engine, talk.language)
    await other.open()
    await other.say("request_quote", item="shoes", quantity="4", amount="5000")
    await other.say("deny", text=f"{names[4]} {names[5]}")
    await other.say("affirm")
    assert written(other)[0][1] == {"item": "shoes", "quantity": "5", "budget": "5000"}
    third = Conversation(talk.engine, talk.language)
    await third.open()
    await third.say("book_appointment", date=TOMORROW, time="16:00")
    await third.say("deny", text=f"{names[4]} {names[5]}")
    await third.say("affirm")
    assert written(third)[0][1] == {"date": TOMORROW, "time": "17:00"}


async def test_no_twice_leaves_everything_as_it_was(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512", reason="late")
    assert says_key(await talk.say("deny", text="no"), talk.language, "ask_what_to_change")
    reply = await talk.say("deny", text="no")
    assert says_key(reply, talk.language, "left_undone") and says_key(reply, talk.language, "anything_else")
    assert not written(talk)


async def test_a_question_in_between_is_answered_and_the_open_one_asked_in_short(talk: Conversation) -> None:
    await talk.say("cancel_order")
    reply = await talk.say("price_question", item="shoes")
    assert says_key(reply, talk.language, "price_answer")
    assert says_key(reply, talk.language, "ask_order_id_short") and reply.expectation is Expectation.DIGITS
    await talk.say("inform", digits="4512")
    await talk.say("inform", text="came too late")
    assert says_key(await talk.say("affirm"), talk.language, "cancel_order_done")


async def test_the_question_in_between_may_need_a_question_of_its_own(talk: Conversation) -> None:
    await talk.say("reschedule_delivery", digits="4512")
    assert says_key(await talk.say("price_question"), talk.language, "ask_item")
    reply = await talk.say("inform", item="shoes")
    assert says_key(reply, talk.language, "price_answer") and reply.expectation is Expectation.DATE


async def test_another_matter_goes_first_and_the_old_one_is_offered_again(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512")
    await talk.say("inform", text="too late for me")
    assert says_key(await talk.say("return_order"), talk.language, "ask_return_reason")
    await talk.say("inform", text="it is broken")
    reply = await talk.say("affirm")
    assert says_key(reply, talk.language, "return_order_done") and says_key(reply, talk.language, "resume_ask")
    assert says_key(await talk.say("affirm"), talk.language, "confirm_cancel_order")
    assert says_key(await talk.say("affirm"), talk.language, "cancel_order_done")
    assert [name for name, _ in written(talk)] == ["return_order", "cancel_order"]


async def test_what_was_put_aside_may_be_dropped(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512", reason="late")
    await talk.say("reschedule_delivery", date=TOMORROW)
    assert says_key(await talk.say("affirm"), talk.language, "resume_ask")
    assert says_key(await talk.say("deny", text="no"), talk.language, "anything_else")
    assert [name for name, _ in written(talk)] == ["reschedule_delivery"]


async def test_an_orders_number_is_not_mixed_up_between_matters(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512")
    await talk.say("order_status", digits="77001", text="x", confidence=0.9)
    await talk.say("affirm", text="yes please do that")
    assert all(arguments["order_id"] == "4512" for name, arguments in written(talk) if name == "cancel_order")


async def test_a_second_matter_of_the_same_sentence_is_served_next(talk: Conversation) -> None:
    reply = await talk.say("order_status", digits="4512", also=("price_question",), item="shoes")
    assert says_key(reply, talk.language, "order_status_shipped") and says_key(reply, talk.language, "next_matter_ask")
    assert says_key(await talk.say("affirm"), talk.language, "price_answer")


@pytest.mark.parametrize(
    ("intent", "key", "act"),
    [
        ("repeat", "ask_cancel_reason", None),
        ("wait", "please_wait_ok", None),
        ("who_are_you", "ask_cancel_reason", None),
        ("no_recording", "no_recording_done", "stop_recording"),
        ("goodbye", "goodbye", "end"),
    ],
)
async def test_a_courtesy_is_no_reason(talk: Conversation, intent: str, key: str, act: str | None) -> None:
    await talk.say("cancel_order", digits="4512")
    reply = await talk.say(intent, text="these are words enough for a reason")
    assert says_key(reply, talk.language, key) and "reason" not in talk.state.slots
    assert act is None or act in kinds(reply)


async def test_a_question_in_between_is_no_reason_and_the_reason_is_asked_again(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512")
    reply = await talk.say("price_question", text="what do shoes cost", confidence=0.99, item="shoes")
    assert says_key(reply, talk.language, "price_answer") and "reason" not in talk.state.slots
    await talk.say("price_question", text="the price is too high", confidence=0.99)
    assert talk.state.slots["reason"] == "the price is too high"
    assert says_key(await talk.say("affirm"), talk.language, "cancel_order_done")


@pytest.mark.parametrize(
    ("intent", "key"), [("refund_status", "refund_initiated"), ("order_status", "order_status_shipped")]
)
async def test_a_question_about_an_order_is_no_reason(talk: Conversation, intent: str, key: str) -> None:
    await talk.say("cancel_order", digits="4512")
    for word in sorted(REGISTRY.get(talk.language).lexicon.question_words)[:1]:
        reply = await talk.say(intent, text=f"xx {word} xx", confidence=0.99)
    assert says_key(reply, talk.language, key) and "reason" not in talk.state.slots
    assert says_key(reply, talk.language, "ask_cancel_reason") and reply.expectation is Expectation.TEXT
    await talk.say(intent, text="it has not come", confidence=0.99)
    assert talk.state.slots["reason"] == "it has not come"
    assert says_key(await talk.say("affirm"), talk.language, "cancel_order_done")


async def test_another_request_is_no_reason_but_a_complaint_may_name_anything(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512")
    reply = await talk.say("book_appointment", text="book an appointment", confidence=0.99)
    assert says_key(reply, talk.language, "ask_appointment_date") and "reason" not in talk.state.slots
    other = Conversation(talk.engine, talk.language)
    await other.open()
    await other.say("complaint")
    reply = await other.say("cancel_appointment", text="you cancelled my appointment", confidence=0.99)
    assert reply.actions[0].data["slots"] == {"reason": "you cancelled my appointment"}


async def test_who_wants_it_no_more_is_let_go_while_a_question_is_open(talk: Conversation) -> None:
    await talk.say("book_appointment")
    reply = await talk.say("not_interested", text="forget it")
    assert says_key(reply, talk.language, "left_undone") and not talk.shop.written
    await talk.say("book_appointment")
    assert says_key(await talk.say("deny", text="no leave it"), talk.language, "left_undone")
    await talk.say("book_appointment")
    assert says_key(await talk.say("deny", text="no"), talk.language, "ask_appointment_date_again")
    assert says_key(await talk.say("deny", text="no"), talk.language, "left_undone")


async def test_an_address_is_put_right_behind_a_no(talk: Conversation) -> None:
    await talk.say("change_address", digits="4512")
    await talk.say("inform", text="12 MG road Bangalore")
    no = sorted(REGISTRY.get(talk.language).lexicon.no_words, key=len)[0].split()[0]
    reply = await talk.say("inform", text=f"{no}, 15 MG road", number="15")
    assert says_key(reply, talk.language, "confirm_change_address") and talk.state.slots["address"] == "15 MG road"
    await talk.say("affirm")
    assert written(talk) == [("change_address", {"order_id": "4512", "address": "15 MG road"})]


async def test_one_number_is_the_count_or_the_money(talk: Conversation) -> None:
    await talk.say("request_quote", item="chairs")
    await talk.say("inform", number="20", text="twenty")
    await talk.say("inform", number="50000", text="fifty thousand")
    assert (talk.state.slots["quantity"], talk.state.slots["budget"]) == ("20", "50000")


async def test_a_day_that_is_past_is_said_so(talk: Conversation) -> None:
    await talk.say("reschedule_delivery", digits="4512")
    reply = await talk.say("inform", date="2026-11-20")
    assert says_key(reply, talk.language, "date_past") and reply.expectation is Expectation.DATE
    assert says_key(await talk.say("inform", date=LATER), talk.language, "confirm_reschedule_delivery")


async def test_a_taken_slot_leads_to_the_free_one(talk: Conversation) -> None:
    await talk.say("book_appointment", date=TOMORROW, time="09:00")
    reply = await talk.say("affirm")
    assert says_key(reply, talk.language, "confirm_book_appointment") and len(texts(reply)) == 2
    assert says_key(await talk.say("affirm"), talk.language, "book_appointment_done")
    assert [arguments["time"] for _, arguments in written(talk)] == ["09:00", "10:00"]


async def test_a_taken_slot_without_another_asks_again(talk: Conversation) -> None:
    await talk.say("reschedule_appointment", date=TOMORROW, time="09:00")
    reply = await talk.say("affirm")
    assert says_key(reply, talk.language, "appointment_slot_taken") and reply.expectation is Expectation.DATE


async def test_an_address_is_taken_as_it_is_said_and_corrected_as_a_whole(talk: Conversation) -> None:
    await talk.say("change_address", digits="4512")
    reply = await talk.say("out_of_scope", text="12 MG Road Pune")
    assert "12 MG Road Pune" in texts(reply)[0]
    await talk.say("deny", text="no")
    await talk.say("inform", text="14 MG Road Pune")
    await talk.say("affirm")
    assert written(talk)[0][1] == {"order_id": "4512", "address": "14 MG Road Pune"}


async def test_a_callback_is_written_or_kept_for_people(talk: Conversation) -> None:
    await talk.say("callback_later", date=TOMORROW, time="17:30")
    reply = await talk.say("affirm")
    assert says_key(reply, talk.language, "callback_done") and kinds(reply) == ["end"]
    other = Conversation(talk.engine, talk.language, shop=Shop(tools=()))
    await other.open()
    await other.say("callback_later", date=TOMORROW)
    assert says_key(await other.say("out_of_scope", text="mm"), other.language, "confirm_callback")
    reply = await other.say("affirm")
    assert kinds(reply) == ["callback", "end"] and reply.actions[0].data["slots"] == {"date": TOMORROW}


async def test_a_write_waits_for_the_commit_and_is_done_once(talk: Conversation) -> None:
    await talk.say("cancel_order", digits="4512", reason="late")
    state, heard = talk.state, meant("affirm")
    with pytest.raises(CommitNeeded):
        await talk.engine.handle_turn(state, heard, talk.profile, ReadOnly(talk.shop))
    assert not talk.shop.asked
    for _ in range(2):
        await talk.engine.handle_turn(state, heard, talk.profile, talk.shop)
    assert len(talk.shop.written) == 1


@pytest.mark.parametrize(
    ("result", "key"),
    [
        (ToolResult(ok=True, awaiting_approval=True), "approval_pending"),
        (ToolResult(ok=True, unsettled=True), "write_unsettled"),
        (ToolResult(ok=False, error="down"), "system_down"),
        (ToolResult(ok=True, found=False), "order_not_found"),
        (ToolResult(ok=True, data={"status": "too_late"}), "cancel_order_too_late"),
    ],
)
async def test_what_became_of_a_write_is_said(talk: Conversation, result: ToolResult, key: str) -> None:
    talk.shop.answers["cancel_order"] = result
    await talk.say("cancel_order", digits="4512", reason="late")
    assert says_key(await talk.say("affirm"), talk.language, key)


async def test_account_data_waits_for_the_second_factor(engine: DialogueEngine) -> None:
    for language in LANGUAGES:
        talk = Conversation(engine, language, profile(verification=VerificationPolicy()))
        await talk.open()
        reply = await talk.say("refund_status", digits="4512")
        assert says_key(reply, language, "ask_pin") and reply.expectation is Expectation.DIGITS
        assert not talk.shop.asked
        assert says_key(await talk.say("inform", digits="1111"), language, "ask_pin_again")
        reply = await talk.type("2468")
        assert says_key(reply, language, "verified_thanks") and says_key(reply, language, "refund_initiated")
        assert "2468" not in str(talk.state.to_json())
        await talk.say("cancel_order", reason="late")
        assert says_key(await talk.say("affirm"), language, "cancel_order_done")


async def test_a_caller_who_is_not_verified_reaches_a_person(engine: DialogueEngine) -> None:
    talk = Conversation(engine, LANGUAGES[0], profile(verification=VerificationPolicy(tries=2)))
    await talk.open()
    await talk.say("order_status", digits="4512")
    await talk.say("inform", digits="1111")
    reply = await talk.type("2222")
    assert says_key(reply, talk.language, "verification_failed") and kinds(reply) == ["handoff_whatsapp"]
    assert not talk.shop.asked


async def test_a_question_that_was_talked_over_is_asked_in_short(talk: Conversation) -> None:
    await talk.say("order_status")
    talk.state = replace(talk.state, cut=True)
    reply = await talk.say("out_of_scope", text="mm")
    assert says_key(reply, talk.language, "ask_order_id_short") and talk.state.misses == 0


async def test_goods_prices_hours_and_payments_are_answered(talk: Conversation) -> None:
    pack = REGISTRY.get(talk.language)
    assert says_key(await talk.say("product_question", item="shoes"), talk.language, "product_in_stock")
    assert says_key(await talk.say("store_hours", city="Pune"), talk.language, "store_hours_answer")
    reply = await talk.say("payment_issue", digits="4512", amount="500")
    assert says_key(reply, talk.language, "payment_debited_twice")
    assert any(spoken_date(pack, date.fromisoformat(LATER)) in text for text in texts(reply))
    assert says_key(await talk.say("cancel_appointment"), talk.language, "confirm_cancel_appointment")
    assert says_key(await talk.say("affirm"), talk.language, "cancel_appointment_done")


async def test_a_complaint_is_heard_out_and_passed_on(talk: Conversation) -> None:
    assert says_key(await talk.say("complaint"), talk.language, "ask_complaint")
    reply = await talk.say("inform", text="the box was broken")
    assert says_key(reply, talk.language, "complaint_ack") and kinds(reply) == ["handoff_whatsapp"]
    assert reply.actions[0].data["slots"] == {"reason": "the box was broken"}


async def test_an_old_stored_state_still_loads(engine: DialogueEngine) -> None:
    stored = {
        "language": "en-IN",
        "languages": ["en-IN", "hi-IN"],
        "flow": "order_status",
        "intent": "order_status",
        "slots": {"order_id.part": "45"},
        "awaiting": "order_id",
        "misses": 0,
        "idle": 1,
        "failures": 0,
        "not_found": 0,
        "said": {},
        "used": {"ask_order_id": 1},
        "last_replies": ["x"],
        "last_language": "en-IN",
        "language_votes": [],
        "escalation_reason": None,
        "done": [],
        "ended": False,
        "turn": 1,
    }
    talk = Conversation(engine, "en-IN")
    talk.state = DialogueState.from_json(stored)
    assert says_key(await talk.say("inform", digits="12"), "en-IN", "order_status_shipped")


@pytest.mark.parametrize(
    ("intent", "found"),
    [
        ("human_agent", {"digits": "2468"}),
        ("legal_threat", {"digits": "2468"}),
        ("report_fraud", {"digits": "2468"}),
        ("request_quote", {"digits": "2468", "amount": "250000", "quantity": "2468"}),
        ("stop_contact", {"digits": "2468"}),
    ],
)
async def test_a_secret_said_beside_another_matter_is_kept_nowhere(
    engine: DialogueEngine, intent: str, found: dict[str, str]
) -> None:
    talk = Conversation(engine, LANGUAGES[0], profile(verification=VerificationPolicy()))
    await talk.open()
    await talk.say("order_status", digits="4512")
    assert talk.state.awaiting == "verify:pin"
    reply = await talk.say(intent, text="2468 and something else", **found)
    assert reply.actions
    kept = str(talk.state.to_json()) + str([action.data for action in reply.actions])
    assert "2468" not in kept and "something else" not in kept
