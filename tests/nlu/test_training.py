"""Features, augmentation, training, calibration and the model on disk."""

import random
from pathlib import Path

import numpy as np
import pytest

from app.nlu.augment import noisy_copies, spliced
from app.nlu.classifier import Scores
from app.nlu.features import NUMBER, FeatureExtractor
from app.nlu.model import IntentModel
from app.nlu.phonetic import words_of
from app.nlu.training import OUT_OF_SCOPE, Example, fingerprint, train

pytestmark = pytest.mark.unit
EXTRACTOR = FeatureExtractor({"four", "five", "do", "चार"})
SENTENCES = {
    "order": ["where is my order", "order has not come yet", "track my parcel please", "parcel where", "order status"],
    "stop": ["stop calling me", "do not call again", "never call me", "remove my number now", "no more calls ever"],
    "refund": [
        "i want my money back",
        "refund has not come",
        "when is the refund",
        "refund status",
        "money not returned",
    ],
    OUT_OF_SCOPE: ["tell me a joke", "who won the match", "play some music now", "is it raining there", "sing a song"],
}
EXAMPLES = [Example(intent, text, ("okay",)) for intent, texts in SENTENCES.items() for text in texts]


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return train(EXAMPLES, EXTRACTOR)


def test_runs_of_number_words_become_one_placeholder() -> None:
    assert EXTRACTOR.words("order four चार five kahan") == ["order", NUMBER, "kahan"]
    assert EXTRACTOR.words("order 4512 kahan") == ["order", NUMBER, "kahan"]
    assert EXTRACTOR.words("cancel kar do") == ["cancel", "kar", "do"]


def test_noisy_copies_differ_and_are_repeatable() -> None:
    text = "where is my order today"
    copies = noisy_copies(text, ("okay",), 8, random.Random(3), {"is", "my"})
    assert copies and text not in copies
    assert copies == noisy_copies(text, ("okay",), 8, random.Random(3), {"is", "my"})
    assert all(set(words_of(copy)) - {"okay"} for copy in copies)


def test_a_telling_word_is_never_lost() -> None:
    for seed in range(20):
        for copy in noisy_copies("please do not record this call", (), 4, random.Random(seed), {"please", "this"}):
            assert len(set(words_of(copy)) & {"please", "do", "not", "record", "this", "call"}) >= 3
            assert len(words_of(copy)) >= 5


def test_spliced_sentences_use_known_words_only() -> None:
    texts = [text for texts in SENTENCES.values() for text in texts]
    known = {word for text in texts for word in text.split()}
    made = spliced(texts, 20, random.Random(1))
    assert len(made) == 20 and all(set(text.split()) <= known for text in made)
    assert spliced(["too short"], 5, random.Random(1)) == []


def test_probabilities_sum_to_one_and_find_the_intent(model: IntentModel) -> None:
    chances = model.probabilities(EXTRACTOR.extract("where is the order"))
    assert chances.sum() == pytest.approx(1.0)
    assert model.labels[int(chances.argmax())] == "order"
    noisy = model.probabilities(EXTRACTOR.extract("wher is my ordr"))
    assert model.labels[int(noisy.argmax())] == "order"


def test_text_without_known_features_gets_finite_probabilities(model: IntentModel) -> None:
    assert np.isfinite(model.probabilities(EXTRACTOR.extract("ψψψ"))).all()
    assert model.probabilities([]).sum() == pytest.approx(1.0)


def test_a_model_survives_the_disk(model: IntentModel, tmp_path: Path) -> None:
    path = tmp_path / "nlu" / "m.npz"
    model.save(path)
    again = IntentModel.load(path)
    features = EXTRACTOR.extract("refund please")
    assert np.allclose(model.probabilities(features), again.probabilities(features), atol=1e-2)
    assert again.labels == model.labels and again.thresholds == model.thresholds
    assert not list(path.parent.glob("*.part"))


def test_fingerprint_depends_on_sentences_not_on_their_order() -> None:
    one = fingerprint(EXAMPLES, ["a"])
    assert one == fingerprint(list(reversed(EXAMPLES)), ["a"])
    assert one != fingerprint(EXAMPLES[1:], ["a"])
    assert one != fingerprint(EXAMPLES, ["b"])


def test_decisions_below_the_threshold_are_out_of_scope() -> None:
    scores = Scores({"order": 0.45, OUT_OF_SCOPE: 0.3, "stop": 0.25}, 1.0, {"order": 0.5})
    assert scores.decide()[0] == OUT_OF_SCOPE
    assert scores.decide({"order": 3.0})[0] == "order"


def test_strange_words_are_out_of_scope_unless_the_intent_is_sure() -> None:
    thresholds = {"order": 0.3}
    assert Scores({"order": 0.7, OUT_OF_SCOPE: 0.3}, 0.1, thresholds).decide()[0] == OUT_OF_SCOPE
    assert Scores({"order": 0.97, OUT_OF_SCOPE: 0.03}, 0.1, thresholds).decide()[0] == "order"


def test_opting_out_needs_clear_words() -> None:
    assert (
        Scores({"stop_contact": 0.55, "deny": 0.3, "wait": 0.15}, 1.0, {"stop_contact": 0.25}).decide()[0]
        == OUT_OF_SCOPE
    )


def test_torn_between_a_refusal_and_a_no_is_a_no() -> None:
    chances = {"deny": 0.42, "not_interested": 0.45, OUT_OF_SCOPE: 0.13}
    assert Scores(chances, 1.0, {"not_interested": 0.5, "deny": 0.5}).decide()[0] == "deny"
    assert (
        Scores({**chances, "deny": 0.2, OUT_OF_SCOPE: 0.35}, 1.0, {"not_interested": 0.5}).decide()[0] == OUT_OF_SCOPE
    )
