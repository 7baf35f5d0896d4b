"""Search over sealed words: every word is kept beside the message as a keyed hash, and what was found is opened.

The store sees which messages share a word, and how many, never the word: the key is the tenant's. A word is also kept
by its sound, so that "order" finds "ऑर्डर". Whole words only; an index of beginnings would tell too much.
"""

import contextlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import structlog

from app.conversations import repository
from app.conversations.records import Records
from app.errors import AppError, Conflict, FieldError, Unprocessable
from app.kit.clock import Clock
from app.kit.mongo import Database, IndexSpec
from app.kit.sealed import SealedText
from app.kit.vault import Vault
from app.language.latinise import latin_key

POSTINGS: Final = "message_tokens"
INDEXES = (
    IndexSpec(POSTINGS, (("tenant_id", 1), ("token", 1))),
    IndexSpec(POSTINGS, (("tenant_id", 1), ("message_id", 1))),
    IndexSpec(POSTINGS, (("tenant_id", 1), ("conversation_id", 1))),
    IndexSpec(
        repository.MESSAGES, (("indexed", 1),), across_tenants="the sweep over messages that cannot be found yet"
    ),
    IndexSpec(repository.SNAPSHOTS, (("indexed", 1),), across_tenants="the sweep over calls that cannot be found yet"),
)
PURPOSE: Final = "search-index"
MOST_WORDS: Final = 8
_MOST_TOKENS: Final = 2_000
_LONGEST_WORD: Final = 40
_BATCH: Final = 200
_CANDIDATES: Final = 100
_AROUND: Final = 80
_TOKEN_CHARS: Final = 20
_REPEATED = re.compile(r"(.)\1+")
_BREATH = re.compile(r"(?<=[bcdgjkpst])h")
_VOICELESS = str.maketrans("bdgjw", "ptkcv")
_VOWELS = re.compile(r"[aeiou]")
_LATIN, _NATIVE = "^", "~"
_log = structlog.get_logger(__name__)


def words_of(text: str) -> list[str]:
    """Returns the words of a text in the form in which they are compared: NFKC, case-folded, digits as ASCII."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = "".join(_letter(char) for char in folded)
    return [word[:_LONGEST_WORD] for word in spaced.split()]


def _letter(char: str) -> str:
    """Returns a letter, mark or digit as it is compared; joiners vanish, the rest separates words."""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Cf":
        return ""
    return char if category[0] in "LMN" else " "


def forms_of(word: str) -> tuple[str, ...]:
    """Returns the forms under which a word is found: itself, and how it sounds, marked by its script."""
    sound = _sound(word)
    return (word, f"{_LATIN if word.isascii() else _NATIVE}{sound}") if sound else (word,)


def query_forms(word: str) -> tuple[str, ...]:
    """Returns the forms to look for: the word itself, and words of the other script that sound like it."""
    sound = _sound(word)
    return (word, f"{_NATIVE if word.isascii() else _LATIN}{sound}") if sound else (word,)


def _sound(word: str) -> str:
    """Returns a word's sound in Latin letters: no voice, no breath, no vowels but a first "a"; "" for no word.

    Tamil writes voiced and voiceless sounds alike.
    """
    if not any(char.isalpha() for char in word):
        return ""
    flat = _REPEATED.sub(r"\1", _BREATH.sub("", latin_key(word)).translate(_VOICELESS))
    return _VOWELS.sub("a", flat[:1]) + _VOWELS.sub("", flat[1:])


def tokens(key: bytes, forms: Iterable[str]) -> list[str]:
    """Returns the keyed hashes of some forms, each once: HMAC-SHA256, cut to 80 bits, in hex."""
    return [hmac.new(key, form.encode(), sha256).hexdigest()[:_TOKEN_CHARS] for form in dict.fromkeys(forms)]


def matches(text: str, words: Sequence[str]) -> bool:
    """Returns whether a text holds all of the words, each as itself or by its sound."""
    held = {form for word in words_of(text) for form in forms_of(word)}
    return all(held.intersection(query_forms(word)) for word in words)


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found: a message, or a line of a call's transcript. `cursor` continues after it."""

    conversation_id: str
    message_id: str | None
    call_id: str | None
    excerpt: str
    at: datetime
    cursor: str


