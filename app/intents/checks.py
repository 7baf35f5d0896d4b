"""What is wrong with own intents before anything is trained: names, floors, sentences that are taken."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from app.errors import FieldError
from app.intents.models import OwnIntent
from app.language.packs import Pack
from app.nlu.phonetic import sound_key, words_of

LEAST_EXAMPLES = 8
LEAST_TESTS = 3


def faults_of(
    intents: Sequence[OwnIntent], packs: Mapping[str, Pack], languages: Iterable[str], shipped: Iterable[str]
) -> list[FieldError]:
    """Returns every fault, with its place in the request and the cure.

    Args:
        intents: What the tenant brings.
        packs: By tag.
        languages: The agent's, each of which every intent must know.
        shipped: Names of the contract.
    """
    known = _known(packs)
    names = set(shipped)
    found: list[FieldError] = []
    for number, intent in enumerate(intents):
        place = f"/body/intents/{number}"
        if intent.name in names:
            found.append(FieldError(f"{place}/name", f"`{intent.name}` exists already; choose another name"))
        names.add(intent.name)
        for tag in languages:
            found += _too_few(place, intent, tag)
        strange = sorted({*intent.examples, *intent.tests} - set(languages))
        if strange:
            found.append(FieldError(f"{place}/examples", f"the agent does not speak {', '.join(strange)}"))
        found += _collisions(place, intent, known)
    return found


def _too_few(place: str, intent: OwnIntent, tag: str) -> Iterator[FieldError]:
    for part, sentences, least in (
        ("examples", intent.examples.get(tag, ()), LEAST_EXAMPLES),
        ("tests", intent.tests.get(tag, ()), LEAST_TESTS),
    ):
        different = {sound_of(sentence) for sentence in sentences}
        if len(different) < least:
            detail = f"{len(different)} different sentences; give at least {least} in every language of the agent"
            yield FieldError(f"{place}/{part}/{tag}", detail)


def _collisions(place: str, intent: OwnIntent, known: dict[str, str]) -> Iterator[FieldError]:
    """Yields sentences that sound as one that means something else, and tests that are examples."""
    for part in ("examples", "tests"):
        for tag, sentences in getattr(intent, part).items():
            for number, sentence in enumerate(sentences):
                where, sound = f"{place}/{part}/{tag}/{number}", sound_of(sentence)
                if not sound:
                    yield FieldError(where, "holds no words")
                    continue
                owner = known.setdefault(sound, f"{intent.name}/{part}")
                if owner == f"{intent.name}/examples" and part == "tests":
                    yield FieldError(where, f"{sentence!r} is also an example; a test must be another sentence")
                elif owner.partition("/")[0] != intent.name:
                    other = owner.partition("/")[0]
                    yield FieldError(where, f"{sentence!r} means {other} already; take it out, or use that intent")


def _known(packs: Mapping[str, Pack]) -> dict[str, str]:
    """Returns the sound of every sentence of the packs, with its intent."""
    return {
        sound_of(text): name
        for pack in packs.values()
        for part in (pack.intents, pack.tests)
        for name, forms in part.items()
        for texts in forms.values()
        for text in texts
    }


def sound_of(sentence: str) -> str:
    """Returns how a sentence sounds, the same for native script and chat spelling."""
    return " ".join(sound_key(word) for word in words_of(sentence))
