"""Findings of the diagnosis of a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Weight of a finding."""

    OK = "ok"
    NOTE = "note"
    """Worth reading; nothing has to be done."""
    WARNING = "warning"
    """The service works, and will fail in some case or work less well than it could."""
    FAULT = "fault"
    """A worker cannot run, or not correctly, until something is done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one examination."""

    subject: str
    """Subject in a word or two: `broker`, `topics`, `lag`, ..."""
    level: Level
    said: str
    """State of the subject, in a sentence."""
    remedy: str = ""
    """Action to take; empty where nothing has to be done."""

    def as_json(self) -> dict[str, str]:
        """Return the finding as a JSON-able object, for programs."""
        return {"subject": self.subject, "level": self.level, "said": self.said, "do": self.remedy}
