"""What checking a pack yields: a fault or a doubt, with its file, line, key and cure; `loader` refuses on faults."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a pack.

    Attributes:
        file: Inside the pack's folder.
        key: Dotted key inside the file.
        cure: What is wrong and what mends it.
        line: From 1; None where there is none, as for what is missing.
        warning: A doubt that a person should look at; the pack loads nevertheless.
    """

    file: str
    key: str
    cure: str
    line: int | None = None
    warning: bool = False

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.cure}"
