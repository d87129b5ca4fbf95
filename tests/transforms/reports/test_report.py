"""Report: the schema is a contract, every outcome is a row, parts appear whole."""

import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from genrebeam.transforms.library.skip import is_same_time
from genrebeam.transforms.records import (
    AudioFacts,
    Decision,
    FileTags,
    Outcome,
    Track,
    TrackError,
    dropped,
    printable,
)
from genrebeam.transforms.reports.read import latest_rows, parts_of, statuses_of
from genrebeam.transforms.reports.schema import SCHEMA
from genrebeam.transforms.reports.write import ReportWriter, RunFacts, row, write_part
from genrebeam.transforms.storage import local

GOLDEN = Path(__file__).parent / "golden" / "report_schema.json"
TRACK = Track(
    "/music/a.mp3",
    "mp3",
    size_bytes=1000,
    mtime_ns=1_700_000_000_123_456_789,
    tags=FileTags("Title", "Artist", None, ("Folk",), year=1977),
    audio=AudioFacts(12.5, 44100, 2, 128_000),
)
DECISION = Decision(
    TRACK, ("Jazz",), 0.75, "mean of 4 segments", {"Jazz": 0.75, "Rock": 0.25}, {"Jazz": 4}, 4, 1, 2
)


def test_schema_is_the_one_that_was_promised():
    found = {field.name: [str(field.type), field.nullable] for field in SCHEMA}
    assert found == json.loads(GOLDEN.read_text()), "a change needs a new SCHEMA_VERSION"


@pytest.fixture
def written(tiny_bundle, tmp_path):
    def write(*outcomes):
        rows = [
            row(outcome, RunFacts(tiny_bundle, "settings", "/music", True)) for outcome in outcomes
        ]
        write_part(rows, str(tmp_path), str(tmp_path))
        (part,) = tmp_path.glob("part-*.parquet")
        schema = pq.read_schema(part)
        assert schema.equals(SCHEMA)
        assert schema.metadata == {b"genrebeam.schema_version": b"9"}
        return pq.read_table(part).to_pylist()

    return write


YEAR_NS = int(365.2425 * 24 * 3600) * 10**9


@pytest.mark.parametrize("year", [-300_000, -1, 2, 1600, 1677, 2263, 2500, 9998, 10_001, 500_000])
def test_a_date_that_no_column_can_tell_is_null(written, year):
    track = dataclasses.replace(TRACK, mtime_ns=(year - 1970) * YEAR_NS)
    (found,) = written(Outcome(track, "kept", "read_tags", "has a genre already"))
    assert found["mtime_ns"] is None
    assert (found["mtime"] is None) == (not 1 <= year < 9999)
    assert is_same_time(found["mtime_ns"], track.mtime_ns)
    assert not is_same_time(TRACK.mtime_ns, track.mtime_ns)
    assert not is_same_time(found["mtime_ns"], TRACK.mtime_ns)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 2.0**31, 2**64, 1e300])
def test_absurd_facts_of_a_header_are_null(written, value):
    track = dataclasses.replace(TRACK, audio=AudioFacts(value, value, value, value))
    (found,) = written(Outcome(track, "kept", "read_tags", "has a genre already"))
    assert found["duration_s"] is None or math.isfinite(found["duration_s"])
    assert [found[name] for name in ("sample_rate_hz", "channels", "bitrate_bps")] == [None] * 3


def test_a_row_that_cannot_be_written_is_a_failed_row_of_its_own(tiny_bundle, tmp_path):
    writer = ReportWriter(str(tmp_path), str(tmp_path), RunFacts(tiny_bundle, "settings"))
    absurd = dataclasses.replace(TRACK, uri="/music/b\udce9.mp3", size_bytes=2**63)
    for track in (TRACK, absurd, TRACK):
        writer.add(Outcome(track, "kept", "read_tags", "has a genre already"))
    writer.flush()
    (part,) = tmp_path.glob("part-*.parquet")
    rows = pq.read_table(part).to_pylist()
    assert [row["status"] for row in rows] == ["kept", "failed", "kept"]
    assert (rows[1]["uri"], rows[1]["stage"]) == ("/music/b\\udce9.mp3", "report")
    assert rows[1]["reason"].startswith("its values do not fit")


def test_a_tagged_track_has_all_that_is_known_of_it(written, tiny_bundle):
    outcome = Outcome(
        TRACK,
        "tagged",
        "tag",
        DECISION.reason,
        genres_after=("Jazz",),
        decision=DECISION,
        write_seconds=0.5,
    )
    (found,) = written(outcome)
    assert found["genres_before"] == ["Folk"]
    assert found["genres_after"] == ["Jazz"]
    assert found["probabilities"] == [("Jazz", 0.75), ("Rock", 0.25)]
    assert found["votes"] == [("Jazz", 4)]
    assert (found["title"], found["artist"], found["album"]) == ("Title", "Artist", None)
    assert (found["duration_s"], found["bitrate_bps"], found["year"]) == (12.5, 128_000, 1977)
    assert (found["library"], found["dry_run"]) == ("/music", True)
    assert found["mtime_ns"] == TRACK.mtime_ns
    assert found["mtime"].isoformat() == "2023-11-14T22:13:20.123456+00:00"
    assert found["model_version"] == tiny_bundle.version
    assert (found["extract_s"], found["classify_s"], found["write_s"]) == (1, 2, 0.5)
    assert (found["error_type"], found["error_message"]) == (None, None)
    assert found["embedding"] is None


