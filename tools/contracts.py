"""Documents of the contracts: JSON Schemas and one AsyncAPI document, made from the models.

python -m tools.contracts --check
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from models.contracts.documents import documents

FOLDER: Final = Path(__file__).parents[1] / "docs" / "contracts"


def write(folder: Path) -> list[Path]:
    """Write the documents that a folder lacks or holds differently, and return them. Other files stay.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents()
    changed = [folder / name for name in differences(folder)]
    for path in changed:
        path.write_text(texts[path.name], encoding="utf-8")
    return changed


def differences(folder: Path) -> list[str]:
    """Return the names of the documents that a folder lacks or holds differently, sorted."""
    return sorted(name for name, text in documents().items() if _held(folder / name) != text)


def _held(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str] | None = None) -> int:
    """Write the documents, or check that they are up to date; the answer is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.contracts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the documents differ")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they lie")
    given = parser.parse_args(arguments)
    if not given.check:
        for path in write(given.folder):
            print(path)
    elif different := differences(given.folder):
        names = ", ".join(different)
        print(f"{names} in {given.folder} differ from the models: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
