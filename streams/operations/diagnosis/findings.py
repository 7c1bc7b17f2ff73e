"""What is found when a service is looked over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    """It works, and will not in some case, or not as well as it could."""
    FAULT = "fault"
    """A worker cannot run, or not rightly, until something is done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """What it is about, in a word or two: `broker`, `topics`, `lag`, ..."""
    level: Level
    said: str
    """What is the case, in a sentence."""
    remedy: str = ""
    """What to do about it; empty where nothing has to be done."""

    def as_json(self) -> dict[str, str]:
        """For programs."""
        return {"subject": self.subject, "level": self.level, "said": self.said, "do": self.remedy}
