"""Decoder of raw records into columns: msgspec on the hot path, the contract itself in any case of doubt.

msgspec may only accept a record, and only if its answer cannot differ from the contract's. Every doubt goes
to `models.contracts.purchases.read`, which decides and gives the reason. Both paths therefore accept and
refuse the same records.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from models.contracts.changes import Refusal
from models.contracts.purchases import (
    IDENTIFIER_BYTES,
    LARGEST_EVENT,
    MOST_LINES,
    MOST_MONEY,
    MOST_PRICE,
    MOST_QUANTITY,
    NAME_BYTES,
    QUANTITY_STEPS,
    SPEND_STEPS,
    CatalogueUpdate,
    ContractError,
    Erasure,
    ErrorCode,
    Purchase,
    is_identifier,
    is_name,
    read,
)
from models.contracts.timestamps import milliseconds
from models.records.columns import Kind, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.contracts.purchases import Listing
    from models.settings import LedgerSettings

RUN: Final = 256
"""Records decoded at a time: few enough for their objects to stay in the processor's cache."""
SPARE_BRACKETS: Final = 64
"""Opening brackets, besides those of the lines, that msgspec may skip. A record with so few brackets nests
less deeply than any parser's limit (200 and more)."""
LONG_NUMBER: Final = 4000
"""Digits from which on a number is in doubt. Somewhat beyond, the contract's parser refuses a whole number
that msgspec would skip."""

_Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=IDENTIFIER_BYTES)]
_Name = Annotated[str, msgspec.Meta(max_length=NAME_BYTES)]
_Quantity = Annotated[float, msgspec.Meta(ge=-MOST_QUANTITY, le=MOST_QUANTITY)]
_Price = Annotated[float, msgspec.Meta(ge=0, le=MOST_PRICE)]
_Money = Annotated[float, msgspec.Meta(ge=-MOST_MONEY, le=MOST_MONEY)]


class Raw(NamedTuple):
    """Record as the log holds it."""

    offset: int
    value: bytes | None
    """JSON; None for a tombstone, which is no purchase."""
    appended_at: int
    """Broker append time, ms since 1970 UTC, or `UNKNOWN_TIME`."""


class _Line(msgspec.Struct, gc=False):
    product_id: _Identifier
    category: _Identifier
    quantity: _Quantity
    unit_price: _Price
    discount: _Money = 0.0
    name: _Name | None = None


class _Basket(msgspec.Struct, gc=False):
    event_id: _Identifier
    customer_id: _Identifier
    occurred_at: str
    currency: str
    kind: Literal["purchase", "return"]
    items: Annotated[list[_Line], msgspec.Meta(min_length=1, max_length=MOST_LINES)]
    store_id: _Identifier | None = None
    channel: _Identifier | None = None


class _KnownLine(_Line, gc=False, forbid_unknown_fields=True):
    pass


class _KnownBasket(_Basket, gc=False, forbid_unknown_fields=True):
    items: Annotated[list[_KnownLine], msgspec.Meta(min_length=1, max_length=MOST_LINES)]  # type: ignore[assignment]


class _Read(NamedTuple):
    """Fields kept of a record. All are empty for a refused record."""

    kind: Kind
    occurred_at: int
    event_id: str
    customer: bytes
    lines: Sequence[_Line]
    listings: Sequence[Listing] = ()
    where: tuple[str | None, str | None, str] = (None, None, "")
    """Store, channel and currency."""


_PACK: Final = msgspec.msgpack.Encoder().encode
_AMOUNTS: Final = 4 * 8
"""Bytes of a line's amounts that enter the hash of its event."""
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_REFUSED: Final = _Read(Kind.REFUSED, 0, "", b"", ())
_KINDS: Final = {
    "purchase": Kind.PURCHASE,
    "return": Kind.RETURN,
    "tick": Kind.TICK,
    "live": Kind.LIVE,
    "erase": Kind.ERASE,
    "catalogue": Kind.CATALOGUE,
}


