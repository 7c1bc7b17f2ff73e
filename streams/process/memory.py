"""Memory of a worker's process: settings of the allocator and of the garbage collector."""

from __future__ import annotations

import ctypes
import gc
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3

MMAP_THRESHOLD = 32 * 1024 * 1024
"""Size in bytes above which glibc maps a buffer by itself; the largest value that glibc accepts. Such a
buffer is mapped anew and faulted in page by page at every use. With the default of 128 KiB that would happen
to every buffer of a batch's size, at 0.2 us an event."""

TRIM_THRESHOLD = 256 * 1024 * 1024
"""Free bytes that stay with the process, for the next batch."""


def keep_buffers() -> bool:
    """Make the allocator keep buffers of a batch's size; return False if the allocator is not glibc's."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    kept = (
        library.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD),
        library.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD),
    )
    return all(kept)


def spare_the_collector() -> None:
    """Exclude the objects that recovery made from later collections, and make collections rarer.

    Recovery makes millions of objects that never become garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
