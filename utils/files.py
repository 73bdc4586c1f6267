"""Writing a file so that an earlier one survives, whatever goes wrong."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path


def write(path: str | Path, content: bytes) -> None:
    """Write a file whole, or leave everything as it was.

    The content goes into a new file beside it and onto the disk, and that file then takes the place of an
    earlier one. Writing over the earlier one would empty it first, and a full disk would leave nothing.

    Parameters
    ----------
    path : str or Path
        A link is followed. What is no ordinary file (a pipe, a device) is written to directly.
    content : bytes

    Raises
    ------
    OSError
        If it cannot be written; an earlier file is then unchanged.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    if path.exists() and not os.access(path, os.W_OK):  # a new file would take its place all the same
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    handle, beside = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def why_not(error: OSError, path: Path) -> str:
    """The reason, in plain words, why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", -1)):
        return "the disk is full"
    if os.path.isdir(path):  # unlike Path.is_dir, never an error of its own
        return "it is a folder"
    if not os.path.isdir(path.parent):
        return "there is no such folder"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "the folder or the file is read-only"
    return f"the system says “{error.strerror or error}”"
