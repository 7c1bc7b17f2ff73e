"""How a worker's process keeps its memory."""

from __future__ import annotations

import ctypes
import gc
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3

MMAP_THRESHOLD = 32 * 1024 * 1024
"""Bytes; the most that glibc takes. A buffer above it is mapped anew and faulted in page by page at every
use; with the default of 128 KiB every buffer of the size of a batch is, at 0.2 us an event."""

TRIM_THRESHOLD = 256 * 1024 * 1024
"""Bytes that stay with the process when they are free, for the next batch."""


def keep_buffers() -> bool:
    """Let the allocator keep buffers of the size of a batch; False where it is not glibc's."""
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
    """Leave what recovery made out of later collections: millions of objects that never become garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
