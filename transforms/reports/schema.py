"""The report's contract: one row per file, with these columns of these types.

Every run writes every column with the same type, whatever its options and model: readers of a
whole folder take its first file's.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 9


@dataclass(frozen=True)
class Column:
    """A column of the report.

    Parameters
    ----------
    meaning : str
        For ``docs/reference.md``; Markdown.
    required : bool
        Whether every row has a value.
    """

    name: str
    type: pa.DataType
    meaning: str
    required: bool = False


_TIME = pa.timestamp("us", tz="UTC")
_GENRES = pa.list_(pa.string())

COLUMNS = (
    Column(
        "uri",
        pa.string(),
        "path of the file; bytes that are not valid UTF-8 appear as `\\udcxx`",
        required=True,
    ),
    Column("status", pa.string(), "one of the [statuses](#statuses)", required=True),
    Column(
        "stage",
        pa.string(),
        "the last step that the file reached, such as `decode` or `tag`; `by_hand` if a person "
        "chose its genre",
        required=True,
    ),
    Column("reason", pa.string(), "why the file has this status", required=True),
    Column("error_type", pa.string(), "class of the error; only where the status is `failed`"),
    Column("error_message", pa.string(), "the error's own message; only with `error_type`"),
    Column("title", pa.string(), "from the tags"),
    Column("artist", pa.string(), "from the tags"),
    Column("album", pa.string(), "from the tags"),
    Column("album_artist", pa.string(), "from the tags"),
    Column("year", pa.int16(), "from the tags"),
    Column("format", pa.string(), "file name extension in lower case", required=True),
    Column("duration_s", pa.float64(), "length in seconds, from the header"),
    Column("sample_rate_hz", pa.int32(), "sample rate in Hz, from the header"),
    Column("channels", pa.int32(), "number of channels, from the header"),
    Column("bitrate_bps", pa.int32(), "bit rate in bit/s, from the header"),
    Column("size_bytes", pa.int64(), "size of the file after the run", required=True),
    Column(
        "mtime",
        _TIME,
        "modification time of the file after the run; null outside the years 1 to 9999",
    ),
    # Compared to find changed files; a timestamp of such precision is not for every reader.
    Column(
        "mtime_ns",
        pa.int64(),
        "the same in nanoseconds since 1970; of an object in a bucket, "
        "the part below a second identifies its version; null outside the years 1678 to 2261, "
        "which are all that it can tell",
    ),
    Column("genres_before", _GENRES, "genres that the file had", required=True),
    Column(
        "genres_after",
        _GENRES,
        "genres that the file has now; with `would_tag`, those that it would get",
        required=True,
    ),
    Column("mood_before", pa.string(), "mood that the file had"),
    Column(
        "mood_after",
        pa.string(),
        "mood that the file has now; with `would_tag`, that it would get. "
        "Only `--mood write` changes it",
    ),
    Column("confidence", pa.float32(), "calibrated probability of the winning genre, 0 to 1"),
    Column(
        "probabilities",
        pa.map_(pa.string(), pa.float32()),
        "probability of each genre of the model, for the whole track",
    ),
    Column("family", pa.string(), "the likeliest family; only from models that have families"),
    Column("family_confidence", pa.float32(), "probability of that family, 0 to 1"),
    Column(
        "family_audio",
        pa.string(),
        "the likeliest family by the sound alone, without `--learn-from library`",
    ),
    Column(
        "family_audio_confidence", pa.float32(), "probability of that family by the sound alone"
    ),
    Column(
        "decided_by",
        pa.string(),
        "what decided the genre, given or not: `audio`, or with `--learn-from library` the "
        "tagged files of the same `artist`, `album` or `folder`, or `several` of these together",
    ),
    Column("style", pa.string(), "the likeliest style of that family"),
    Column("style_confidence", pa.float32(), "probability of that style, 0 to 1"),
    Column(
        "votes",
        pa.map_(pa.string(), pa.int32()),
        "segments that each genre won; each family, from models that have families",
    ),
    Column(
        "genres_alone",
        _GENRES,
        "genres that the track would have by itself; not with `--consistent off`",
    ),
    Column(
        "tracks_voted",
        pa.int32(),
        "tracks that voted together, this one included; not with `--consistent off`",
    ),
    Column(
        "moods",
        pa.map_(pa.string(), pa.float32()),
        "score of each mood that the pretrained network knows, 0 to 1; only with `--mood report` "
        "or `write`, for tracks that were analysed. It ranks tracks; it is no probability",
    ),
    Column(
        "instruments",
        pa.map_(pa.string(), pa.float32()),
        "scores of the instruments that are likely, the likeliest first; else as `moods`",
    ),
    Column("segments_analysed", pa.int32(), "segments that the model analysed"),
    Column("model_name", pa.string(), "name of the model", required=True),
    Column("model_version", pa.string(), "version of the model", required=True),
    Column(
        "settings",
        pa.string(),
        "fingerprint of the model and of every option that affects the result",
        required=True,
    ),
    Column("extract_s", pa.float32(), "seconds spent on decoding and features"),
    Column("classify_s", pa.float32(), "seconds spent on classification"),
    Column("write_s", pa.float32(), "seconds spent on writing the tag"),
    Column("library", pa.string(), "path of the library that the run was over"),
    Column("dry_run", pa.bool_(), "whether the run was one that changes no file"),
    Column("finished_at", _TIME, "when the file was done", required=True),
    # As long as the model's, in every row; not pyarrow's fixed-size list, which pyarrow 25
    # cannot read back where rows are null, nor Polars where runs differ in length.
    Column(
        "embedding",
        pa.list_(pa.float32()),
        "the network's embedding, averaged over the segments, with 11 significant bits; for tracks "
        "that were analysed, unless `--no-embeddings` is set. "
        "All rows of one `model_version` have the same length",
    ),
    Column(
        "class_logits",
        pa.list_(pa.float32()),
        "logits of the classes of a pretrained network that are about music. With `embedding` they "
        "are all that a model on top of it reads: another one decides anew without decoding",
    ),
    Column(
        "fingerprint",
        pa.string(),
        "digest of the size and of 64 KiB spread over the file; for files that were analysed",
    ),
)
SCHEMA = pa.schema(
    [pa.field(column.name, column.type, nullable=not column.required) for column in COLUMNS],
    metadata={"genrebeam.schema_version": str(SCHEMA_VERSION)},
)
