"""Page about one dead letter for people. Whatever its bytes are, they cannot control the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from streams.operations.events import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.contracts.events import DeadLetterReplayed
    from streams.operations.dead_letters import Letter

HEX_WIDTH: Final = 16
"""Bytes on a line of a hexadecimal dump."""


def page(letter: Letter, replayed: DeadLetterReplayed | None) -> str:
    """Write the letter as text: first the facts about it, then the original."""
    told = letter.told
    fields = {
        "source": letter.source,
        "refused": f"{told.stage}/{told.error}" + (f" at {told.field}" if told.field else ""),
        "reason": told.reason,
        "key": "none" if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "written": f"{letter.written_at:%Y-%m-%d %H:%M:%S} UTC, at {letter.partition}@{letter.offset}",
        "bytes": _size(letter),
        "replayed": "no" if replayed is None else _replayed(replayed),
    }
    lines = [f"Dead letter {letter.id}"]
    lines += [f"  {name:<9} {printable(text)}" for name, text in fields.items()]
    return "\n".join([*lines, "", *_original(letter.value or b"")])


def as_json(letter: Letter, replayed: DeadLetterReplayed | None) -> str:
    """Write the letter as a JSON object. The value is text, or `value_hex` where it is no text."""
    told: dict[str, Any] = {"id": letter.id, **letter.told.model_dump(mode="json")}
    told["key"] = None if letter.key is None else letter.key.decode(errors="backslashreplace")
    told["written_at"] = letter.written_at.isoformat()
    value = letter.value or b""
    try:
        told["value"] = value.decode()
    except UnicodeDecodeError:
        told["value_hex"] = value.hex()
    told["replayed"] = None if replayed is None else replayed.model_dump(mode="json")
    return json.dumps(told, indent=2)


def _size(letter: Letter) -> str:
    told, held = letter.told, len(letter.value or b"")
    if told.size is None:
        return f"{held:,}"
    return f"{held:,}, the first of {told.size:,}; SHA-256 of the whole {told.sha256}"


def _replayed(replayed: DeadLetterReplayed) -> str:
    how = "repaired" if replayed.repaired else "as it was"
    place = f"{replayed.topic}[{replayed.partition}]@{replayed.offset}"
    return f"{replayed.occurred_at:%Y-%m-%d %H:%M:%S} UTC, {how}, to {place}"


def _original(value: bytes) -> Iterator[str]:
    """Yield text line by line, and other bytes as a hexadecimal dump."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        for at in range(0, len(value), HEX_WIDTH):
            piece = value[at : at + HEX_WIDTH]
            shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
            yield f"{at:08x}  {piece.hex(' '):<{3 * HEX_WIDTH}} {shown}"
    else:
        yield from (printable(line) for line in text.split("\n"))