@dataclass(frozen=True, slots=True)
class _Lines:
    """Line columns of a run of records, whose amounts are still to be checked."""

    starts: NDArray[np.int64]
    quantities: NDArray[np.int64]
    spends: NDArray[np.int64]
    prices: NDArray[np.int64]
    discounts: NDArray[np.int64]

    def suspects(self, reads: list[_Read]) -> list[int]:
        """Return the indexes of records whose amounts may break the contract.

        Such a record has a line of quantity 0, costs too much, or is a return with a line of positive
        quantity.
        """
        # Stage 1: (f,) records with lines; `reduceat` below needs at least one line per record.
        filled = np.flatnonzero(np.diff(self.starts))
        if not len(filled):
            return []
        first = self.starts[filled]
        kinds = np.array([read.kind for read in reads], np.uint8)[filled]
        most = MOST_MONEY * SPEND_STEPS
        # Stage 2: (f,) True for records with a line or a sum out of bounds.
        odd = np.logical_or.reduceat((self.quantities == 0) | (np.abs(self.spends) > most), first)
        odd |= np.abs(np.add.reduceat(self.spends, first)) > most
        odd |= (kinds == Kind.RETURN) & (np.maximum.reduceat(self.quantities, first) > 0)
        return [int(index) for index in filled[odd]]

    def without(self, refused: list[int]) -> _Lines:
        """Return the columns without the lines of refused records."""
        counts = np.diff(self.starts)
        keeps = np.ones(len(counts), np.bool_)
        keeps[refused] = False
        kept = np.repeat(keeps, counts)
        counts[refused] = 0
        columns = (self.quantities, self.spends, self.prices, self.discounts)
        return _Lines(_starts(counts), *(column[kept] for column in columns))


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


class Decoder:
    """Decoder of runs of records for one service.

    Args:
        settings: Service settings, read for the currency.
    """

    def __init__(self, settings: LedgerSettings) -> None:
        self._currency = settings.currency
        self._known = msgspec.json.Decoder(_KnownBasket).decode
        self._tolerant = msgspec.json.Decoder(_Basket).decode

    def decode(self, raws: Sequence[Raw]) -> tuple[Records, list[Refusal]]:
        """Decode records into columns and refusals. Never raises, whatever the bytes.

        Refused records are in the columns too, as `Kind.REFUSED`.

        Args:
            raws: Records in the order of the log.

        Returns:
            The columns and the refusals, both in the order of `raws`.
        """
        refusals: list[Refusal] = []
        runs = [self._run(raws[at : at + RUN], refusals) for at in range(0, len(raws) or 1, RUN)]
        return (runs[0] if len(runs) == 1 else _joined(runs)), refusals

    def _run(self, raws: Sequence[Raw], refusals: list[Refusal]) -> Records:
        values = [raw.value or b"" for raw in raws]
        refused: dict[int, Refusal] = {}
        reads: list[_Read] = []
        for index, value in enumerate(values):
            reads.append(self._plain(value) or self._judged(index, raws, refused))
        lines = _lines(reads)
        suspects = lines.suspects(reads)
        if suspects:
            for index in suspects:
                reads[index] = self._judged(index, raws, refused)
            lines = lines.without([index for index in suspects if index in refused])
        refusals.extend(refused[index] for index in sorted(refused))
        return _records(raws, values, reads, lines)

    def _plain(self, value: bytes) -> _Read | None:
        """Decode a basket that is valid beyond doubt, its amounts excepted; None in any doubt."""
        if len(value) > LARGEST_EVENT:
            return None
        try:
            basket = self._known(value)
        except _UNREADABLE:
            return self._with_unknown_fields(value)
        return self._checked(value, basket)

    def _with_unknown_fields(self, value: bytes) -> _Read | None:
        """Decode a basket with fields unknown to the contract; None in any doubt.

        msgspec skips unknown fields, and overlooks faults in them that the contract's parser would refuse.
        """
        try:
            basket = self._tolerant(value)
            value.decode()
        except _UNREADABLE:
            return None
        if value.count(b"{") + value.count(b"[") > len(basket.items) + SPARE_BRACKETS:
            return None
        return None if _may_hold_long_number(value) else self._checked(value, basket)

    def _checked(self, value: bytes, basket: _Basket) -> _Read | None:
        if basket.currency != self._currency:
            return None
        # In ASCII without escapes, characters are bytes and none is byte 0, so that lengths need no second
        # check.
        if not (value.isascii() and b"\\" not in value) and not _texts_fit(basket):
            return None
        try:
            occurred_at = milliseconds(basket.occurred_at)
        except ValueError:
            return None
        return _Read(
            _KINDS[basket.kind],
            occurred_at,
            basket.event_id,
            basket.customer_id.encode(),
            basket.items,
            where=(basket.store_id, basket.channel, basket.currency),
        )

    def _judged(self, index: int, raws: Sequence[Raw], refused: dict[int, Refusal]) -> _Read:
        """Decode a record by the contract. A refusal is added to `refused`."""
        try:
            return self._contract(raws[index].value or b"")
        except ContractError as fault:
            refused[index] = Refusal(
                raws[index].offset, "decode", fault.error.value, fault.field, fault.reason
            )
            return _REFUSED

    def _contract(self, value: bytes) -> _Read:
        record = read(value)
        if not isinstance(record, Purchase):
            customer = record.customer_id.encode() if isinstance(record, Erasure) else b""
            listings = record.products if isinstance(record, CatalogueUpdate) else ()
            return _Read(_KINDS[record.kind], record.occurred_ms, record.event_id, customer, (), listings)
        if record.currency != self._currency:
            reason = f"currency must be {self._currency}, the one currency of this service."
            raise ContractError(ErrorCode.CURRENCY, "currency", reason)
        lines = [
            _Line(item.product_id, item.category, item.quantity, item.unit_price, item.discount, item.name)
            for item in record.items
        ]
        return _Read(
            _KINDS[record.kind],
            record.occurred_ms,
            record.event_id,
            record.customer_id.encode(),
            lines,
            where=(record.store_id, record.channel, record.currency),
        )


