"""The language of an utterance, measured on the packs' own held-out sentences and on hand-made mixtures."""

from collections import Counter
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from indic_transliteration import sanscript

from app.language.identify import identify
from app.language.loader import PackRegistry
from tests.language.requests import REQUESTS

pytestmark = pytest.mark.langpack

HELD_OUT = Path(__file__).parent / "utterances.tsv"
SCHEMES = {"hi-IN": sanscript.DEVANAGARI, "ta-IN": sanscript.TAMIL, "te-IN": sanscript.TELUGU}


@pytest.mark.parametrize(
    ("text", "matrix"),
    [
        ("payment ho gaya", "hi-IN"),
        ("मेरा order कहाँ है", "hi-IN"),
        ("mera order kahan hai", "hi-IN"),
        ("en order enga irukku", "ta-IN"),
        ("என் order எங்க", "ta-IN"),
        ("naa order ekkada undi", "te-IN"),
        ("నా order ఎక్కడ ఉంది", "te-IN"),
        ("where is my order", "en-IN"),
        ("please cancel the delivery", "en-IN"),
        ("4512", None),
        ("", None),
        ("...", None),
        ("你好", None),
    ],
)
def test_matrix(registry: PackRegistry, text: str, matrix: str | None) -> None:
    assert identify(text, registry.packs).matrix == matrix


def test_tokens_and_switches(registry: PackRegistry) -> None:
    guess = identify("मेरा payment नहीं हुआ 500", registry.packs)
    assert guess.token_tags == ("hi-IN", "en-IN", "hi-IN", "hi-IN", "und")
    assert guess.switch_points == (1, 2)


@pytest.mark.parametrize(
    ("text", "requested"),
    [
        ("talk to me in Tamil", "ta-IN"),
        ("tamil la pesunga", "ta-IN"),
        ("தமிழ்ல பேசுங்க", "ta-IN"),
        ("हिंदी में बात करो", "hi-IN"),
        ("telugulo matladandi", "te-IN"),
        ("please speak in english", "en-IN"),
        ("मुझे english नहीं आती हिंदी में बोलिए", "hi-IN"),
        ("i do not understand english speak in hindi", "hi-IN"),
        ("i don't speak hindi", None),
        ("tamil", None),
        ("i bought a hindi book", None),
        ("please speak slowly", None),
        ("tell me the price of that hindi book", None),
        ("tell me about shops in tamilnadu", None),
    ],
)
def test_explicit_request(registry: PackRegistry, text: str, requested: str | None) -> None:
    assert identify(text, registry.packs).requested == requested


@pytest.mark.parametrize("spoken", sorted(REQUESTS))
@pytest.mark.parametrize("wanted", sorted(REQUESTS))
def test_any_language_may_be_asked_for_in_any_language_and_form(
    registry: PackRegistry, spoken: str, wanted: str
) -> None:
    for form, by_wanted in REQUESTS[spoken].items():
        for text in by_wanted[wanted]:
            for current in registry.tags:
                assert identify(text, registry.packs, current=current).requested == wanted, (form, text, current)


def test_no_other_sentence_of_the_packs_asks_for_a_language(registry: PackRegistry) -> None:
    for pack in registry.packs:
        for source in (pack.intents, pack.tests):
            for intent, forms in source.items():
                for texts in forms.values() if intent != "change_language" else ():
                    for text in texts:
                        assert identify(text, registry.packs).requested is None, (intent, text)


def test_only_enabled_languages_carry_a_sentence_but_any_may_be_asked_for(registry: PackRegistry) -> None:
    guess = identify("tamil la pesunga", registry.packs, enabled=["en-IN", "hi-IN"], current="hi-IN")
    assert guess.matrix in ("en-IN", "hi-IN")
    assert guess.requested == "ta-IN"


def test_current_language_decides_a_noise(registry: PackRegistry) -> None:
    for tag in registry.tags:
        assert identify("ok", registry.packs, current=tag).matrix == tag


