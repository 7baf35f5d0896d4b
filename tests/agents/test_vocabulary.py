"""An agent's vocabulary over the API: kept as written, refused with place and cure, given to the dialogue's profile."""

import unicodedata
from typing import Any

import pytest

from app.agents.vocabulary import MOST_PHRASES, phrase
from tests.house import House

pytestmark = pytest.mark.integration
WORDS = ["Zenfone", "காஞ்சி பட்டு", "AB-####", "########", "Sundar & Sons"]


async def test_the_words_of_a_business_are_kept_and_reach_the_call(house: House) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent(vocabulary=[*WORDS, "zenfone", "  Kanchi   Silk "])
    assert agent["vocabulary"] == [*WORDS, "Kanchi Silk"]
    profile = (await house.services.agents.get(tenant.tenant_id, agent["id"])).profile()
    assert profile.vocabulary == (*WORDS, "Kanchi Silk")
    changed = await tenant.ok("PATCH", f"/v1/agents/{agent['id']}", json={"vocabulary": ["Only This"]})
    assert changed["vocabulary"] == ["Only This"]
    renamed = await tenant.ok("PATCH", f"/v1/agents/{agent['id']}", json={"name": "Other"})
    assert renamed["vocabulary"] == ["Only This"]


@pytest.mark.parametrize(
    ("wrong", "pointer", "cure"),
    [
        (["fine", "a"], "/body/vocabulary/1", "2 to 60 characters"),
        (["x" * 61], "/body/vocabulary/0", "2 to 60 characters"),
        (["iPhone 15"], "/body/vocabulary/0", "as they are said"),
        (["a@b"], "/body/vocabulary/0", "'@'"),
        (["ok", "fine", "12##AB"], "/body/vocabulary/2", "figures"),
        (["##AB"], "/body/vocabulary/0", "letters after a digit"),
        (["#" * 17], "/body/vocabulary/0", "more than 16"),
        (["- -"], "/body/vocabulary/0", "two letters"),
        ([7], "/body/vocabulary/0", "string"),
        (["word"] * (MOST_PHRASES + 1), "/body/vocabulary", "500"),
        ("Zenfone", "/body/vocabulary", "list"),
    ],
)
async def test_what_is_no_phrase_is_refused_with_place_and_cure(
    house: House, wrong: Any, pointer: str, cure: str
) -> None:
    tenant = await house.tenant()
    body = {"name": "S", "entity_name": "S", "languages": ["hi-IN"], "default_language": "hi-IN", "vocabulary": wrong}
    answer = await tenant.request("POST", "/v1/agents", json=body)
    assert answer.status_code == 422
    found = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert pointer in found and cure in found[pointer], found


def test_a_phrase_is_stored_in_one_unicode_form() -> None:
    assert phrase(unicodedata.normalize("NFD", "கொச்சி")) == "கொச்சி"
