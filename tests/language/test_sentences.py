"""Further sentences of a pack: read by intent, each fault with its line, none of them among what measures them."""

import shutil
from pathlib import Path

import pytest

from app.errors import PackError
from app.language.loader import PackRegistry, validate_pack
from app.language.normalise import words_of
from app.language.sentences import FILE_NAME, read_sentences

pytestmark = pytest.mark.unit

INTENTS = ("wait", "slower")


@pytest.fixture
def english(tmp_path: Path, packs_dir: Path) -> Path:
    shutil.copy(packs_dir / "contract.yaml", tmp_path)
    shutil.copytree(packs_dir / "en-IN", tmp_path / "en-IN")
    return tmp_path / "en-IN"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / FILE_NAME
    path.write_text(text, encoding="utf-8")
    return path


def test_sentences_come_by_intent_and_notes_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, "# of traders\nwait\tHalf a minute, no?\n\nslower\tspeak slow\nwait\tyou wait\n")
    found, problems = read_sentences(path, INTENTS, {}, ())
    assert found == {"wait": ("Half a minute, no?", "you wait"), "slower": ("speak slow",)}
    assert problems == []


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("wait please hold", "one tab"),
        ("wait\t", "one tab"),
        ("wait\t?!", "one tab"),
        ("wait\thold\ton", "one tab"),
        ("fly\tto the moon", "no intent of the contract"),
        ("wait\tcafe\u0301 first", "form NFC"),
        ("wait\tTODO later", "unfinished"),
        ("wait\tHold on!", "one of the tests"),
        ("wait\tSpeak slowly.", "also stands under slower"),
        ("slower\tjust a minute", "also stands under wait"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: str, cure: str) -> None:
    path = written(tmp_path, f"wait\tjust a minute\n{line}\nslower\tgo slow\n")
    found, [problem] = read_sentences(path, INTENTS, {"speak slowly": "slower"}, {"hold on"})
    assert found == {"wait": ("just a minute",), "slower": ("go slow",)}
    assert problem.line == 2 and cure in problem.cure and str(problem).startswith(f"{FILE_NAME}:2: ")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"wait\t\xff\xfe")
    with pytest.raises(PackError, match=rf"{FILE_NAME}: cannot be read as UTF-8"):
        read_sentences(tmp_path / FILE_NAME, INTENTS, {}, ())


def test_a_pack_needs_none_and_another_file_is_another_version(english: Path) -> None:
    (english / FILE_NAME).unlink(missing_ok=True)
    registry = PackRegistry.load(english.parent)
    assert registry.get("en-IN").sentences == {}
    (english / FILE_NAME).write_text("wait\tkindly be on the line for some time\n", encoding="utf-8")
    again = registry.again()
    assert again.get("en-IN").sentences == {"wait": ("kindly be on the line for some time",)}
    assert again.versions != registry.versions


@pytest.mark.parametrize("content", [b"fly\tto the moon\n", b"\xff"])
def test_a_pack_with_a_faulty_file_does_not_load(english: Path, content: bytes) -> None:
    (english / FILE_NAME).write_bytes(content)
    [fault] = validate_pack(english).faults
    assert fault.file == FILE_NAME
    with pytest.raises(PackError, match=rf"en-IN/{FILE_NAME}"):
        PackRegistry.load(english.parent)


def test_no_shipped_sentence_is_among_those_that_measure_it(packs_dir: Path, registry: PackRegistry) -> None:
    for pack in registry.packs:
        measured = {
            " ".join(words_of(line.partition("\t")[0]))
            for path in (packs_dir / pack.tag / "tests" / "evals").glob("*.tsv")
            for line in path.read_text(encoding="utf-8").splitlines()[1:]
        }
        assert pack.sentences and measured, pack.tag
        heard = {" ".join(words_of(text)) for texts in pack.sentences.values() for text in texts}
        assert not heard & measured, pack.tag


def test_every_intent_of_a_shipped_pack_has_some(registry: PackRegistry) -> None:
    for pack in registry.packs:
        assert {intent for intent, texts in pack.sentences.items() if len(texts) >= 20} == set(pack.intents), pack.tag
