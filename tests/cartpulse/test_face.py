"""The public face: what is offered, that it is there, and that asking for it costs nothing before."""

from __future__ import annotations

import ast
import subprocess
import sys
from types import UnionType
from typing import TYPE_CHECKING, Literal, get_origin
from zipfile import ZipFile

import pytest

import cartpulse
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


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
    if get_origin(found) in (Literal, UnionType):
        return  # an alias for type checkers, which has no docstring at run time
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


def test_the_wheel_says_that_its_packages_are_typed(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert {name for name in names if name.endswith("py.typed")} == {
        f"{package}/py.typed" for package in ("agents", "cartpulse", "models", "streams")
    }


def test_user_code_imports_the_face_alone() -> None:
    tree = ast.parse((ROOT / "tests" / "typing" / "api.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules & {"cartpulse", "models", "streams", "agents"} == {"cartpulse"}
