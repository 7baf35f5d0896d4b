"""Measures understanding on the packs' held-out tests: every sentence against all intents, per language and form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.language.loader import PackRegistry
from app.nlu.understander import Understander


@dataclass(frozen=True, slots=True)
class Confusion:
    """One test sentence that was understood as another intent."""

    language: str
    form: str
    text: str
    wanted: str
    got: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of the sentences of one language and form were understood."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """Right answers, 0..1; 1 when there is nothing to answer."""
        return self.right / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of a run over the packs' tests."""

    by_form: Mapping[tuple[str, str], Accuracy]  # (BCP-47 tag, form)
    by_intent: Mapping[str, Accuracy]
    confusions: tuple[Confusion, ...]

    @property
    def overall(self) -> Accuracy:
        """All sentences together."""
        return _sum(self.by_form.values())

    def of_language(self, tag: str) -> Accuracy:
        """All forms of one language."""
        return _sum(accuracy for (language, _), accuracy in self.by_form.items() if language == tag)


def evaluate(registry: PackRegistry, understander: Understander, tags: Iterable[str] | None = None) -> Evaluation:
    """Understands every held-out sentence of packs as an open turn; seconds.

    Args:
        registry: The packs; all their languages are enabled.
        understander: Of these packs.
        tags: Which packs' sentences; all when not given.
    """
    by_form: dict[tuple[str, str], Accuracy] = {}
    by_intent: dict[str, Accuracy] = {}
    confusions: list[Confusion] = []
    for tag in registry.tags if tags is None else tags:
        for wanted, forms in registry.get(tag).tests.items():
            for form, texts in forms.items():
                for text in texts:
                    heard = understander.understand(text, enabled=registry.tags, current_language=tag)
                    right = heard.intent == wanted
                    by_form[tag, form] = _add(by_form.get((tag, form)), right)
                    by_intent[wanted] = _add(by_intent.get(wanted), right)
                    if not right:
                        confusions.append(Confusion(tag, form, text, wanted, heard.intent, heard.confidence))
    return Evaluation(by_form, by_intent, tuple(confusions))


def _add(before: Accuracy | None, right: bool) -> Accuracy:
    old = before or Accuracy(0, 0)
    return Accuracy(old.right + right, old.total + 1)


def _sum(parts: Iterable[Accuracy]) -> Accuracy:
    listed = list(parts)
    return Accuracy(sum(p.right for p in listed), sum(p.total for p in listed))