class Search(Records):
    """Keeps the index and answers from it."""

    def __init__(self, database: Database, sealed: SealedText, vault: Vault, clock: Clock) -> None:
        super().__init__(database, sealed, clock)
        self._vault = vault

    async def find(
        self, tenant_id: str, text: str, *, limit: int, starting_after: str | None = None
    ) -> tuple[list[Hit], bool]:
        """Returns what holds all words of `text`, newest first, and whether more may follow.

        Args:
            tenant_id: Whose.
            text: One to eight words.
            limit: 1 to 50.
            starting_after: The cursor of the last hit of the page before.

        Raises:
            Unprocessable: No word to look for, or too many.
        """
        words = list(dict.fromkeys(words_of(text)))
        if not 1 <= len(words) <= MOST_WORDS:
            detail = f"must hold 1 to {MOST_WORDS} words"
            raise Unprocessable("this cannot be looked for", errors=[FieldError("/query/q", detail)])
        key = await self._vault.blind_key(tenant_id, PURPOSE)
        first, *others = ([*tokens(key, query_forms(word))] for word in sorted(words, key=len, reverse=True))
        hits: list[Hit] = []
        cursor = starting_after
        while len(hits) <= limit:
            postings = await self._candidates(tenant_id, first, cursor)
            for posting in postings:
                if posting["place"] == cursor:
                    continue
                cursor = posting["place"]
                if await self._has_all(tenant_id, posting["message_id"], others):
                    hits.extend(await self._hits(tenant_id, posting, words))
                if len(hits) > limit:
                    break
            if len(postings) < _CANDIDATES:
                break
        return hits[:limit], len(hits) > limit

    async def index(self) -> int:
        """Makes messages and calls findable that are not yet; returns how many there were. Run by a job."""
        store = self._database.system("search: index what was said and written since")
        done = 0
        for name in (repository.MESSAGES, repository.SNAPSHOTS):
            waiting = await store.collection(name).find({"indexed": False}, limit=_BATCH)
            for document in waiting:
                try:
                    await self._index(name, document)
                except AppError as error:
                    if error.retryable:
                        raise
                    _log.warning("search.not_indexed", tenant_id=document["tenant_id"], code=error.code)
                    await self._mark(name, document)
                done += 1
        return done

    async def _index(self, name: str, document: Mapping[str, Any]) -> None:
        tenant_id, ref = document["tenant_id"], document["_id"]
        is_message = name == repository.MESSAGES
        texts = [] if document.get("removed_at") else await self._texts(is_message, document)
        at: datetime = document["created_at"] if is_message else document["attached_at"]
        key = await self._vault.blind_key(tenant_id, PURPOSE)
        found = tokens(key, (form for text in texts for word in words_of(text) for form in forms_of(word)))
        place = f"{int(at.timestamp() * 1000):013d}-{ref.rpartition(':')[2]}"
        postings = self._collection(tenant_id, POSTINGS)
        await postings.delete_many({"message_id": ref})
        rows = [
            {
                "_id": f"{tenant_id}:{token}:{place}",
                "token": token,
                "place": place,
                "message_id": ref,
                "is_message": is_message,
                "conversation_id": document["conversation_id"],
                "at": at,
            }
            for token in found[:_MOST_TOKENS]
        ]
        try:
            await postings.insert_many(rows)
        except Conflict:
            for row in rows:
                with contextlib.suppress(Conflict):
                    await postings.insert_one(row)
        await self._mark(name, document)

    async def _mark(self, name: str, document: Mapping[str, Any]) -> None:
        query = {"_id": document["_id"], "edited_at": document.get("edited_at")}
        await self._collection(document["tenant_id"], name).update_one(query, {"$set": {"indexed": True}})

    async def _texts(self, is_message: bool, document: Mapping[str, Any]) -> list[str]:
        if is_message:
            return [(await self._message(document)).text]
        return [line.text for line in (await self._snapshot(document)).context.transcript]

    async def _candidates(self, tenant_id: str, token: Sequence[str], cursor: str | None) -> list[dict[str, Any]]:
        query: dict[str, Any] = {"token": {"$in": list(token)}}
        if cursor is not None:
            query["place"] = {"$lt": cursor}
        return await self._collection(tenant_id, POSTINGS).find(query, sort=(("place", -1),), limit=_CANDIDATES)

    async def _has_all(self, tenant_id: str, ref: str, others: Sequence[Sequence[str]]) -> bool:
        postings = self._collection(tenant_id, POSTINGS)
        for alternatives in others:
            if (
                await postings.find_one({"message_id": ref, "token": {"$in": list(alternatives)}}, ["message_id"])
                is None
            ):
                return False
        return True

    async def _hits(self, tenant_id: str, posting: Mapping[str, Any], words: Sequence[str]) -> list[Hit]:
        """Opens what a posting names; what does not hold the words after all is left out."""
        name = repository.MESSAGES if posting["is_message"] else repository.SNAPSHOTS
        document = await self._collection(tenant_id, name).find_one({"_id": posting["message_id"]})
        if document is None or document.get("removed_at"):
            return []
        texts = await self._texts(posting["is_message"], document)
        whole = "\n".join(texts)
        if not matches(whole, words):
            return []
        excerpt = next((text for text in texts if any(matches(text, [word]) for word in words)), whole)
        conversation_id, place, at = posting["conversation_id"], posting["place"], posting["at"]
        message_id = posting["message_id"] if posting["is_message"] else None
        call_id = None if posting["is_message"] else posting["message_id"].rpartition(":")[2]
        return [Hit(conversation_id, message_id, call_id, _excerpt(excerpt, words), at, place)]


def _excerpt(text: str, words: Sequence[str]) -> str:
    """Returns the part of a text around the first word that was looked for."""
    flat = " ".join(text.split())
    start = next((match.start() for match in re.finditer(r"\S+", flat) if matches(match[0], words[:1])), 0)
    begin, end = max(0, start - _AROUND), min(len(flat), start + _AROUND)
    return ("…" if begin else "") + flat[begin:end] + ("…" if end < len(flat) else "")
