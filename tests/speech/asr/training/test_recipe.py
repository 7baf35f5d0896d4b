"""A recipe says what is wrong with it, in one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.errors import ModelError
from app.speech.asr.training.recipe import load_recipe

from .conftest import SHIPPED_RECIPE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["recipe.yaml", "recipe-14m.yaml"])
def test_the_recipes_that_ship_are_valid(name: str) -> None:
    recipe = load_recipe(SHIPPED_RECIPE.parent / name)
    assert recipe["languages"] == ["en-IN", "hi-IN", "ta-IN", "te-IN"]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("training", "learning_rates"), 1e-3, "training.learning_rates"),
        (("training", "batch_seconds"), "many", "training.batch_seconds"),
        (("text", "held_out_words"), 1.5, "text.held_out_words"),
        (("text", "mix"), {"poems": 1.0}, "text.mix"),
        (("encoder", "width"), 177, "encoder.width"),
        (("training", "phone_layer"), 40, "training.phone_layer"),
        (("ngrams", "fewest"), [1, 1], "ngrams.fewest"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, place: tuple[str, str], value: Any, said: str) -> None:
    recipe = yaml.safe_load(SHIPPED_RECIPE.read_text(encoding="utf-8"))
    recipe[place[0]][place[1]] = value
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        load_recipe(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "a: [1", "just words", "[1, 2]"])
def test_no_recipe_at_all_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"recipe\.yaml"):
        load_recipe(path)


def test_a_missing_recipe_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no recipe there"):
        load_recipe(tmp_path / "none.yaml")
