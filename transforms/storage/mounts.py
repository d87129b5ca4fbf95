"""Mounts: which file systems are shared with other machines."""

from __future__ import annotations

import contextlib
import functools
import os

# NFS, SMB, those of virtual machines, FUSE: they tell nobody what other machines do.
_SHARED = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "afs", "ceph", "davfs")
_MOUNTS = "/proc/self/mountinfo"


def is_shared(path: str) -> bool:
    """Whether a path is on a file system of which other machines can change it unnoticed."""
    with contextlib.suppress(OSError):
        return is_shared_device(os.stat(path).st_dev)
    return False


def is_shared_device(device: int) -> bool:
    """The same of a device number."""
    with contextlib.suppress(OSError):
        return _is_shared(device, _MOUNTS)
    return False


@functools.lru_cache
def _is_shared(device: int, table: str) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    with open(table, encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            mount, _, file_system = line.partition(" - ")
            if mount.split()[2] == number:
                kind = file_system.split()[0]
                return kind in _SHARED or kind.startswith("fuse.")
    return False
