"""Packed files are read as what they hold, in bounded memory, and broken ones end in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.settings import LedgerSettings
from streams.sources.files.purchase_file import PurchaseFile
from streams.sources.files.survey import FileOptions, FileSurvey
from streams.sources.forms.containers import Container, container_of, spooled
from streams.sources.forms.tables import FileError
from streams.sources.forms.texts import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = b"order_id,customer_id,date,sku,quantity,price\n"
ROWS = b"".join(b"%d,A,2024-02-01 10:00,S%d,1,2.50\n" % (number, number) for number in range(600))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipfile_end := b"PK\x05\x06" + bytes(18), "is a zip archive that holds no file"),
        (gzip.compress(zipfile_end, mtime=0), "is packed twice"),
        (b'"x"', "is JSON and holds one text"),
        (b'\xef\xbb\xbf "x"\n', "is JSON and holds one text"),
        (b"5", "is JSON and holds nothing but 5"),
        (b"null", "is JSON and holds nothing but null"),
        (b'["x", "y"]', "is JSON and holds a list without objects"),
        (b"[1, 2]", "is JSON and holds a list without objects"),
        (gzip.compress(b'"x"', mtime=0), "is JSON and holds one text"),
    ],
)
def test_what_holds_no_rows_is_called_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "sales.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=said):
        looked_through(path)


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def zipped(data: bytes, name: str = "sales.csv", **others: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        for other, content in others.items():
            archive.writestr(other, content)
    return written.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "zip": zipped,
}


def looked_through(path: Path | Container) -> tuple[FileSurvey, int, int]:
    """How a file is read, and how many of its rows are accepted and refused."""
    with PurchaseFile(path, LedgerSettings(), FileOptions(), ZoneInfo("UTC")) as file:
        survey = file.examine()
        file.prepare()
        return survey, file.accepted, file.refusals.total


@pytest.mark.parametrize("packing", PACKERS)
def test_a_packed_file_is_known_by_its_content_and_not_by_its_name(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(HEAD + ROWS)
    plain, rows, _ = looked_through(path)
    path.write_bytes(PACKERS[packing](HEAD + ROWS))
    survey, accepted, refused = looked_through(path)
    assert (accepted, refused) == (rows, 0) == (600, 0)
    assert packing in survey.notes[0]
    assert survey.encoding.digest == plain.encoding.digest, "packed anew, a sending goes on"


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_several_packed_parts_in_a_row_are_one_file(tmp_path: Path, packing: str) -> None:
    pack = PACKERS[packing]
    path = tmp_path / "sales"
    path.write_bytes(pack(HEAD) + pack(ROWS))
    assert looked_through(path)[1] == 600


@pytest.mark.parametrize("packing", PACKERS)
def test_a_truncated_file_ends_in_one_line(tmp_path: Path, packing: str) -> None:
    data = PACKERS[packing](HEAD + ROWS)
    path = tmp_path / "sales"
    for length in (6, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:length])
        with pytest.raises(FileError, match=r"cannot be unpacked|not whole|parts a line") as caught:
            looked_through(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zip"])
def test_a_damaged_file_ends_in_one_line(tmp_path: Path, packing: str) -> None:
    data = bytearray(PACKERS[packing](HEAD + ROWS))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "sales"
    path.write_bytes(data)
    with pytest.raises(FileError, match="cannot be unpacked"):
        looked_through(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(gzip.compress(HEAD + ROWS, mtime=0), mtime=0), "packed twice"),
        (gzip.compress(b"", mtime=0), "nothing but an empty file"),
        (zipped(HEAD, "[Content_Types].xml"), "is a spreadsheet: save the sheet"),
        (zipped(HEAD, "mimetype"), "is a spreadsheet: save the sheet"),
        (zipped(HEAD, "a.csv", b=ROWS), "holds 2 files"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), r"\.xls"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "unpack it first"),
        (b"\x04\x22\x4d\x18" + bytes(600), "lz4"),
        (b"SQLite format 3\0", "export the table"),
        (b"Obj\x01avro", "Avro"),
        (b"%PDF-1.7", "a PDF"),
        (b"  <html><table><tr><td>1</td></tr></table></html>", "holds HTML or XML"),
    ],
)
def test_what_holds_no_rows_says_what_to_do(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(content)
    with pytest.raises(FileError, match=said):
        looked_through(path)


def test_an_archive_of_tar_is_to_be_unpacked(tmp_path: Path) -> None:
    inner = tmp_path / "sales.csv"
    inner.write_bytes(HEAD + ROWS)
    for mode in ("w", "w:gz"):
        path = tmp_path / "sales.tar"
        with tarfile.open(path, mode) as archive:
            archive.add(inner)
        with pytest.raises(FileError, match="a tar archive: unpack it first"):
            looked_through(path)


def test_what_a_mac_adds_to_an_archive_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "sales.zip"
    path.write_bytes(
        zipped(HEAD + ROWS, "out/sales.csv", **{"__MACOSX/out/._sales.csv": b"x", ".DS_Store": b""})
    )
    survey, accepted, _ = looked_through(path)
    assert accepted == 600
    assert "out/sales.csv" in survey.notes[0]


def test_packed_parquet_is_to_be_unpacked(tmp_path: Path) -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"a": pa.array([1])}), written)
    path = tmp_path / "sales.parquet.gz"
    path.write_bytes(gzip.compress(written.getvalue()))
    with pytest.raises(FileError, match="compressed by itself"):
        looked_through(path)


@pytest.mark.parametrize("packing", ["gzip", "zstd", "xz"])
def test_a_bomb_takes_no_memory(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "sales"
    bomb = b"x" * (24 * LONGEST_LINE)
    path.write_bytes(PACKERS[packing](HEAD + ROWS + bomb + b"\n" + ROWS))
    del bomb
    tracemalloc.start()
    _, accepted, refused = looked_through(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (accepted, refused) == (1_200, 1)
    assert peak < 20 * LONGEST_LINE


def test_standard_input_is_kept_as_long_as_it_is_read(tmp_path: Path) -> None:
    with spooled(io.BytesIO(gzip.compress(HEAD + ROWS))) as content:
        path = content.path
        survey, accepted, _ = looked_through(content)
        assert (str(content), accepted) == ("standard input", 600)
        assert "temporary file" in survey.notes[0]
        assert "gzip" in survey.notes[0]
    assert not path.exists()
    with spooled(io.BytesIO()) as content, pytest.raises(FileError, match="standard input is empty"):
        container_of(content)
    assert not list(tmp_path.iterdir())
