"""Check of words: docstrings that an outsider has to decipher, and long functions without comments by stage.

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
LONG: Final = 40
"""Lines of a function's body from which on each of its stages needs a comment."""
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


class LongFunction(NamedTuple):
    """Function of more than `LONG` lines, and the comments in it."""

    path: Path
    line: int
    name: str
    comments: int


def long_functions(path: Path) -> Iterator[LongFunction]:
    """Yield the functions of a file whose bodies, docstring excluded, have more than `LONG` lines."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[ast.get_docstring(node) is not None :]
        if body and (stop := node.end_lineno or 0) - body[0].lineno + 1 > LONG:
            # From the line before the first statement on, where the first stage's comment stands.
            comments = [line for line in lines[body[0].lineno - 2 : stop] if line.lstrip().startswith("#")]
            yield LongFunction(path, node.lineno, node.name, len(comments))


def main(arguments: list[str] | None = None) -> int:
    """Name the docstrings and functions at fault; the exit status is 1 if there are more than allowed."""
    parser = argparse.ArgumentParser(prog="python -m tools.words")
    parser.add_argument("--most", type=float, default=2.0, help="per cent that may")
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    given = parser.parse_args(arguments)
    files = [path for folder in given.folders for path in sorted((ROOT / folder).rglob("*.py"))]
    found = [each for path in files for each in docstrings(path)]
    bare = [each for path in files for each in long_functions(path) if each.comments < 2]
    for function in bare:
        print(
            f"{function.path.relative_to(ROOT)}:{function.line}: {function.name} has more than {LONG} lines "
            "and no comment for each stage"
        )
    wrong = [each for each in found if opens_with_pronoun(each.first)]
    share = 100 * len(wrong) / max(1, len(found))
    print(
        f"{len(wrong)} of {len(found)} docstrings ({share:.1f} %) open with a pronoun or a relative clause."
    )
    if share <= given.most:
        return 1 if bare else 0
    for path, line, first in wrong:
        print(f"  {path.relative_to(ROOT)}:{line}: {first}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
