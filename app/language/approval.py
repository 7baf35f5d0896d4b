"""Binds a pack's disclosures to the person who read and approved them, by the hash of each text."""

from collections.abc import Iterable
from pathlib import Path

from app.errors import PackError
from app.language.source import is_nfc, read_yaml
from app.language.wording_checks import text_hash


def approve(folder: Path, approved_by: str, approved_on: str, keys: Iterable[str] | None = None) -> list[str]:
    """Binds disclosures to their text, after a person has read them; rewrites disclosures.yaml.

    Args:
        folder: The pack's folder.
        approved_by: Who approves.
        approved_on: ISO date.
        keys: Which to approve; all whose text is new or changed when not given.

    Returns:
        The keys that were approved.

    Raises:
        PackError: The file cannot be read, a key is not in it or a text is not in NFC.
    """
    path = folder / "disclosures.yaml"
    doc = read_yaml(path, f"{folder.name}/disclosures.yaml")
    for key, entry in doc.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or not is_nfc(entry["text"]):
            raise PackError(f"{folder.name}/disclosures.yaml: {key}: write `text: ...` in Unicode form NFC")
    changed = [key for key, entry in doc.items() if entry.get("sha256") != text_hash(entry["text"])]
    chosen = changed if keys is None else list(keys)
    for key in chosen:
        if key not in doc:
            raise PackError(f"{folder.name}/disclosures.yaml: {key}: missing; add the disclosure")
        doc[key] |= {"approved_by": approved_by, "approved_on": approved_on, "sha256": text_hash(doc[key]["text"])}
    lines: list[str] = []
    for key, entry in doc.items():
        lines.append(f"{key}:")
        lines += [
            f"  {name}: {_quoted(str(entry[name]))}"
            for name in ("text", "approved_by", "approved_on", "sha256")
            if name in entry
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return chosen


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
