"""The language of an utterance, measured on the packs' own held-out sentences and on hand-made mixtures."""

from statistics import median
from time import perf_counter

import pytest

from app.language.identify import identify
from app.language.loader import PackRegistry

pytestmark = pytest.mark.langpack


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


def test_an_utterance_costs_little(registry: PackRegistry) -> None:
    texts = [text for pack in registry.packs for forms in pack.tests.values() for text in forms["asr"]]
    identify(texts[0], registry.packs)
    times = []
    for text in texts:
        start = perf_counter()
        identify(text, registry.packs)
        times.append(perf_counter() - start)
    assert median(times) < 0.005
