from pathlib import Path

import pytest
import yaml

from app.errors import ConfigError
from app.simulate.scenario import find, load, shipped_names

pytestmark = pytest.mark.unit

GOOD = {
    "name": "a-call",
    "summary": "Somebody rings.",
    "language": "hi-IN",
    "voices": {"hi-IN": "hi+m5"},
    "from_number": "+919876500001",
    "steps": [{"say": "नमस्ते"}],
}


def written(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "a-call.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_loads_under_its_own_name(name: str) -> None:
    assert load(find(name)).name == name


def test_shipped_scenarios_have_numbers_of_their_own() -> None:
    numbers = [load(find(name)).from_number for name in shipped_names()]
    assert len(numbers) >= 12 and len(set(numbers)) == len(numbers)


def test_plain_words_and_spans_are_read(tmp_path: Path) -> None:
    spans = {"spans": [{"text": "order number है", "pause_ms": 300}, {"text": "four five", "language": "en-IN"}]}
    voices = {"hi-IN": "hi+m5", "en-IN": "en-us+m5"}
    scenario = load(written(tmp_path, voices=voices, steps=[{"say": "हाँ"}, {"say": spans}]))
    assert scenario.steps[0].say is not None and scenario.steps[0].say.text == "हाँ"
    assert scenario.steps[1].say is not None and scenario.steps[1].say.words == "order number है four five"


@pytest.mark.parametrize(
    ("changes", "place", "cure"),
    [
        ({"steps": [{"say": "a"}, {"sya": "b"}]}, "steps[1].sya", "no such field"),
        ({"steps": [{"press": "12x"}]}, "steps[0].press", "pattern"),
        ({"steps": [{"say": "a", "press": "1"}]}, "steps[0]", "make it 2 steps"),
        ({"steps": [{}]}, "steps[0]", "a step needs"),
        ({"steps": [{"say": {"text": "a", "language": "ta-IN"}}]}, "the file", "ta-IN: xx+m5"),
        ({"steps": [{"press": "1", "hang_up_after_ms": 5}]}, "steps[0]", "needs say or wav"),
        ({"expect": {"heard": ["("]}}, "expect.heard", "not a regular expression"),
        ({"from_number": "98765"}, "from_number", "pattern"),
        ({"summary": None}, "summary", "string"),
        ({"noise": {"snr_db": 900}}, "noise.snr_db", "less than or equal"),
    ],
)
def test_a_wrong_file_is_told_by_file_line_place_and_cure(
    tmp_path: Path, changes: dict[str, object], place: str, cure: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        load(path)
    first = caught.value.detail.splitlines()[0]
    assert first.startswith(f"{path}:") and f" {place}: " in first and cure in first
    line = int(first.removeprefix(f"{path}:").split(":")[0])
    key = place.split(".")[-1].split("[")[0]
    if place != "the file" and "[" not in place:
        assert f"{key}:" in path.read_text(encoding="utf-8").splitlines()[line - 1]


def test_a_missing_field_and_broken_yaml_are_told(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("name: b\n")
    with pytest.raises(ConfigError, match="steps: is required; add it"):
        load(path)
    path.write_text("name: [b\n")
    with pytest.raises(ConfigError, match="not YAML"):
        load(path)


def test_an_unknown_scenario_names_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"not one of the shipped scenarios: .*barge-in"):
        find("no-such-call")
