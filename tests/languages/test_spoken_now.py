"""An agent goes on in the languages whose packs serve; with none of them left it does not answer."""

import pytest

from app.dialogue.turn import AgentProfile
from app.errors import NotFound
from app.integrations.directory import spoken_now

pytestmark = pytest.mark.unit

PROFILE = AgentProfile("tenant_1", "agent_1", "Sundar Stores", ("hi-IN", "en-IN", "ta-IN"), "hi-IN")


def test_all_there_changes_nothing() -> None:
    assert spoken_now(PROFILE, {"en-IN", "hi-IN", "ta-IN", "te-IN"}) == PROFILE


def test_a_missing_default_gives_way_to_the_next_language() -> None:
    left = spoken_now(PROFILE, {"en-IN", "ta-IN"})
    assert left.languages == ("en-IN", "ta-IN") and left.default_language == "en-IN"


def test_no_language_is_no_agent() -> None:
    with pytest.raises(NotFound, match="packs validate"):
        spoken_now(PROFILE, {"te-IN"})
