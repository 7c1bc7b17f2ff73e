"""Columns of a partition's state, and the bounds that keep a customer's two rows under 12 KB.

The items of a row are these records, byte for byte. Memory and storage hold equal bytes, so that cutting
batches at other places never rounds a value anew.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from models.memory.rows import HEADER
from models.memory.sections import SECTION

LONGEST_ROW = 12 * 1024
"""Bytes that a customer's two rows may take together. The bounds below keep them well under this limit."""
RING = 32
"""Recent events remembered per customer to recognise duplicates. Within a day, an event may come up to this
many events out of order."""
MOST_CELLS = 128
"""Categories kept per customer: 3.8 KB of a full row of habits. In a year, a household of The Complete
Journey buys 91 (median), and one in five more than 128. With 64, 15 % of the purchases of established pairs
came from pairs that were taken for new; with 128 it is 1 %."""
MOST_PRODUCTS = 100
"""Products kept per customer: 1.4 KB of a full row of habits."""
MOST_STORES = 3
"""Stores counted per customer. A store of more than a quarter of the visits is always among them."""
MOST_OPEN_LINES = 86
"""(category, product) pairs of one customer's open day; 99.9 % of days in The Complete Journey hold fewer."""
LISTED = 5
"""Categories on a list of what a customer may need this week: more would not be read."""
LIST_DAYS = 7
"""Days for which a list holds, from the day that its boundary opens."""
NO_EVENT = np.iinfo(np.int64).min
"""`ring_at` of an empty place of the ring: less than every instant."""
NO_SEGMENT = -1
NO_CLUSTER = -1
SUMS = 7
"""Decayed sums kept of how a customer shops."""
LANDMARK = 4
"""Columns of a landmark, from which the chance of a purchase is learnt once it is known whether one came."""
NEVER = 0
"""Day number that stands for no day. Days count from 2000-01-01, and events of that date have day 1."""

HEAD = np.dtype(
    [
        ("first_purchase", "<i8"),  # ms since 1970 UTC
        ("last_purchase", "<i8"),  # ms since 1970 UTC
        ("spend", "<i8"),  # 1/10,000 of the currency, returns taken off
        ("baskets", "<u4"),  # purchases, no returns
        ("frequency", "<u4"),  # purchase days folded
        ("trips", "<u2"),  # folded days on which something was consumed
        ("late", "<u2"),  # events of closed days; 65,535 stands for that many or more
        ("duplicates", "<u2"),  # events that came again; 65,535 stands for that many or more
        ("segment", "i1"),  # reported segment, 0 is best
        ("smoothed", "<u2"),  # recency averaged over boundaries at the last folded purchase, 1/64 of a day
        ("smoothed_day", "<u2"),  # day of that purchase, or NEVER
        ("stores", "<u2", (MOST_STORES,)),  # numbers of the stores visited most, 0 for an empty place
        ("store_visits", "<u2", (MOST_STORES,)),  # purchases there, or fewer; see models.state.visits
        ("channel", "<u2"),  # number of the sales channel that was named last
        ("recommended_day", "<u2"),  # last day whose first purchase was answered with recommendations
        ("recommended", "<u8"),  # sum of the name hashes of the newest list's five best, 0 for none
        ("open_day", "<u2", (2,)),  # the day in the slot of its parity, or NEVER
        ("open_purchase", "u1", (2,)),  # 1 when that day holds a purchase
        ("weekdays", "u1", (7,)),  # folded trips by day of the week, from Monday on; halved when one is many
        ("list_day", "<u2"),  # boundary that made the open list, or NEVER
        ("listed", "<u2", (LISTED,)),  # numbers of its categories, the likeliest first; 0 behind the last
        ("open_spend", "<i8", (2,)),  # of the open day in each slot, returns taken off, 1/10,000
        ("open_discount", "<i8", (2,)),  # discounts of its purchases, 1/10,000
        ("open_items", "<u4", (2,)),  # lines of its purchases
        ("decayed_sums", "<f4", (SUMS,)),  # models.state.shopping.Sum, as of `smoothed_day`
        ("cluster", "i1"),  # reported cluster, or NO_CLUSTER
        ("cluster_since", "<u2"),  # first boundary at which another cluster was nearer, or NEVER
        ("landmark_day", "<u2"),  # boundary at which the landmark was taken, or NEVER
        ("landmark", "<i2", (LANDMARK,)),  # what was known then: models.learning.activity.Column
        (
            "folded",
            "<u2",
        ),  # boundary that last changed the habits, which their row names too; or NEVER
    ]
)
"""Numbers about one customer that every basket or boundary may change."""

