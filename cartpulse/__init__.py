"""The front door: the command line, one small file per command."""

import os
import time
from typing import Final

STARTED: Final = time.monotonic()
"""When the command began, on the monotonic clock: before the imports, which take a second."""

# Read by numpy when it is imported: a ledger reserves address space, and pages of 2 MiB would fill it.
os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
