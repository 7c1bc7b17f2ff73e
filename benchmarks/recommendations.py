"""How good are the recommendations? The Complete Journey through a ledger, every trip judged.

    python -m benchmarks.recommendations [--level category] [--first-week 31] [--last-week 40]
                                         [--households 1]

The last recommendation before each trip is held against all that the trip bought, beside counts decayed .97
per trip and the ten most popular (`tests/support/ledgers/next_trip.py`).
`--households 8` takes an eighth of them, by
hash. Tune on weeks up to 40; later ones are for a final report. A level takes about a minute and a half.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, get_args
from zlib import crc32

from streams.sources.complete_journey import Level
from tests.support.ledgers.next_trip import compare

if TYPE_CHECKING:
    from tests.support.ledgers.next_trip import Quality


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--level", choices=get_args(Level), default="category")
    parser.add_argument("--first-week", type=int, default=31)
    parser.add_argument("--last-week", type=int, default=40)
    parser.add_argument("--households", type=int, default=1, help="One of so many takes part.")
    asked = parser.parse_args()
    found = compare(
        asked.level,
        keeps=lambda household: not crc32(b"%d" % household) % asked.households,
        first_week=asked.first_week,
        last_week=asked.last_week,
    )
    print(f"{found.trips:,} trips of weeks {asked.first_week} to {asked.last_week}, level {asked.level}")
    print(f"{'':28}recall@10  NDCG@10  hit share")
    for name, quality in (
        ("recommended by the ledger", found.ledger),
        ("counts decayed .97 per trip", found.decayed),
        ("most popular", found.popular),
    ):
        _row(name, quality)
    print(f"{found.discovered:.1%} of what was recommended was new to the household")
    worse = [
        name for name in found.ledger._fields if getattr(found.ledger, name) < getattr(found.decayed, name)
    ]
    if worse:
        sys.exit(f"worse than counts decayed .97 per trip: {', '.join(worse)}")


def _row(name: str, quality: Quality) -> None:
    print(f"{name:28}{quality.recall:9.4f}{quality.ndcg:9.4f}{quality.hit_share:11.4f}")


if __name__ == "__main__":
    main()
