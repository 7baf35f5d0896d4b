"""A new pack starts with every file, what is known beforehand, and TODO for the rest, which validation refuses."""

from pathlib import Path

import pytest

from app.errors import Conflict, Unprocessable
from app.language.contract import load_contract
from app.language.loader import PackRegistry, validate_pack
from app.language.scaffold import facts_of, scaffold
from app.language.source import read_yaml
from app.language.vocabulary import CODES, LISTS, vocabulary_faults, vocabulary_of
from tests.packs import PACKS_DIR

pytestmark = pytest.mark.unit


def new(folder: Path, tag: str, registry: PackRegistry) -> Path:
    return scaffold(folder, tag, load_contract(PACKS_DIR), registry.packs)


@pytest.mark.parametrize("tag", ["kn-IN", "ml-IN", "mr-IN", "bn-IN", "ur-IN", "xx-IN"])
def test_every_file_is_there_and_only_todo_is_wrong(registry: PackRegistry, tmp_path: Path, tag: str) -> None:
    folder = new(tmp_path, tag, registry)
    (tmp_path / "en-IN").mkdir()
    contract = load_contract(PACKS_DIR)
    responses = read_yaml(folder / "responses.yaml")
    assert list(responses) == list(contract.responses)
    assert list(read_yaml(folder / "intents.yaml")) == list(contract.intents)
    report = validate_pack(folder, contract)
    assert report.grade == "F" and len(report.faults) > 5
    assert all("TODO" in fault.cure or tag != "kn-IN" or fault.line for fault in report.faults)


def test_what_is_known_is_filled_in(registry: PackRegistry, tmp_path: Path) -> None:
    folder = new(tmp_path, "kn-IN", registry)
    manifest = read_yaml(folder / "manifest.yaml")
    assert manifest["scripts"] == ["Knda", "Latn"] and manifest["numbers"] == "kn"
    assert "U+0C80-U+0CFF" in (folder / "manifest.yaml").read_text(encoding="utf-8")
    words = read_yaml(folder / "lexicon.yaml")
    assert (
        words["digit_names"][2] == "ಎರಡು" and words["digit_words"]["ಎರಡು"] == "2" and words["digit_words"]["two"] == "2"
    )
    assert words["months"][0] == "ಜನವರಿ" and words["language_names"]["ತಮಿಳು"] == "ta-IN"
    assert len(facts_of("kn").weekdays) == 7 and facts_of("xx").name == "TODO"


def test_the_vocabulary_has_known_days_and_waits_for_the_rest(registry: PackRegistry, tmp_path: Path) -> None:
    folder = new(tmp_path, "kn-IN", registry)
    text = (folder / "vocabulary.yaml").read_text(encoding="utf-8")
    words = read_yaml(folder / "vocabulary.yaml")
    assert all("unfinished" in cure for _, cure in vocabulary_faults(words))
    days = vocabulary_of(words).calendar
    assert days[("ಸೋಮವಾರ",)] == "mon" and days[("ಡಿಸೆಂಬರ್",)] == "m12"
    assert "r1: [TODO]  # en-IN: tomorrow" in text and '#   "Pune": []  # en-IN: pune, poona' in text
    faults = [f for f in validate_pack(folder, load_contract(PACKS_DIR)).faults if f.file == "vocabulary.yaml"]
    assert {fault.key for fault in faults} >= {"calendar.r1", "clock.hour"}
    assert all("unfinished" in fault.cure and fault.line for fault in faults)


def test_the_optional_sections_of_a_vocabulary_are_right_once_taken_up(registry: PackRegistry, tmp_path: Path) -> None:
    file = new(tmp_path, "kn-IN", registry) / "vocabulary.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()[3:]
    taken = "\n".join(line.removeprefix("# ").replace(": []", ": [word]").replace("TODO", "word") for line in lines)
    file.write_text(taken, encoding="utf-8")
    words = read_yaml(file)
    assert set(words) == {*CODES, *LISTS} and list(vocabulary_faults(words)) == []


def test_guidance_shows_what_to_say(registry: PackRegistry, tmp_path: Path) -> None:
    text = (new(tmp_path, "kn-IN", registry) / "disclosures.yaml").read_text(encoding="utf-8")
    assert f"# en-IN: {registry.get('en-IN').disclosures['recording'].text}" in text


def test_a_folder_that_is_there_stays_as_it_is(registry: PackRegistry, tmp_path: Path) -> None:
    new(tmp_path, "kn-IN", registry)
    with pytest.raises(Conflict, match="exists"):
        new(tmp_path, "kn-IN", registry)
    with pytest.raises(Unprocessable, match="names no region; add one, such as mr-IN"):
        new(tmp_path, "mr", registry)
    with pytest.raises(Unprocessable, match="no BCP-47 tag"):
        new(tmp_path, "../kn", registry)