@pytest.mark.parametrize("mood", [False, True])
def test_moods_are_reported_where_they_are_asked_for(tiny_bundle, mood):
    decision = dataclasses.replace(DECISION, moods={"Sad music": 0.25}, instruments={"Piano": 0.5})
    outcome = Outcome(TRACK, "tagged", "tag", "", decision=decision)
    found = row(outcome, RunFacts(tiny_bundle, "settings", mood=mood))
    columns = (found["moods"], found["instruments"])
    assert columns == (([("Sad music", 0.25)], [("Piano", 0.5)]) if mood else (None, None))


def test_embeddings_of_several_models_are_one_column(written):
    analysed = [
        dataclasses.replace(DECISION, embedding=np.full(length, 0.5, np.float32))
        for length in (2, 3)
    ]
    outcomes = [Outcome(TRACK, "tagged", "tag", "", decision=decision) for decision in analysed]
    found = written(*outcomes, Outcome(TRACK, "kept", "read_tags", "has one"))
    assert [row["embedding"] for row in found] == [[0.5] * 2, [0.5] * 3, None]


def test_embeddings_have_the_precision_of_float16_and_take_half_the_space(tmp_path, tiny_bundle):
    made = np.random.default_rng(0).standard_normal((200, 384)).astype(np.float32)
    made *= np.float32(1e6)  # float16 itself ends at 65504
    rows = [
        row(Outcome(TRACK, "tagged", "tag", "", decision=decision), RunFacts(tiny_bundle, "digest"))
        for decision in (dataclasses.replace(DECISION, embedding=one) for one in made)
    ]
    path = write_part(rows, str(tmp_path), str(tmp_path))
    found = np.stack(pq.read_table(path)["embedding"].to_numpy())
    np.testing.assert_allclose(found, made, rtol=2**-11)
    assert os.path.getsize(path) < 200 * 384 * 2.8


def test_a_failure_carries_stage_type_and_message(written):
    outcome = dropped(Track("/a.mp3", "mp3"), "decode", TrackError("/a.mp3", "all\nbroken"))
    (found,) = written(outcome)
    assert (found["status"], found["stage"]) == ("failed", "decode")
    assert (found["error_type"], found["error_message"]) == ("TrackError", "all broken")
    assert found["reason"] == "all broken"


def test_names_that_are_no_text_can_be_written(written):
    (found,) = written(Outcome(Track("/caf\udce9\n.mp3", "mp3"), "kept", "read_tags", "has one"))
    assert found["uri"] == "/caf\\udce9\n.mp3"


def test_headers_that_lie_can_be_written(written):
    audio = AudioFacts(1e9, 2**40, -1, 2**31)
    (found,) = written(Outcome(Track("/a", "mp3", audio=audio), "kept", "read_tags", "has one"))
    assert (found["sample_rate_hz"], found["channels"], found["bitrate_bps"]) == (None,) * 3


@pytest.mark.parametrize("text", ["plain", "日本", "new\nline", ""])
def test_printable_leaves_text_as_it_is(text):
    assert printable(text) == text


def test_parts_are_compressed_and_add_up(tiny_bundle, tmp_path):
    for album in "ab":
        tracks = [dataclasses.replace(TRACK, uri=f"/{album}/{n}.mp3") for n in range(3)]
        rows = [
            row(Outcome(track, "kept", "", "has one"), RunFacts(tiny_bundle, ""))
            for track in tracks
        ]
        part = write_part(rows, str(tmp_path), str(tmp_path))
    assert pq.ParquetFile(part).metadata.row_group(0).column(0).compression == "ZSTD"
    assert statuses_of([latest_rows(str(tmp_path), ["status"])]) == {"kept": 6}


def test_a_file_that_was_reported_twice_counts_once_as_it_was_last(tiny_bundle, tmp_path):
    other = dataclasses.replace(TRACK, uri="/other.mp3")
    for track, status in ((TRACK, "tagged"), (other, "kept"), (TRACK, "failed")):
        write_part(
            [row(Outcome(track, status, "", ""), RunFacts(tiny_bundle, ""))],
            str(tmp_path),
            str(tmp_path),
        )
    rows = latest_rows(str(tmp_path), ["uri", "status"]).to_pylist()
    assert {(row["uri"], row["status"]) for row in rows} == {
        (TRACK.uri, "failed"),
        ("/other.mp3", "kept"),
    }


def test_a_part_that_cannot_be_finished_is_not_seen(tiny_bundle, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(local.os, "replace", full)
    tracks, workplace = tmp_path / "tracks", tmp_path / "workplace"
    tracks.mkdir()
    workplace.mkdir()
    rows = [row(Outcome(TRACK, "kept", "", ""), RunFacts(tiny_bundle, ""))]
    with pytest.raises(OSError, match="disk full"):
        write_part(rows, str(tracks), str(workplace))
    assert parts_of(str(tracks)) == []
    assert os.listdir(tracks) == []


def test_a_report_that_was_deleted_has_no_rows(tmp_path):
    assert len(latest_rows(str(tmp_path / "none"), ["status"])) == 0
