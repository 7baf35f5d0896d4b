"""Languages on the wire."""

from typing import Self

from pydantic import BaseModel, Field

from app.language.findings import Problem
from app.language.loader import PackReport
from app.language.packs import Pack
from app.languages.reload import Reading


class DisclosureView(BaseModel):
    """Who approved a fixed compliance sentence, and when; the sentence is bound to it by its hash."""

    key: str = Field(description="Name of the disclosure in the contract.", examples=["recording"])
    approved_by: str = Field(examples=["A. Reader"])
    approved_on: str = Field(description="ISO date.", examples=["2026-11-21"])


class SpeechView(BaseModel):
    """What the speech engines can do in a language."""

    voice: str = Field(description="The pack's voice.", examples=["hi"])
    voice_available: bool = Field(description="Whether the synthesiser has that voice.")
    recogniser: str | None = Field(
        description="The recogniser in use; null when there is none.", examples=["starter-4m"]
    )
    recognised: bool | None = Field(description="Whether it was made for this language; null when it does not say.")


class LanguageView(BaseModel):
    """A language that agents may speak."""

    tag: str = Field(description="BCP-47 tag.", examples=["hi-IN"])
    name: str = Field(examples=["Hindi"])
    native_name: str = Field(examples=["हिन्दी"])
    scripts: list[str] = Field(description="ISO 15924.", examples=[["Deva", "Latn"]])
    forms: list[str] = Field(description="Forms of speech that the pack was written for.", examples=[["native", "asr"]])
    fallback: list[str] = Field(description="Other languages for chats, never for disclosures.", examples=[["en-IN"]])
    grade: str = Field(description="A to D: how far examples and tests go beyond the floors.", examples=["A"])
    coverage: float = Field(description="0..1, what the grade is taken from.", examples=[0.98])
    version: str = Field(description="Hash of the pack's files.", examples=["3f9a1c0b77de"])
    examples: int = Field(description="Sentences that understanding learns from.")
    tests: int = Field(description="Sentences that it is measured on.")
    disclosures: list[DisclosureView] = Field(description="All approved; a pack that lacks one does not load.")
    opening: list[str] = Field(description="The disclosures that open a call, in order.", examples=[["entity", "ai"]])
    speech: SpeechView

    @classmethod
    def of(cls, pack: Pack, report: PackReport, speech: SpeechView) -> Self:
        """Returns a pack as the wire shows it."""
        manifest = pack.manifest
        return cls(
            tag=pack.tag,
            name=manifest.name,
            native_name=manifest.native_name,
            scripts=list(manifest.scripts),
            forms=list(manifest.forms),
            fallback=list(manifest.fallback),
            grade=report.grade,
            coverage=round(report.coverage, 3),
            version=pack.version,
            examples=report.examples,
            tests=report.tests,
            disclosures=[
                DisclosureView(key=key, approved_by=d.approved_by, approved_on=d.approved_on)
                for key, d in pack.disclosures.items()
            ],
            opening=list(pack.opening),
            speech=speech,
        )


class ProblemView(BaseModel):
    """One finding in a pack."""

    file: str = Field(examples=["responses.yaml"])
    line: int | None = Field(description="From 1; null for what is missing.", examples=[12])
    key: str = Field(examples=["order_not_found[0]"])
    reason: str = Field(description="What is wrong and what mends it.")

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Returns a finding as the wire shows it."""
        return cls(file=problem.file, line=problem.line, key=problem.key, reason=problem.cure)


class RejectedPackView(BaseModel):
    """A folder that was not taken; what served before goes on serving."""

    tag: str = Field(examples=["kn-IN"])
    problems: list[ProblemView]


class ReloadView(BaseModel):
    """What reading the packs again found. What is taken serves new calls once its model is trained."""

    taken: dict[str, str] = Field(
        description="New and changed packs with their versions.", examples=[{"kn-IN": "3f9a"}]
    )
    unchanged: list[str] = Field(examples=[["en-IN", "hi-IN"]])
    rejected: list[RejectedPackView]

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """Returns a reading as the wire shows it."""
        rejected = [
            RejectedPackView(tag=report.tag, problems=[ProblemView.of(problem) for problem in report.faults])
            for report in reading.rejected
        ]
        return cls(taken=dict(reading.taken), unchanged=list(reading.unchanged), rejected=rejected)
