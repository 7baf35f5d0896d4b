"""What a conversation is about, in the words of the packs."""

from collections.abc import Mapping

from app.language.packs import Pack

_OTHER = "other"
_NUMBER_SLOT = "order_id"


class PackTopics:
    """Implements `Topics` by each pack's `topics`: a noun phrase per intent, with the order number if known."""

    def __init__(self, packs: Mapping[str, Pack]) -> None:
        self._packs = packs

    def phrase(self, language: str, intent: str | None, slots: Mapping[str, str]) -> str:
        """Returns a short noun phrase such as "your order 4512", in `language` (BCP-47).

        Raises:
            KeyError: No such pack, or its `topics` lack `other`.
        """
        topics = self._packs[language].lexicon.topics
        words = topics.get(intent or _OTHER) or topics[_OTHER]
        number = slots.get(_NUMBER_SLOT)
        return f"{words} {number}" if number and "order" in (intent or "") else words