def test_recognisers_tag_sways_what_the_words_leave_open(registry: PackRegistry) -> None:
    assert identify("ok", registry.packs, current="hi-IN", asr_tag="ta-IN").matrix == "ta-IN"
    assert identify("मेरा order कहाँ है", registry.packs, asr_tag="en-IN").matrix == "hi-IN"


def test_foreign_text_is_believed_less(registry: PackRegistry) -> None:
    german = "ich habe gestern ein paket bestellt aber leider ist es nicht angekommen"
    assert identify(german, registry.packs).confidence < 0.6


@pytest.mark.parametrize("form", ["native", "romanised", "asr"])
def test_held_out_sentences_keep_their_language(registry: PackRegistry, form: str) -> None:
    right, total, wrong = 0, 0, []
    for pack in registry.packs:
        for forms in pack.tests.values():
            for text in forms.get(form, ()):
                guess = identify(text, registry.packs, current=pack.tag)
                total += 1
                right += guess.matrix == pack.tag
                if guess.matrix != pack.tag:
                    wrong.append(f"{pack.tag} {guess.matrix} {text}")
    assert right / total >= {"native": 0.97, "romanised": 0.93, "asr": 0.93}[form], "\n".join(wrong)


def test_sentences_that_no_pack_holds_are_told_apart(registry: PackRegistry) -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong = []
    for line in HELD_OUT.read_text(encoding="utf-8").splitlines()[1:]:
        tag, _, text = line.split("\t")
        guess = identify(text, registry.packs)
        total[tag] += 1
        right[tag] += guess.matrix == tag
        if guess.matrix != tag:
            wrong.append(f"{tag} {guess.matrix} {text}")
    assert set(total) == set(registry.tags) and min(total.values()) >= 25
    assert min(right[tag] / total[tag] for tag in total) >= 0.92, wrong


@pytest.mark.parametrize(
    "text",
    [
        "is the anna nagar showroom open on pongal",
        "i bought a kurta and two dupattas for diwali",
        "this is venkateswara rao from vijayawada about my order",
        "please send the kanjivaram saree to thanjavur",
    ],
)
def test_names_and_things_do_not_carry_a_sentence(registry: PackRegistry, text: str) -> None:
    assert identify(text, registry.packs).matrix == "en-IN"


@pytest.mark.parametrize("tag", sorted(SCHEMES))
@pytest.mark.parametrize("script", sorted(SCHEMES))
def test_a_language_is_known_in_anothers_letters(registry: PackRegistry, tag: str, script: str) -> None:
    """As a recogniser that writes the wrong script would have it."""
    if tag == script:
        return
    texts = [text for forms in registry.get(tag).tests.values() for text in forms["native"]]
    found = [identify(sanscript.transliterate(t, SCHEMES[tag], SCHEMES[script]), registry.packs) for t in texts]
    assert sum(guess.matrix == tag for guess in found) / len(found) >= 0.6


def test_the_evidence_is_named_in_its_order(registry: PackRegistry) -> None:
    assert identify("payment ho gaya", registry.packs).evidence == ("words", "grammar")
    assert identify("मेरा order", registry.packs).evidence == ("script", "grammar")
    assert "state" in identify("zzxq", registry.packs, current="ta-IN").evidence
    assert "asr" in identify("ok", registry.packs, asr_tag="ta-IN").evidence
    marathi = identify("माझी ऑर्डर अजून आलेली नाही मला पैसे परत पाहिजेत", registry.packs)
    assert marathi.evidence[-1] == "stranger:mr" and marathi.confidence <= 0.5
    assert identify("4512", registry.packs).evidence == ()


def test_an_utterance_costs_little(registry: PackRegistry) -> None:
    texts = [text for pack in registry.packs for forms in pack.tests.values() for text in forms["asr"]]
    identify(texts[0], registry.packs)
    times = []
    for text in texts:
        start = perf_counter()
        identify(text, registry.packs)
        times.append(perf_counter() - start)
    assert median(times) < 0.005
