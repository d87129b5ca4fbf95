"""The report's contract: one row per file, with these columns of these types.

Every run writes every column with the same type, whatever its options and model: readers of a
whole folder take its first file's.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 4
SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("error_type", pa.string()),
        pa.field("error_message", pa.string()),
        pa.field("title", pa.string()),
        pa.field("artist", pa.string()),
        pa.field("album", pa.string()),
        pa.field("format", pa.string(), nullable=False),
        pa.field("duration_s", pa.float64()),
        pa.field("sample_rate_hz", pa.int32()),
        pa.field("channels", pa.int32()),
        pa.field("bitrate_bps", pa.int32()),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("mtime", pa.timestamp("us", tz="UTC"), nullable=False),
        # Compared to find changed files; a timestamp of such precision is not for every reader.
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("genres_before", pa.list_(pa.string()), nullable=False),
        pa.field("genres_after", pa.list_(pa.string()), nullable=False),
        pa.field("confidence", pa.float32()),
        pa.field("probabilities", pa.map_(pa.string(), pa.float32())),
        pa.field("family", pa.string()),
        pa.field("family_confidence", pa.float32()),
        pa.field("style", pa.string()),
        pa.field("style_confidence", pa.float32()),
        pa.field("votes", pa.map_(pa.string(), pa.int32())),
        pa.field("segments_heard", pa.int32()),
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("hear_s", pa.float32()),
        pa.field("classify_s", pa.float32()),
        pa.field("write_s", pa.float32()),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
        # As long as the model's, in every row; not pyarrow's fixed-size list, which pyarrow 25
        # cannot read back where rows are null, nor Polars where runs differ in length.
        pa.field("embedding", pa.list_(pa.float32())),
        pa.field("fingerprint", pa.string()),
    ],
    metadata={"genrebeam.schema_version": str(SCHEMA_VERSION)},
)