CUSTOMER = np.dtype(
    [
        *((name, HEADER[name]) for name in HEADER.names or ()),
        ("heading", SECTION),  # of the head, filled in when a row is made
        *((name, HEAD[name]) for name in HEAD.names or ()),
        ("habits_offset", "<i8"),  # source offset in the header of the row of habits
        ("habits_boundary", "<u2"),  # boundary in that header, NEVER without such a row
        ("drawn", "<u4"),  # CRC-32 of the customer's id, by which samples of customers are drawn
        ("ring_at", "<i8", (RING,)),  # ms since 1970 UTC
        ("ring_hash", "<u8", (RING,)),
        ("ring_content", "<u4", (RING,)),  # hash of the event's content: `Records.content_hashes`
    ]
)
"""Fixed columns of one customer in memory. The day begins with the columns up to `folded`, byte for byte."""

RING_EVENT = np.dtype([("at", "<i8"), ("hash", "<u8"), ("content", "<u4")])
"""Record of one remembered event in a row. In memory the ring is three columns of `CUSTOMER`."""


class Cycle(IntEnum):
    """State of a (customer, category) cycle. A cycle begins with a trip that bought the category."""

    UNPLANNED = 0
    """No alert: too few purchases, too low a probability, or the cycle's alert is over."""
    RAISED = 1
    FULFILLED = 2
    LAPSED = 3
    """Not bought for so long that it was told, once."""
    PLANNED = 4
    """The last state, because the row of the day adds the days from the last trip to the best date to it."""


class Outcome(IntFlag):
    """Parts of an alert that came true."""

    NOTHING = 0
    HIT = 1
    WITHIN_WEEK = 2


MOST_PLANNED_DAYS = 255 - Cycle.PLANNED
"""Days from a trip to the best date of its alert: with these, a planned cycle still fits the byte of its
row."""

RAISED_ALERT = np.dtype(
    [
        ("best_day", "<u2"),
        ("low_day", "<u2"),  # 80 % interval of the next purchase day
        ("high_day", "<u2"),
        ("raised_day", "<u2"),  # boundary that raised the alert
        ("chance", "<u2"),  # hit probability that the raised alert said, 1/10,000
        ("model_chance", "<u2"),  # the model's, before it was corrected
        ("model_week", "<u2"),  # the model's probability of a purchase within 7 days
    ]
)
"""Record of a raised alert in the row of the day. Cells hold zeros there while no alert is raised, but for
the best day of a planned one."""

OUTCOME = np.dtype(
    [
        ("ended_day", "<u2"),  # boundary that learns of it
        ("ended_chance", "<u2"),  # `model_chance` of the alert
        ("ended_week", "<u2"),
        ("outcome", "u1"),  # Outcome
    ]
)
"""Record of how a cell's last alert ended, which the next boundary learns from."""

CHANGED = np.dtype(
    [
        ("changed_day", "<u2"),  # about when the habit became another, or NEVER
        ("log_before", "<u2"),  # ln(usual interval in days) until then, 1/4,096
        ("log_since", "<u2"),  # since then
    ]
)
"""Record of the last change of a habit. Most cells hold zeros."""
MOST_CHANGED = 64
"""Changes kept per customer; the oldest go first. In The Complete Journey one habit in twenty has changed."""

CELL = np.dtype(
    [
        ("category", "<u2"),
        ("purchases", "<u2"),  # purchase days
        ("first_day", "<u2"),
        ("last_day", "<u2"),
        ("last_interval", "<u2"),  # days
        ("mean_log", "<u2"),  # mean of ln(interval in days), 1/4,096
        ("variance_log", "<u2"),  # 1/2,048
        ("ewma_log", "<u2"),  # 1/4,096
        ("decayed", "<u2", (3,)),  # purchase days, half-lives 14, 40, 112 days, as of last_day, 1/256
        ("quantity", "<f2"),  # units per purchase day, exponentially weighted
        ("count", "<u2"),  # trips with the category, decayed per trip of the customer, 1/1,024
        ("recent", "<u2"),  # the customer's last 16 trips, newest in bit 0: 1 for a trip with it
        ("drift", "u1", (2,)),  # sums of longer and of shorter intervals: models.learning.drift
        *((name, RAISED_ALERT[name]) for name in RAISED_ALERT.names or ()),
        *((name, OUTCOME[name]) for name in OUTCOME.names or ()),
        *((name, CHANGED[name]) for name in CHANGED.names or ()),
        ("alert", "u1"),  # Cycle
    ]
)
"""Record of one customer's habit in one category. A fold alone changes the columns up to `drift`, which are
an item of the row of habits, and those of `CHANGED`. The others change on any day: they are kept in the row
of the day."""

_CELL_FIELDS: Any = CELL.fields
HABIT_BYTES = int(_CELL_FIELDS["best_day"][1])
"""Bytes of a cell that the row of habits holds."""


PRODUCT = np.dtype(
    [
        ("product", "<u4"),
        ("category", "<u2"),
        ("count", "<f4"),  # trips with the product, decayed per trip, as of `trip`
        ("trip", "<u2"),
        ("last_day", "<u2"),
    ]
)
"""Record of one customer's habit in one product."""

OPEN_LINE = np.dtype(
    [
        ("category", "<u2"),
        ("product", "<u4"),
        ("quantity", "<i8"),  # 1/1,000 of a unit, returns taken off
    ]
)
"""Record of one customer's purchases of one product on an open day."""
