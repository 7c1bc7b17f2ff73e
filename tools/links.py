"""Check of the documents: every relative link leads to a file, and every path in backticks exists.

python -m tools.links
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
_CODE: Final = re.compile(r"^( *```).*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_PATH: Final = re.compile(
    r"`((?:\.ci|agents|benchmarks|cartpulse|deploy|docs|models|streams|tests|tools)/[\w./-]*)`"
)
_HEADING: Final = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    """Return the documents of a tree: those at its root, and those in `docs/`."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading.

    >>> anchor("What `cartpulse watch` prints, and when")
    'what-cartpulse-watch-prints-and-when'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def dead_links(page: Path, root: Path) -> Iterator[str]:
    """Yield the relative links of a document that lead nowhere, and the paths in backticks that do not exist.

    Args:
        page: Markdown file.
        root: Folder from which paths in backticks count.
    """
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, fragment = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists():
            yield link
        elif fragment and target.suffix == ".md":
            headings = _HEADING.findall(_CODE.sub("", target.read_text(encoding="utf-8")))
            if fragment not in map(anchor, headings):
                yield link
    for path in _PATH.findall(text):
        if not (root / path).exists():
            yield path


def main() -> int:
    """Print every dead link; the exit status is 1 if there is one."""
    found = [(page, link) for page in pages(ROOT) for link in dead_links(page, ROOT)]
    for page, link in found:
        print(f"{page.relative_to(ROOT)}: {link} leads nowhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
