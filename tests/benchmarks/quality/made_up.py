"""A small made-up log in the files of The Complete Journey."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTS = {
    1: ("GROCERY", "MILK", "WHOLE"),
    2: ("GROCERY", "BREAD", "WHITE"),
    3: ("KIOSK-GAS", "FUEL", "UNLEADED"),
    4: ("MISCELLANEOUS", None, None),
}


def write(folder: Path, *lines: tuple[int, str, int, int]) -> Path:
    """Write lines (household, instant in UTC, product, quantity), a basket each, a dollar a unit."""
    numbers = list(PRODUCTS)
    columns = list(zip(*PRODUCTS.values(), strict=True))
    pq.write_table(
        pa.table(
            {
                "product_id": numbers,
                "department": columns[0],
                "product_category": columns[1],
                "product_type": columns[2],
            }
        ),
        folder / "products.parquet",
    )
    count = len(lines)
    pq.write_table(
        pa.table(
            {
                "household_id": [line[0] for line in lines],
                "store_id": [1] * count,
                "basket_id": list(range(count)),
                "product_id": [line[2] for line in lines],
                "quantity": [line[3] for line in lines],
                "sales_value": [float(line[3]) for line in lines],
                "retail_disc": [0.0] * count,
                "transaction_timestamp": pa.array(
                    [datetime.fromisoformat(line[1]).replace(tzinfo=None) for line in lines],
                    pa.timestamp("ns"),
                ),
            }
        ),
        folder / "transactions.parquet",
    )
    return folder
