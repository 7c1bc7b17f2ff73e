"""Check of docstrings: how many open with a pronoun or a relative clause, which an outsider has to decipher.

python -m tools.words --most 2
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("models", "streams", "agents", "cartpulse", "tools")
PRONOUNS: Final = frozenset(
    {
        "all",
        "both",
        "each",
        "he",
        "how",
        "it",
        "its",
        "one",
        "ones",
        "our",
        "she",
        "such",
        "that",
        "their",
        "them",
        "these",
        "they",
        "this",
        "those",
        "we",
        "what",
        "whatever",
        "when",
        "whenever",
        "where",
        "whether",
        "which",
        "who",
        "whoever",
        "whom",
        "whose",
        "why",
    }
)
"""First words, in lower case, after which a reader asks who or what is meant."""
NOUNS_OF_THEIR_OWN: Final = frozenset({"one", "each", "all", "both", "when"})
"""Words that are none of a pronoun where more than one word follows them: `One worker process.`"""


class Docstring(NamedTuple):
    """A docstring, and where it stands."""

    path: Path
    line: int
    first: str
    """First line of the text."""


def opens_with_pronoun(text: str) -> bool:
    """Tell whether a docstring opens with a pronoun or a relative clause.

    >>> opens_with_pronoun("What is kept of a record."), opens_with_pronoun("The same, of a category.")
    (True, True)
    >>> opens_with_pronoun("Return the alerts of a customer."), opens_with_pronoun("One worker process.")
    (False, False)
    """
    words = text.replace(",", " ").replace(":", " ").lower().split()
    if not words:
        return False
    if words[:2] == ["the", "same"]:
        return True
    return words[0] in PRONOUNS - NOUNS_OF_THEIR_OWN


def docstrings(path: Path) -> Iterator[Docstring]:
    """Yield the docstrings of a file: of the module, of classes, functions, and of what is assigned."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str) and text.strip():
                    yield Docstring(path, statement.lineno, text.strip().splitlines()[0])


def main(arguments: list[str] | None = None) -> int:
    """Count, and name what opens with a pronoun; the exit status is 1 if it is more than allowed."""
    parser = argparse.ArgumentParser(prog="python -m tools.words")
    parser.add_argument("--most", type=float, default=2.0, help="per cent that may")
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    given = parser.parse_args(arguments)
    found = [
        each
        for folder in given.folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        for each in docstrings(path)
    ]
    wrong = [each for each in found if opens_with_pronoun(each.first)]
    share = 100 * len(wrong) / max(1, len(found))
    print(
        f"{len(wrong)} of {len(found)} docstrings ({share:.1f} %) open with a pronoun or a relative clause."
    )
    if share <= given.most:
        return 0
    for path, line, first in wrong:
        print(f"  {path.relative_to(ROOT)}:{line}: {first}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