def _texts_fit(basket: _Basket) -> bool:
    """Return True if each text is short enough in bytes too, and no identifier begins with byte 0."""
    optional = (text for text in (basket.store_id, basket.channel) if text is not None)
    texts = chain((basket.event_id, basket.customer_id), optional)
    return (
        all(is_identifier(text) for text in texts)
        and all(is_identifier(line.product_id) and is_identifier(line.category) for line in basket.items)
        and all(line.name is None or is_name(line.name) for line in basket.items)
    )


def _may_hold_long_number(value: bytes) -> bool:
    """Return True if some number may have more than `LONG_NUMBER` digits.

    A run of so many digits covers at least one of the sampled bytes, which lie `LONG_NUMBER` apart. On at
    least one side of that byte lies a good part of the run, so that 64 digits there raise the doubt.
    """
    for at in range(LONG_NUMBER - 1, len(value), LONG_NUMBER):
        if value[at : at + 64].isdigit() or value[max(at - 63, 0) : at + 1].isdigit():
            return True
    return False


def _lines(reads: list[_Read]) -> _Lines:
    lines = [line for one in reads for line in one.lines]
    quantity = np.array([line.quantity for line in lines], np.float64)
    price = np.array([line.unit_price for line in lines], np.float64)
    discount = np.array([line.discount for line in lines], np.float64)
    return _Lines(
        starts=_starts(np.array([len(one.lines) for one in reads], np.int64)),
        quantities=np.rint(quantity * QUANTITY_STEPS).astype(np.int64),
        spends=np.rint((quantity * price - discount) * SPEND_STEPS).astype(np.int64),
        prices=np.rint(price * SPEND_STEPS).astype(np.int64),
        discounts=np.rint(discount * SPEND_STEPS).astype(np.int64),
    )


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def _hashes(parts: list[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(parts), "<u8").astype(np.uint64)


def _content_hashes(
    reads: list[_Read], lines: _Lines, products: list[str], categories: list[str], names: list[str | None]
) -> NDArray[np.uint32]:
    """Compute the CRC-32 of the decoded fields of each purchase or return; 0 for all other records.

    Two events that decode to equal fields have equal hashes, whatever their bytes. Amounts enter the hash as
    stored integers, and absent fields as their defaults. Texts enter as MessagePack, in which different lists
    have different bytes. A CRC takes a fifth of the time of BLAKE2b here. A CRC misses one edit in 2^32, and
    no edit within four bytes. Nobody gains by an edit that it misses.
    """
    columns = (lines.quantities, lines.prices, lines.discounts, lines.spends)
    amounts = memoryview(np.stack(columns, axis=1).astype("<i8", copy=False).tobytes())
    starts = lines.starts.tolist()
    hashes = [0] * len(reads)
    for index, one in enumerate(reads):
        first, last = starts[index], starts[index + 1]
        if first < last:
            texts = products[first:last], categories[first:last], names[first:last]
            said = _PACK((int(one.kind), *one.where, one.occurred_at, *texts))
            hashes[index] = crc32(amounts[first * _AMOUNTS : last * _AMOUNTS], crc32(said))
    return np.array(hashes, np.uint32)


def _records(raws: Sequence[Raw], values: list[bytes], reads: list[_Read], lines: _Lines) -> Records:
    every = [line for one in reads for line in one.lines]
    products, categories = [line.product_id for line in every], [line.category for line in every]
    return Records(
        offsets=np.array([raw.offset for raw in raws], np.int64),
        digests=_hashes([_hash(value) for value in values]),
        appended_at=np.array([raw.appended_at for raw in raws], np.int64),
        kinds=np.array([one.kind for one in reads], np.uint8),
        occurred_at=np.array([one.occurred_at for one in reads], np.int64),
        event_ids=[one.event_id for one in reads],
        event_hashes=_hashes([_hash(one.event_id.encode()) if one.kind else bytes(8) for one in reads]),
        content_hashes=_content_hashes(reads, lines, products, categories, [line.name for line in every]),
        customers=[one.customer for one in reads],
        stores=[one.where[0] or "" for one in reads],
        channels=[one.where[1] or "" for one in reads],
        line_starts=lines.starts,
        products=products,
        categories=categories,
        quantities=lines.quantities,
        spends=lines.spends,
        discounts=lines.discounts,
        listings=[one.listings for one in reads],
    )


def _joined(runs: list[Records]) -> Records:
    ends = np.cumsum([0, *(run.line_starts[-1] for run in runs)])
    starts = [run.line_starts[:-1] + end for run, end in zip(runs, ends, strict=False)]
    return Records(
        offsets=np.concatenate([run.offsets for run in runs]),
        digests=np.concatenate([run.digests for run in runs]),
        appended_at=np.concatenate([run.appended_at for run in runs]),
        kinds=np.concatenate([run.kinds for run in runs]),
        occurred_at=np.concatenate([run.occurred_at for run in runs]),
        event_ids=list(chain.from_iterable(run.event_ids for run in runs)),
        event_hashes=np.concatenate([run.event_hashes for run in runs]),
        content_hashes=np.concatenate([run.content_hashes for run in runs]),
        customers=list(chain.from_iterable(run.customers for run in runs)),
        stores=list(chain.from_iterable(run.stores for run in runs)),
        channels=list(chain.from_iterable(run.channels for run in runs)),
        line_starts=np.concatenate([*starts, ends[-1:]]),
        products=list(chain.from_iterable(run.products for run in runs)),
        categories=list(chain.from_iterable(run.categories for run in runs)),
        quantities=np.concatenate([run.quantities for run in runs]),
        spends=np.concatenate([run.spends for run in runs]),
        discounts=np.concatenate([run.discounts for run in runs]),
        listings=list(chain.from_iterable(run.listings for run in runs)),
    )
