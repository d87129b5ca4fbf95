"""Mounts: network drives are known."""

import os

import pytest

from genrebeam.transforms.storage import mounts
from genrebeam.transforms.storage.mounts import is_shared


@pytest.mark.parametrize(
    ("line", "shared"),
    [
        ("36 25 {} / /mnt/nas rw shared:1 - nfs4 nas:/music rw", True),
        ("36 25 {} / /mnt/nas rw - cifs //nas/music rw", True),
        ("36 25 {} / /mnt/nas rw - fuse.sshfs nas:/music rw", True),
        ("36 25 {} / /mnt/disk rw - fuseblk /dev/sdb1 rw", False),
        ("36 25 {} / /mnt/disk rw shared:1 master:2 - ext4 /dev/sdb1 rw", False),
        ("36 25 9999:1 / /mnt/nas rw - nfs4 nas:/music rw", False),
    ],
)
def test_network_drives_are_known_by_their_file_system(tmp_path, monkeypatch, line, shared):
    device = tmp_path.stat().st_dev
    table = tmp_path / "mountinfo"
    table.write_text(line.format(f"{os.major(device)}:{os.minor(device)}") + "\n")
    monkeypatch.setattr(mounts, "_MOUNTS", str(table))
    assert is_shared(str(tmp_path)) == shared
    monkeypatch.setattr(mounts, "_MOUNTS", "/no/such/file")
    assert not is_shared(str(tmp_path))
