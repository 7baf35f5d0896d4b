"""Packs are found by their folders; a faulty one is refused with file, key and cure."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from app.errors import NotFound, PackError
from app.language.approval import approve
from app.language.identify import identify
from app.language.loader import PackRegistry, load_pack, validate_pack
from app.language.numbers import parse_digits, spoken_amount, spoken_digits

pytestmark = pytest.mark.unit

Edit = Callable[[dict[str, object]], object]


@pytest.fixture
def packs(tmp_path: Path, packs_dir: Path) -> Path:
    """A folder with the contract and the English pack only."""
    folder = tmp_path / "packs"
    folder.mkdir()
    shutil.copy(packs_dir / "contract.yaml", folder)
    shutil.copytree(packs_dir / "en-IN", folder / "en-IN")
    return folder


def edit(path: Path, change: Edit) -> None:
    doc = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    change(doc)
    path.write_text(yaml.safe_dump(doc, allow_unicode=True), encoding="utf-8")


def test_folder_without_manifest_is_no_pack(packs: Path) -> None:
    (packs / "notes").mkdir()
    assert PackRegistry.load(packs).tags == ("en-IN",)


def test_unknown_tag_is_not_found(packs: Path) -> None:
    with pytest.raises(NotFound, match="en-IN"):
        PackRegistry.load(packs).get("xx-XX")


def test_no_pack_at_all_is_an_error(tmp_path: Path, packs_dir: Path) -> None:
    shutil.copy(packs_dir / "contract.yaml", tmp_path)
    with pytest.raises(PackError, match="add a folder"):
        PackRegistry.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("intents.yaml", lambda d: d.pop("affirm"), r"en-IN/intents.yaml: affirm: missing"),
        ("intents.yaml", lambda d: d.update(fly={"native": ["a"]}), r"intents.yaml:\d+: fly: no intent"),
        ("intents.yaml", lambda d: d["wait"].update(asr=[]), r"wait.asr: fewer than 2"),
        ("intents.yaml", lambda d: d["wait"].update(native=["TODO"], mixed=["b", "c"]), r"unfinished"),
        ("intents.yaml", lambda d: d["wait"]["asr"].append("yes please"), r"also stands under"),
        ("intents.yaml", lambda d: d["wait"]["asr"].append("cafe\u0301"), r"form NFC"),
        ("tests/intents.yaml", lambda d: d["wait"].update(asr=["hold on please"]), r"also an example"),
        ("tests/intents.yaml", lambda d: d["wait"].update(asr=[]), r"at least 6 needed"),
        ("responses.yaml", lambda d: d.pop("checking"), r"responses.yaml: checking: missing"),
        ("responses.yaml", lambda d: d.update(order_not_found=["None."]), r"must hold \{order_id\}"),
        ("responses.yaml", lambda d: d.update(checking=["नमस्ते"]), r"letters of Deva"),
        ("disclosures.yaml", lambda d: d["ai"].update(text="Hello there."), r"changed after its approval"),
        ("disclosures.yaml", lambda d: d["ai"].pop("approved_by"), r"not approved"),
        ("disclosures.yaml", lambda d: d["entity"].update(text="Hello."), r"exactly \{entity\}"),
        ("whatsapp.yaml", lambda d: d["order_update"].update(body="Order {{2}} is {{1}} now."), r"rising order"),
        ("whatsapp.yaml", lambda d: d["order_update"].update(examples=["x"]), r"give 2 examples"),
        ("errors.yaml", lambda d: d.update(message_too_long="Too long."), r"exactly \{limit\}"),
        ("lexicon.yaml", lambda d: d.update(months=["May"]), r"exactly 12 needed"),
        ("lexicon.yaml", lambda d: d["digit_words"].update(four="44"), r"digit_words.four"),
        ("lexicon.yaml", lambda d: d["function_words"].update(native=["a"]), r"at least 120 needed"),
        (
            "intents.yaml",
            lambda d: d["wait"]["asr"].append({"a": "b"}),
            r"intents.yaml:\d+: wait.asr\[\d+\]: no sentence",
        ),
        ("tests/intents.yaml", lambda d: d["wait"]["asr"].append(["a"]), r"wait.asr\[\d+\]: no sentence"),
        ("responses.yaml", lambda d: d.update(checking=["One\u200b moment."]), r"invisible sign, U\+200B"),
        (
            "lexicon.yaml",
            lambda d: d["alarm_words"].update(rubbish="anguish"),
            r"lexicon.yaml:\d+: alarm_words.rubbish",
        ),
        ("tests/values.yaml", lambda d: d.update(heared={}), r"values.yaml:\d+: heared: no part"),
        ("tests/values.yaml", lambda d: d["heard"].update(digits=["a"]), r"heard.digits: give \{given: wanted\}"),
        ("manifest.yaml", lambda d: d.update(fallback=["en-IN"]), r"en-IN: no such pack beside"),
        ("manifest.yaml", lambda d: d.update(tag="hi-IN"), r"equal the folder's name"),
        ("manifest.yaml", lambda d: d.update(scripts=["Latin"]), r"manifest.yaml:\d+: scripts"),
        ("manifest.yaml", lambda d: d["tts"].update(rate_wpm="fast"), r"tts.rate_wpm"),
        ("manifest.yaml", lambda d: d.update(fallback=["hi-IN"]), r"no such pack"),
        ("manifest.yaml", lambda d: d.update(numbers="klingon"), r"no engine"),
    ],
)
def test_fault_is_refused_with_its_place(packs: Path, file: str, change: Edit, expected: str) -> None:
    edit(packs / "en-IN" / file, change)
    with pytest.raises(PackError, match=expected):
        PackRegistry.load(packs)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [", r"not readable as YAML"),
        (b"a: b\na: c\n", r"stands twice"),
        (b"- a\n", r"holds no mapping"),
        (b"\xff\xfe", r"UTF-8"),
    ],
)
def test_unreadable_file_is_refused(packs: Path, content: bytes, expected: str) -> None:
    (packs / "en-IN" / "errors.yaml").write_bytes(content)
    with pytest.raises(PackError, match=rf"en-IN/errors\.yaml(:\d+)?: .*{expected}"):
        PackRegistry.load(packs)
    assert validate_pack(packs / "en-IN").grade == "F"


def test_missing_file_is_named(packs: Path) -> None:
    (packs / "en-IN" / "tests" / "intents.yaml").unlink()
    with pytest.raises(PackError, match=r"en-IN/tests/intents\.yaml: file: missing"):
        PackRegistry.load(packs)


def test_approval_binds_the_text_and_lets_it_load(packs: Path) -> None:
    path = packs / "en-IN" / "disclosures.yaml"
    edit(path, lambda d: d["ai"].update(text='I am an "automated" assistant.'))  # type: ignore[attr-defined,index]
    assert approve(packs / "en-IN", "A. Reader", "2026-11-21") == ["ai"]
    pack = PackRegistry.load(packs).get("en-IN")
    assert pack.disclosures["ai"].text == 'I am an "automated" assistant.'
    assert pack.disclosures["ai"].approved_by == "A. Reader"
    assert pack.disclosures["entity"].approved_by != "A. Reader"


def test_approving_an_unknown_key_is_refused(packs: Path) -> None:
    with pytest.raises(PackError, match="nothing: missing"):
        approve(packs / "en-IN", "A. Reader", "2026-11-21", ["nothing"])


def test_reading_again_takes_a_change_and_keeps_what_is_wrong_now_as_it_was(packs: Path) -> None:
    before = PackRegistry.load(packs)
    path = packs / "en-IN" / "responses.yaml"
    assert before.again().get("en-IN") is before.get("en-IN")
    edit(path, lambda d: d.update(checking=["Let me look."]))
    after = before.again()
    assert after.get("en-IN").responses["checking"] == ("Let me look.",)
    assert after.versions != before.versions and before.get("en-IN").responses["checking"] != ("Let me look.",)
    edit(path, lambda d: d.pop("checking"))
    kept = after.again()
    assert kept.get("en-IN") is after.get("en-IN")
    assert [(report.tag, report.faults[0].key) for report in kept.rejected] == [("en-IN", "checking")]


def test_one_bad_pack_does_not_stop_the_others_at_the_start(packs: Path, packs_dir: Path) -> None:
    shutil.copytree(packs_dir / "hi-IN", packs / "hi-IN")
    edit(packs / "en-IN" / "errors.yaml", lambda d: d.pop("invalid_date"))
    registry = PackRegistry.open(packs)
    assert registry.tags == ("hi-IN",)
    (report,) = registry.rejected
    assert report.tag == "en-IN" and report.faults[0].key == "invalid_date"
    with pytest.raises(PackError, match=r"en-IN/errors\.yaml: invalid_date"):
        PackRegistry.load(packs)


def test_fifth_language_needs_no_code(tmp_path: Path, packs_dir: Path) -> None:
    """A Kannada folder, its words borrowed in shape from the Telugu one, is found, identified and counted with."""
    folder = tmp_path / "packs"
    shutil.copytree(packs_dir, folder)
    shutil.copytree(folder / "te-IN", folder / "kn-IN")
    for path in (folder / "kn-IN").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text("".join(chr(ord(c) + 0x80) if 0x0C00 <= ord(c) <= 0x0C7F else c for c in text), "utf-8")
    edit(
        folder / "kn-IN" / "manifest.yaml",
        lambda d: d.update(tag="kn-IN", name="Kannada", scripts=["Knda", "Latn"], numbers="kn"),
    )
    approve(folder / "kn-IN", "A. Reader", "2026-11-21")
    registry = PackRegistry.load(folder)
    assert "kn-IN" in registry.tags
    pack = load_pack(folder / "kn-IN", registry.contract)
    assert identify("ನನ್ನ order ಎಲ್ಲಿ", registry.packs).matrix == "kn-IN"
    assert parse_digits(spoken_digits(pack, "4512"), [pack]) == "4512"
    assert "ಸಾವಿರ" in spoken_amount(pack, 2000)
