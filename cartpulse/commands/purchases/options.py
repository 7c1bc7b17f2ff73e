"""Command-line options that describe a file."""

from __future__ import annotations

import csv
import os
from pathlib import Path  # noqa: TC003 - typer reads the annotations of callbacks
from typing import Annotated

import typer

from streams.sources.forms.containers import STANDARD_INPUT
from streams.sources.statuses.rows import Rules

Corrections = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Which column is what; again for more. FIELD= leaves one out."
    ),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="The value of a field in every row, such as currency=EUR or quantity=1; again for more.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="COLUMN=VALUE[,VALUE]",
        help="Leave out rows in which the column has none of the values; again for more.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="COLUMN=VALUE[,VALUE]",
        help="Leave out rows in which the column has one of the values; COLUMN= leaves none out.",
    ),
]
EncodingName = Annotated[str | None, typer.Option("--encoding", help="Of the letters, such as windows-1252.")]
FallbackEncoding = Annotated[
    str | None,
    typer.Option(
        "--fallback-encoding", help="Of lines that are not in the file's encoding; else they are refused."
    ),
]
Skip = Annotated[
    int,
    typer.Option(min=0, help="Lines above the columns' names; those found by themselves need no telling."),
]
LayoutName = Annotated[
    str | None,
    typer.Option("--preset", metavar="NAME", help="Layout of the file; none goes by column names alone."),
]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="What parts columns; \\t is a tab.")]


def existing(file: Path | None) -> Path | None:
    """Check that a file exists and may be read, or is `-` for standard input.

    Raises:
        BadParameter: The file is missing, a directory, or not readable.
    """
    if file is None or file == STANDARD_INPUT:
        return file
    if not file.exists():
        raise typer.BadParameter(f"file {str(file)!r} does not exist")
    if file.is_dir():
        raise typer.BadParameter(f"file {str(file)!r} is a directory")
    if not os.access(file, os.R_OK):
        raise typer.BadParameter(f"file {str(file)!r} is not readable")
    return file


def corrections_of(written: list[str] | None) -> dict[str, str]:
    """Parse corrections into field -> column name.

    Raises:
        BadParameter: A correction is not FIELD=COLUMN.
    """
    return dict(_pair(each, "FIELD=COLUMN", "--map") for each in written or [])


def constants_of(written: list[str] | None) -> dict[str, str]:
    """Parse constants into field -> value in every row.

    Raises:
        BadParameter: A constant is not FIELD=VALUE.
    """
    return dict(_pair(each, "FIELD=VALUE", "--set") for each in written or [])


def rules_of(only: list[str] | None, without: list[str] | None) -> Rules:
    """Parse a person's rules about columns. A value with a comma in it stands in quotation marks.

    Raises:
        BadParameter: A rule is not COLUMN=VALUE[,VALUE], or `--only` names no value.
    """
    kept, left_out = _values(only, "--only"), _values(without, "--without")
    for column, values in kept.items():
        if not values:
            raise typer.BadParameter(
                f"{column}= names no value, and would leave all out", param_hint="--only"
            )
    return Rules(kept, left_out)


def _values(written: list[str] | None, option: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in written or []:
        column, said = _pair(each, "COLUMN=VALUE[,VALUE]", option)
        values = next(csv.reader([said], skipinitialspace=True), [])
        found[column] = (*found.get(column, ()), *(value.strip() for value in values))
    return found


def _pair(written: str, shape: str, option: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{written!r} is not {shape}", param_hint=option)
    return name.strip(), value.strip()


def delimiter_of(written: str | None) -> str | None:
    """Check a delimiter of one letter; None finds it out.

    Raises:
        BadParameter: The delimiter has more than one letter, or separates lines or texts.
    """
    delimiter = "\t" if written == "\\t" else written
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise typer.BadParameter(
            f"{written!r} is not one letter that parts columns", param_hint="--delimiter"
        )
    return delimiter


def encoding_of(name: str | None, option: str) -> str | None:
    """Check the name of an encoding; None finds it out.

    Raises:
        BadParameter: Python has no encoding of this name.
    """
    if name is None:
        return None
    try:
        b"a".decode(name, "backslashreplace")
    except (LookupError, UnicodeError) as error:  # `UnicodeError` comes from encodings for names of hosts
        raise typer.BadParameter(f"{name!r} is no encoding that is known", param_hint=option) from error
    return name
