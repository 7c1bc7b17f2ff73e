"""Cartpulse's public face: the contracts, the models in memory, and what reads files and services.

`__all__` is what is offered; everything else may change without notice. In a notebook::

    from cartpulse import ReplenishmentAlert, read_purchases, replay

    for event in replay(read_purchases("sales.csv")):
        if isinstance(event, ReplenishmentAlert):
            print(event.customer_id, event.category, event.best_date, event.hit_probability)

A name is imported when it is first asked for, so that the command line starts without those that it does not
need (PEP 562).
"""

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from models.contracts.changes import Refusal
    from models.contracts.events import (
        AlertClosing,
        AlertEvidence,
        ClosingState,
        Cluster,
        ClusterChange,
        ClusterTrait,
        DeadLetter,
        DeadLetterReplayed,
        DiscoverEvidence,
        LapsedHabit,
        ListClosing,
        ListedCategory,
        OutputEvent,
        PastEvidence,
        PurchaseHabit,
        Reason,
        Recommendation,
        RecommendedItem,
        RecommendedProduct,
        RepeatEvidence,
        ReplenishmentAlert,
        ReplenishmentList,
        Scores,
        Segment,
        SegmentChange,
        SegmentEvidence,
    )
    from models.contracts.purchases import (
        CatalogueUpdate,
        ContractError,
        Erasure,
        ErrorCode,
        Item,
        Listing,
        Purchase,
        Signal,
    )
    from models.ledger.ledger import Ledger
    from models.replay.replay import EventRefusedError, InputEvent, replay
    from models.settings import LedgerSettings
    from streams.errors import CartpulseError
    from streams.operations.snapshot import Snapshot, snapshot
    from streams.settings.environment import load_settings
    from streams.settings.settings import Settings
    from streams.sources.files.lines import Refused
    from streams.sources.reading import read_purchases

__all__ = [
    "AlertClosing",
    "AlertEvidence",
    "CartpulseError",
    "CatalogueUpdate",
    "ClosingState",
    "Cluster",
    "ClusterChange",
    "ClusterTrait",
    "ContractError",
    "DeadLetter",
    "DeadLetterReplayed",
    "DiscoverEvidence",
    "Erasure",
    "ErrorCode",
    "EventRefusedError",
    "InputEvent",
    "Item",
    "LapsedHabit",
    "Ledger",
    "LedgerSettings",
    "ListClosing",
    "ListedCategory",
    "Listing",
    "OutputEvent",
    "PastEvidence",
    "Purchase",
    "PurchaseHabit",
    "Reason",
    "Recommendation",
    "RecommendedItem",
    "RecommendedProduct",
    "Refusal",
    "Refused",
    "RepeatEvidence",
    "ReplenishmentAlert",
    "ReplenishmentList",
    "Scores",
    "Segment",
    "SegmentChange",
    "SegmentEvidence",
    "Settings",
    "Signal",
    "Snapshot",
    "load_settings",
    "read_purchases",
    "replay",
    "snapshot",
]

STARTED: Final = time.monotonic()
"""When the command began, on the monotonic clock: before the imports, which take a second."""

# Read by numpy when it is imported: a ledger reserves address space, and pages of 2 MiB would fill it.
os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")

_HOMES: Final = {
    "models.contracts.changes": "Refusal",
    "models.contracts.events": (
        "AlertClosing AlertEvidence ClosingState Cluster ClusterChange ClusterTrait DeadLetter "
        "DeadLetterReplayed DiscoverEvidence LapsedHabit ListClosing ListedCategory OutputEvent "
        "PastEvidence PurchaseHabit Reason Recommendation RecommendedItem RecommendedProduct "
        "RepeatEvidence ReplenishmentAlert ReplenishmentList Scores Segment SegmentChange "
        "SegmentEvidence"
    ),
    "models.contracts.purchases": (
        "CatalogueUpdate ContractError Erasure ErrorCode Item Listing Purchase Signal"
    ),
    "models.ledger.ledger": "Ledger",
    "models.replay.replay": "EventRefusedError InputEvent replay",
    "models.settings": "LedgerSettings",
    "streams.errors": "CartpulseError",
    "streams.operations.snapshot": "Snapshot snapshot",
    "streams.settings.environment": "load_settings",
    "streams.settings.settings": "Settings",
    "streams.sources.files.lines": "Refused",
    "streams.sources.reading": "read_purchases",
}
"""Names by the module that defines them."""
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names.split()}

if not TYPE_CHECKING:  # a type checker would let every name pass that this might know

    def __getattr__(name: str) -> object:
        """Import a name that is offered, once.

        Raises:
            AttributeError: It is not offered.
        """
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} offers no {name!r}")
        from importlib import import_module  # noqa: PLC0415 - the command line starts without it

        found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return found

    def __dir__() -> list[str]:
        """List what is offered, whether it was imported or not."""
        return sorted({*globals(), *__all__})
