"""A small recipe with word lists of its own, so that the tests need no dictionaries of the system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.speech.asr.training import recipe as shipped

SHIPPED_RECIPE = Path(shipped.__file__).parent / "recipe.yaml"
_WORDS = {
    "en": "apple bread chair drive earth fresh green house inside jungle kettle lemon market night orange paper queen",
    "hi": "किताब पानी सड़क मकान रोटी बाज़ार घोड़ा नदी पहाड़ दरवाज़ा खिड़की कपड़ा सूरज चाँद तारा बादल बारिश",
    "ta": "வீடு மரம் கடல் மலை நாய் பூனை பால் சோறு தண்ணீர் கதவு சாலை வானம் மழை பழம் காய் பூ",
    "te": "ఇల్లు చెట్టు సముద్రం కొండ కుక్క పిల్లి పాలు అన్నం నీళ్ళు తలుపు దారి ఆకాశం వాన పండు కూర పువ్వు",
}


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    recipe: dict[str, Any] = yaml.safe_load(SHIPPED_RECIPE.read_text(encoding="utf-8"))
    for language, words in _WORDS.items():
        (folder / f"{language}.txt").write_text("\n".join(words.split()), encoding="utf-8")
        recipe["text"]["word_lists"][language] = str(folder / f"{language}.txt")
    recipe["text"]["held_out_words"] = 0.25
    recipe["synth"] |= {"shard_hours": 0.01, "invented_voices": 2}
    recipe["tokenizer"] |= {"vocabulary": 330, "longest_piece": 2}
    recipe["encoder"] |= {"layers": 2, "width": 32, "heads": 2, "subsampling_channels": 8}
    recipe["training"] |= {"phone_layer": 1, "batch_seconds": 12, "threads": 1, "seconds_per_step": 2.0}
    recipe["ngrams"] |= {"sentences": 300}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    return path
