"""The channel on which batches travel to a Faust agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
from mode.utils.queues import FlowControlEvent, ThrowableQueue

if TYPE_CHECKING:
    from streams.partition.batch import Batch


class BatchChannel(faust.Channel["Batch"]):
    """A channel whose clones all share one bounded queue that Faust's flow control does not know.

    An agent reads from a clone of the channel that it was given, and forgets the queue: a plain channel makes
    each clone one of its own. Faust also clears the queues that it manages, and cancels whoever waits to put,
    whenever its own topics resume after a rebalance; batches lost in that way were never processed, with the
    worker alive and its exit status 0. The public property `queue` is all that this class redefines.

    Args:
        app: the Faust app.
        maxsize: most batches that wait: one per partition, and the void ones of earlier epochs.
        root: the channel that this one is a clone of; given by Faust.
        options: whatever else Faust gives to a clone.
    """

    def __init__(self, app: Any, *, maxsize: int, root: Any = None, **options: Any) -> None:
        super().__init__(app, maxsize=maxsize, root=root, **options)
        self._batches: ThrowableQueue[Batch] = (
            root.queue
            if root is not None
            else ThrowableQueue(maxsize=maxsize, flow_control=FlowControlEvent(initially_suspended=False))
        )

    @property
    def queue(self) -> ThrowableQueue[Batch]:
        """The one queue of this channel and all its clones."""
        return self._batches
