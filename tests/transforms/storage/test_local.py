"""What the disks of this machine promise."""

import threading

from transforms.storage.local import Local


def test_lines_that_are_written_at_once_have_no_empty_lines_between_them(tmp_path):
    path = str(tmp_path / "journal.jsonl")
    line = b"x" * 300_000 + b"\n"  # many pages: a file grows by one after the other

    def write() -> None:
        for _ in range(15):
            Local().append(path, line)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(Local().lines(path)) == {line.decode()}
