"""Channel on which batches travel to a Faust agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
from mode.utils.queues import FlowControlEvent, ThrowableQueue

if TYPE_CHECKING:
    from streams.partition.batch import Batch


class BatchChannel(faust.Channel["Batch"]):
    """Channel whose clones all share one bounded queue, outside Faust's flow control.

    An agent reads from a clone of the channel that the agent was given. The clones of a plain Faust channel
    do not share its queue: each clone makes a queue of its own. Faust also clears the queues that it manages,
    and cancels waiting puts, whenever its own topics resume after a rebalance. Batches lost in that way were
    never processed, while the worker was alive and its exit status 0. This class redefines nothing but the
    public property `queue`.

    Args:
        app: Faust app.
        maxsize: Capacity of the queue: one batch per partition, and the void batches of earlier epochs.
        root: Channel that this one is a clone of; Faust passes it.
        options: Further options that Faust passes to a clone.
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
        """Queue shared by this channel and all its clones."""
        return self._batches
