"""A folder is all that a new language needs: dropped in while the service runs, it is understood and answered in."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.dialogue.turn import AgentProfile, ToolResult
from app.kit.signals import Signals
from app.language.loader import validate_pack
from app.language.normalise import words_of
from app.languages.mind import LiveMind
from app.languages.reload import PackReloads
from tests.languages.kannada import DISCLOSURES, GREETING, add_kannada

pytestmark = pytest.mark.integration

TAG = "kn-IN"


class NoTools:
    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        return ToolResult(ok=False, error=f"{name} is not there")

    def offers(self, name: str) -> bool:
        return False


@pytest.mark.slow
def test_the_table_makes_a_pack_that_keeps_the_floors(packs: Path) -> None:
    report = validate_pack(add_kannada(packs))
    assert not report.faults, "\n".join(map(str, report.faults[:20]))


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_folder_becomes_a_language_without_a_restart(
    live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis
) -> None:
    before = live.current
    reloads = PackReloads(live, models_dir, Signals(redis_client))
    add_kannada(packs)
    reading = await reloads.request()
    assert list(reading.taken) == [TAG] and not reading.rejected
    assert set(reading.unchanged) == {"en-IN", "hi-IN"}
    await reloads.settled()
    after = live.current
    assert TAG in after.registry.tags and TAG not in before.registry.tags
    assert after.registry.get("hi-IN") is before.registry.get("hi-IN")

    pack, right, total = after.registry.get(TAG), 0, 0
    for intent, forms in pack.tests.items():
        for text in forms["native"]:
            heard = after.understander.understand(text, enabled=after.registry.tags, current_language="en-IN")
            total += 1
            right += heard.intent == intent and heard.language.matrix == TAG
    assert right / total >= 0.75, f"{right} of {total}"

    profile = AgentProfile("tenant_1", "agent_1", "Sundar Stores", (TAG, "en-IN"), TAG)
    opening, state = await after.dialogue.open(profile, TAG)
    said = [say.text for say in opening.says]
    assert DISCLOSURES["recording"] in said and DISCLOSURES["entity"].replace("{entity}", "Sundar Stores") in said
    assert GREETING in said and {say.language for say in opening.says} == {TAG}

    heard = after.understander.understand("ಇನ್ನು ಕರೆ ಮಾಡಬೇಡಿ", enabled=profile.languages, current_language=state.language)
    assert heard.intent == "stop_contact"
    reply, state = await after.dialogue.handle_turn(state, heard, profile, NoTools())
    assert DISCLOSURES["opt_out_confirmation"] in [say.text for say in reply.says] and state.ended

    asked = after.understander.understand("ಕನ್ನಡದಲ್ಲಿ ಮಾತಾಡಿ", enabled=profile.languages, current_language="en-IN")
    assert asked.language.requested == TAG
    assert len(words_of(pack.responses["greeting_ask"][0])) == 4
    day = after.understander.understand("ನಾಳೆ", enabled=profile.languages, current_language=TAG, expectation="date")
    assert (day.intent, [entity.kind for entity in day.entities]) == ("inform", ["date"])
