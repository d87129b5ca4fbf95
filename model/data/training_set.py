"""A prepared training set on disk: the features of labelled clips, and what they are.

::

    part-*.arrow          one row per clip (`SCHEMA`); Arrow IPC, not compressed, so that
                          it is mapped into memory, never read as a whole
    left-out-*.jsonl      files that could not be analysed
    training_set.json     written last: a folder without it is not complete
"""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from genrebeam.model import files as written
from genrebeam.model.errors import PathError
from genrebeam.model.feature_spec import FeatureSpec

FACTS_FILE = "training_set.json"
SET_FORMAT = 1
# Pattern of the random digits in a part's name; no other file has them.
_UNIQUE = 12 * "[0-9a-f]"
SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("artist", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("n_rows", pa.int32(), nullable=False),
        pa.field("n_frames", pa.int32(), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),
        pa.field("features", pa.large_binary(), nullable=False),
    ]
)


class DatasetError(PathError):
    """A data set that cannot be read."""


@dataclass(frozen=True)
class LabelledClip:
    """A clip as it is stored.

    Parameters
    ----------
    name : str
        Tells the clip from all others of its set.
    path : str
        Of the file that it was cut from.
    split : str or None
        The data set's own list that it is in.
    features : np.ndarray
        ``(n_rows, n_frames)``, float16 or float32.
    """

    name: str
    path: str
    label: str
    artist: str
    split: str | None
    features: np.ndarray


@dataclass(frozen=True)
class LeftOut:
    """A file that could not become a clip of the set.

    Parameters
    ----------
    error_type : str or None
        Class of the error; None where nothing is wrong with the file.
    """

    path: str
    stage: str
    reason: str
    error_type: str | None = None

    def __str__(self) -> str:
        kind = f"{self.error_type}: " if self.error_type else ""
        return f"{self.path} ({self.stage}: {kind}{self.reason})"


@dataclass(frozen=True)
class SetFacts:
    """What ``training_set.json`` says of a complete set.

    Parameters
    ----------
    dataset, library : str
        How the music was labelled, and its folder.
    features : FeatureSpec
        How the clips were made; each has at least one segment of it.
    fingerprint : str
        Of all that the set was made from.
    genres : dict
        Label to the genre to write into tags.
    counts : dict
        Label to number of clips.
    n_unlabelled : int
        Files without a label.
    """

    dataset: str
    library: str
    features: FeatureSpec
    fingerprint: str
    genres: dict[str, str]
    counts: dict[str, int]
    n_unlabelled: int = 0
    left_out: tuple[LeftOut, ...] = ()


def write_clips(clips: Sequence[LabelledClip], folder: str | Path) -> str:
    """Write clips as one more part of a set; it appears whole or not at all.

    Returns
    -------
    str
        Path of the part.
    """
    rows = [
        {
            "name": clip.name,
            "path": clip.path,
            "label": clip.label,
            "artist": clip.artist,
            "split": clip.split,
            "n_rows": clip.features.shape[0],
            "n_frames": clip.features.shape[1],
            "dtype": clip.features.dtype.name,
            "features": clip.features.tobytes(),
        }
        for clip in clips
    ]
    name = f"part-{uuid.uuid4().hex[:12]}.arrow"
    with written.writing(Path(folder) / name) as stream, pa.ipc.new_file(stream, SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows, SCHEMA))
    return os.path.join(folder, name)


def write_left_out(files: Sequence[LeftOut], folder: str | Path) -> None:
    """Write down files that are left out, as one more part."""
    with written.writing(Path(folder) / f"left-out-{uuid.uuid4().hex[:12]}.jsonl") as stream:
        for file in files:
            stream.write(json.dumps(dataclasses.asdict(file)).encode() + b"\n")


def read_clips(folder: str | Path) -> list[LabelledClip]:
    """Clips of a set, in the order of their names.

    Returns
    -------
    list of LabelledClip
        Their features are views of the files, which are mapped into memory.

    Raises
    ------
    DatasetError
        If a part cannot be read.
    """
    clips: dict[str, LabelledClip] = {}
    for part in sorted(Path(folder).glob("part-*.arrow")):
        try:
            for clip in _clips_of(part):
                # A lost worker's part may lie beside its repetition; and of two encodings of one
                # recording only one is to be a clip.
                known = clips.get(clip.name)
                if known is None or clip.path < known.path:
                    clips[clip.name] = clip
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise DatasetError(part, f"not a part of a training set: {error}") from error
    return [clips[name] for name in sorted(clips)]


def _clips_of(part: Path) -> Iterator[LabelledClip]:
    # Closed when read, because open files are limited; what is mapped stays mapped.
    with pa.memory_map(os.fspath(part)) as source, pa.ipc.open_file(source) as reader:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            _, ends, data = batch["features"].buffers()
            places = np.frombuffer(ends, np.int64)
            for index, row in enumerate(batch.drop_columns(["features"]).to_pylist()):
                shape, dtype = (row.pop("n_rows"), row.pop("n_frames")), row.pop("dtype")
                values = np.frombuffer(
                    data, dtype, count=shape[0] * shape[1], offset=int(places[index])
                )
                yield LabelledClip(**row, features=values.reshape(shape))


def read_left_out(folder: str | Path) -> tuple[LeftOut, ...]:
    """Files that are left out, each once."""
    files = {}
    for part in sorted(Path(folder).glob("left-out-*.jsonl")):
        for line in part.read_text(encoding="utf-8").splitlines():
            file = LeftOut(**json.loads(line))
            files[file.path] = file
    return tuple(files[path] for path in sorted(files))


def write_facts(facts: SetFacts, folder: str | Path) -> None:
    """Write ``training_set.json``, which makes a set complete."""
    text = json.dumps({"format": SET_FORMAT, **dataclasses.asdict(facts)}, indent=2)
    with written.writing(Path(folder) / FACTS_FILE) as stream:
        stream.write(text.encode() + b"\n")


def read_facts(folder: str | Path) -> SetFacts:
    """Read ``training_set.json``.

    Raises
    ------
    DatasetError
        If there is none, or it is of another form.
    """
    try:
        facts = json.loads((Path(folder) / FACTS_FILE).read_text(encoding="utf-8"))
        if facts.pop("format") != SET_FORMAT:
            raise DatasetError(folder, "a training set of another version; prepare it again")
        features = FeatureSpec(**facts.pop("features"))
        left_out = tuple(LeftOut(**file) for file in facts.pop("left_out"))
        return SetFacts(features=features, left_out=left_out, **facts)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(folder, f"no complete training set ({FACTS_FILE} is missing)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(folder, f"{FACTS_FILE} cannot be used: {error}") from error


def start_set(folder: str | Path) -> None:
    """Make the folder of a new set; an older set in it is removed, other files are not.

    Raises
    ------
    DatasetError
        If it cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FACTS_FILE).unlink(missing_ok=True)  # first: from here on it is not complete
        patterns = (f"part-{_UNIQUE}.arrow", f"left-out-{_UNIQUE}.jsonl", written.UNFINISHED)
        for pattern in patterns:
            for part in folder.glob(pattern):
                part.unlink()
    except OSError as error:
        raise DatasetError(folder, f"cannot be written ({error.strerror})") from error
