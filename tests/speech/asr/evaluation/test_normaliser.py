"""The pinned normaliser: each rule of its docstring, and that it settles at once."""

import hypothesis
import pytest
from hypothesis import strategies as st

from app.language.packs import Pack
from app.speech.asr.evaluation.normaliser import VERSION, comparable, normalise, with_digits
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack

RULES = {
    "latin": [("Don't STOP, the O'Clock!", "dont stop the oclock"), ("pre-paid (order)", "pre paid order")],
    "format": [("హైదరాబాద్\u200cలో", "హైదరాబాద్లో"), ("\ufeffहाँ\u200d", "हां"), ("a\u00ad b", "a b")],
    "nukta": [("ज़रूर क़लम फ़ोन", "जरूर कलम फोन"), ("बड़ा पढ़ाई", "बड़ा पढ़ाई"), ("\u0958लम", "कलम")],
    "nasal": [("हाँ मुँह", "हां मुंह"), ("हिन्दी सम्पर्क ठण्डा पञ्च", "हिंदी संपर्क ठंडा पंच"), ("హిన్దీ", "హిందీ")],
    "nasal kept": [("जन्म अन्न उन्हें", "जन्म अन्न उन्हें"), ("அந்த தம்பி", "அந்த தம்பி"), ("న్యాయం", "న్యాయం")],
    "endings": [("छः", "छह"), ("रुपये गये गयी", "रुपए गए गई"), ("ये यी", "ये यी")],
    "tamil": [("ஶ்ரீ", "ஸ்ரீ"), ("ஃபோன்", "போன்"), ("அஃது", "அஃது")],
    "telugu": [("గుఱ్ఱం", "గుర్రం"), ("ౘాలు", "చాలు")],
    "digits": [("१२ ௪௫ 67 ౮", "12 45 67 8")],
    "punctuation": [("क्या। ठीक॥ “ok”", "क्या ठीक ok"), ("...", "")],
}


@pytest.mark.parametrize(
    ("said", "form"), [case for cases in RULES.values() for case in cases], ids=lambda text: text[:12]
)
def test_rules(said: str, form: str) -> None:
    assert normalise(said) == form


def test_the_version_is_pinned() -> None:
    assert VERSION == "1.0"


@hypothesis.given(st.text(alphabet=st.sampled_from("aZ' -१४कख़ँं्नतम्पयेीः।சென்னைஃபஶనఱ్దీ\u200c"), max_size=20))
def test_it_settles_at_once(text: str) -> None:
    once = normalise(text)
    assert " ".join(once.split()) == once == once.lower()
    assert normalise(once).replace(" ", "") == normalise(normalise(once)).replace(" ", "")


@pytest.fixture(scope="module")
def packs() -> dict[str, Pack]:
    registry = shipped_packs()
    return {tag: registry.get(tag) for tag in registry.tags}


@pytest.mark.parametrize(
    ("tag", "said", "form"),
    [
        ("hi-IN", "मेरा number चार पाँच double two है", "मेरा number 4 5 2 2 है"),
        ("en-IN", "order forty five twelve please", "order 4 5 1 2 please"),
        ("ta-IN", "order ரெண்டு மூணு நாலு", "order 2 3 4"),
        ("te-IN", "నా order ఐదు ఆరు", "నా order 5 6"),
    ],
)
def test_words_become_digits(packs: dict[str, Pack], tag: str, said: str, form: str) -> None:
    assert with_digits(normalise(said), (packs[tag], packs["en-IN"])) == form


def test_figures_on_either_side_make_both_digits(packs: dict[str, Pack]) -> None:
    both = (packs["hi-IN"], packs["en-IN"])
    assert comparable("order 4512 है", "order चार पाँच one two है", both) == ("order 4 5 1 2 है", "order 4 5 1 2 है")
    assert comparable("चार दो", "चार do", both) == ("चार दो", "चार do")
