"""The public face: what is offered, that it is there, and that asking for it costs nothing before."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Literal, get_origin

import pytest

import cartpulse
from tests.support.paths import ROOT


def test_what_type_checkers_see_is_what_is_offered_and_what_is_found() -> None:
    tree = ast.parse((ROOT / "cartpulse" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If)
        and not node.orelse
        and node.body
        and isinstance(node.body[0], ast.ImportFrom)
    )
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == cartpulse._HOME_OF
    assert sorted(seen) == cartpulse.__all__ == sorted(cartpulse.__all__)


@pytest.mark.parametrize("name", cartpulse.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(cartpulse, name)
    if get_origin(found) is Literal:
        return  # an alias of type checkers, which has no docstring at run time
    assert (found.__doc__ or "").strip()
    assert not found.__doc__.startswith(f"{name}(")


def test_nothing_else_is_offered() -> None:
    assert set(cartpulse.__all__) <= set(dir(cartpulse))
    with pytest.raises(AttributeError, match="offers no 'Nonsense'"):
        _ = cartpulse.Nonsense  # type: ignore[attr-defined] # which is the point


def test_importing_the_face_imports_nothing_that_is_slow() -> None:
    code = (
        "import os, sys, cartpulse; cartpulse.STARTED;"
        "print(os.environ['NUMPY_MADVISE_HUGEPAGE'], {'numpy', 'models', 'streams'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "0 set()"
