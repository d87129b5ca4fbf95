"""The main job, whole: a library in, tags and a report out."""

import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from genrebeam.pipeline.cli import main
from genrebeam.pipeline.options.option import declared_in
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.transforms.audio import pool
from genrebeam.transforms.records import Track
from genrebeam.transforms.storage import local
from genrebeam.transforms.tags.header import read_header
from genrebeam.transforms.tags.tag import write_genres
from tests.audio_bytes import audio_hash
from tests.conftest import GENRES, files_of, read_rows, tone, write_audio


class Library:
    """A folder of music with a home for its reports, and what the last run said."""

    def __init__(self, folder: Path, bundle: str) -> None:
        self.folder = folder
        self.reports = folder.parent / "reports"
        self.bundle = bundle
        folder.mkdir()

    def add(self, name: str, genre: str | None = None, seconds: float = 8) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rate = 48000 if name.endswith("opus") else 44100
        write_audio(path, tone(seconds, rate, 2), rate)
        if genre:
            facts = path.stat()
            track = Track(str(path), path.suffix[1:], facts.st_size, facts.st_mtime_ns)
            write_genres(track, [genre], [].append)
        return path

    def tag(self, *options: str) -> int:
        arguments = ["--bundle", self.bundle, "--report", str(self.reports), *options]
        return main(["tag", str(self.folder), *arguments])

    @property
    def run(self) -> Path:
        return max((self.reports / "runs").iterdir())

    @property
    def counts(self) -> dict[str, int]:
        return json.loads((self.run / "run.json").read_text())["counts"]

    @property
    def tracks(self) -> Path:
        return max((self.reports / "tracks").iterdir())

    @property
    def rows(self) -> dict[str, dict]:
        rows = read_rows(self.tracks)
        found = {os.path.relpath(row["uri"], self.folder): row for row in rows}
        assert len(found) == len(rows)
        return found

    @property
    def statuses(self) -> dict[str, str]:
        return {name: row["status"] for name, row in self.rows.items()}

    def genres(self, name: str) -> tuple[str, ...]:
        return read_header(str(self.folder / name))[0].genres


@pytest.fixture
def library(tmp_path, tiny_bundle) -> Library:
    return Library(tmp_path / "my müsic [1] *", tiny_bundle.path)


@pytest.fixture
def no_decoding(monkeypatch):
    monkeypatch.setattr(pool, "submit", lambda *a, **k: pytest.fail("something was decoded"))


ALL_FORMATS = ("mp3", "flac", "ogg", "opus", "wav", "aiff", "m4a", "wma", "wv", "tta")


def test_tags_every_format_and_reports_it(library):
    sounds = {}
    for format in ALL_FORMATS:
        path = library.add(f"album/{format}/song.{format}")
        sounds[path] = audio_hash(path)
    assert library.tag() == 0
    assert set(library.statuses.values()) == {"tagged"}
    assert len(library.rows) == len(ALL_FORMATS)
    for path, sound in sounds.items():
        row = library.rows[os.path.relpath(path, library.folder)]
        assert library.genres(path) == tuple(row["genres_after"])
        assert row["genres_after"][0] in GENRES
        assert row["genres_before"] == []
        assert row["segments_analysed"] == 1
        assert row["confidence"] == pytest.approx(max(dict(row["probabilities"]).values()))
        assert sum(dict(row["votes"]).values()) == 1
        assert row["duration_s"] == pytest.approx(8, abs=0.2)
        assert row["channels"] == 2
        assert audio_hash(path) == sound
        facts = path.stat()
        assert (row["size_bytes"], row["mtime_ns"]) == (facts.st_size, facts.st_mtime_ns)


NOT_THE_DEFAULTS = {
    "id3_version": "2.4",
    "separator": "; ",
    "keep_mtime": True,
    "in_place_links": True,
    "existing": "merge",
    "dry_run": True,
    "top_k": 2,
    "level": "family",
    "styles": "all",
    "mood": "off",  # needs another model
    "min_confidence": 0.1,
    "max_genres": 2,
    "treat_as_missing": ["Misc"],
    "taxonomy": "names.toml",
    "write_confidence": True,
    "segments": "all",
    "vote": "majority",
    "consistent": "off",  # needs another model
    "learn_from": "off",
    "formats": ["flac", "mp3"],
    "exclude": ["*.bak"],
    "processes": 1,
    "incremental": False,
    "keep_decisions": False,  # needs earlier runs
    "retry_failed": False,  # needs an earlier run
    "embeddings": False,
}


def test_a_run_repeated_from_its_manifest_gives_the_same_rows(library, tmp_path):
    library.add("a.mp3", "Misc")
    library.add("b.flac", "Folk", seconds=20)
    library.add("c.ogg")
    taxonomy = tmp_path / "names.toml"
    taxonomy.write_text(f'[rename]\n"{GENRES[0]}" = "One"\n"{GENRES[1]}" = "Two"\n')
    options = {**NOT_THE_DEFAULTS, "taxonomy": str(taxonomy)}
    declared = {one.name for one in declared_in(TaggingOptions)}
    # The files of this test have just changed.
    assert declared == {*options, "bundle", "report", "min_age"}
    words = []
    for name, value in options.items():
        flag = f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
        text = ",".join(value) if isinstance(value, list) else str(value)
        words += [flag] if isinstance(value, bool) else [flag, text]
    assert library.tag(*words) == 0
    manifest = json.loads((library.run / "run.json").read_text())
    assert {name: manifest["options"][name] for name in options} == options
    before = library.rows

    again = ["tag", str(library.folder), "--config", str(library.run / "run.json")]
    library.reports = tmp_path / "again"
    assert main([*again, "--report", str(library.reports)]) == 0
    repeated = json.loads((library.run / "run.json").read_text())
    assert repeated["decision_digest"] == manifest["decision_digest"]
    assert {**repeated["options"], "report": ""} == {**manifest["options"], "report": ""}
    timed = {"extract_s", "classify_s", "write_s", "finished_at"}
    for name, row in library.rows.items():
        assert {k: v for k, v in row.items() if k not in timed} == {
            k: v for k, v in before[name].items() if k not in timed
        }
    assert set(library.rows) == set(before) == {"a.mp3", "b.flac"}


def test_a_run_with_the_default_bundle_can_be_repeated_too(library, tmp_path):
    library.add("a.mp3")
    run = ["tag", str(library.folder), "--dry-run", "--report"]
    assert main([*run, str(library.reports)]) == 0
    manifest = str(library.run / "run.json")
    assert main([*run, str(tmp_path / "again"), "--config", manifest]) == 0


@pytest.mark.parametrize("text", ["[]", "{}", '{"options": 1}', '{"options": {"x": 1}}', "{"])
def test_a_manifest_that_is_none_is_one_message(library, tmp_path, capsys, text):
    (tmp_path / "run.json").write_text(text)
    assert library.tag("--config", str(tmp_path / "run.json")) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_leaves_manifest_and_journal(library, tiny_bundle):
    library.add("a.mp3")
    library.add("b.flac", "Folk")
    assert library.tag("--existing", "merge") == 0
    manifest = json.loads((library.run / "run.json").read_text())
    assert manifest["state"] == "finished"
    assert manifest["counts"] == {"tagged": 2}
    assert manifest["options"]["existing"] == "merge"
    assert manifest["model"] == {"name": "tiny", "version": tiny_bundle.version}
    assert {"genrebeam", "mutagen", "tensorflow"} <= set(manifest["versions"])
    lines = [json.loads(line) for line in (library.run / "journal.jsonl").open()]
    changes = {os.path.basename(line["path"]): line for line in lines}
    assert changes["a.mp3"]["genres_before"] == []
    assert changes["b.flac"]["genres_before"] == ["Folk"]
    assert changes["b.flac"]["genres_after"][0] == "Folk"


def test_a_kept_file_is_not_decoded_nor_touched(library, no_decoding):
    library.add("a.mp3", "Folk")
    before = files_of(library.folder)
    assert library.tag() == 0
    row = library.rows["a.mp3"]
    assert (row["status"], row["genres_before"], row["genres_after"]) == (
        "kept",
        ["Folk"],
        ["Folk"],
    )
    assert files_of(library.folder) == before


def test_existing_genre_can_be_merged_or_replaced(library):
    library.add("a.mp3", "Folk")
    assert library.tag("--existing", "merge") == 0
    merged = library.genres("a.mp3")
    assert merged[0] == "Folk"
    assert len(merged) == 2
    assert library.tag("--existing", "replace") == 0
    assert library.genres("a.mp3") == merged[1:]


def test_dry_run_writes_nothing_and_says_what_it_would(library):
    library.add("a.mp3")
    library.add("b.ogg", "Folk")
    before = files_of(library.folder)
    assert library.tag("--dry-run") == 0
    assert library.statuses == {"a.mp3": "would_tag", "b.ogg": "kept"}
    (promised,) = library.rows["a.mp3"]["genres_after"]
    assert files_of(library.folder) == before
    assert (library.run / "journal.jsonl").read_text() == ""
    assert library.tag() == 0  # a dry run settles nothing
    assert library.genres("a.mp3") == (promised,)


def test_second_run_decodes_nothing(library, monkeypatch):
    library.add("a.mp3")
    library.add("b.ogg", "Folk")
    library.add("c.flac")
    assert library.tag("--existing", "replace") == 0
    before = files_of(library.folder)
    monkeypatch.setattr(pool, "submit", lambda *a, **k: pytest.fail("something was decoded"))
    assert library.tag("--existing", "replace") == 0
    assert library.counts == {"unchanged": 3}
    assert library.tag() == 0  # other options: the headers are read again
    assert set(library.statuses.values()) == {"kept"}
    assert files_of(library.folder) == before


def test_a_file_added_later_is_analysed_alone(library):
    library.add("a.mp3")
    library.tag()
    library.add("b.mp3")
    assert library.tag() == 0
    assert library.statuses == {"a.mp3": "unchanged", "b.mp3": "tagged"}


def test_replacing_by_the_same_genre_leaves_the_file_as_it_is(library):
    library.add("a.mp3")
    library.tag()
    before = files_of(library.folder)
    shutil.rmtree(library.reports)
    assert library.tag("--existing", "replace") == 0
    assert library.statuses == {"a.mp3": "unchanged"}
    assert files_of(library.folder) == before


def test_top_k_writes_so_many_genres(library):
    library.add("a.mp3")
    assert library.tag("--top-k", "3") == 0
    probabilities = dict(library.rows["a.mp3"]["probabilities"])
    best = max(probabilities.values())
    likely = [genre for genre, p in probabilities.items() if p >= max(0.1, best / 3)]
    ranked = sorted(likely, key=probabilities.get, reverse=True)
    assert list(library.genres("a.mp3")) == ranked
    assert len(likely) > 1


def test_an_unsure_track_gets_no_genre(library):
    library.add("a.mp3")
    before = files_of(library.folder)
    assert library.tag("--min-confidence", "1") == 0
    row = library.rows["a.mp3"]
    assert (row["status"], row["stage"]) == ("unsure", "vote")
    assert "below the minimum confidence of 1.00" in row["reason"]
    assert row["confidence"] < 1
    assert files_of(library.folder) == before


def test_segments_can_be_few_or_all(library):
    library.add("a.mp3", seconds=30)
    for asked, analysed in (("1", 1), ("2", 2), ("all", 6)):
        assert library.tag("--dry-run", "--segments", asked) == 0
        assert library.rows["a.mp3"]["segments_analysed"] == analysed


def test_only_the_formats_asked_for_are_seen(library):
    library.add("a.mp3")
    library.add("b.wav")
    assert library.tag("--formats", "wav,flac", "--dry-run") == 0
    assert list(library.rows) == ["b.wav"]


def test_an_empty_library_is_fine(library, capsys):
    assert library.tag() == 0
    assert "0 files" in capsys.readouterr().out
    assert json.loads((library.run / "run.json").read_text())["counts"] == {}


def test_one_file_is_a_library(library, tiny_bundle):
    path = library.add("a.mp3")
    reports = str(library.reports)
    arguments = ["--bundle", tiny_bundle.path, "--report", reports]
    assert main(["tag", str(path), *arguments]) == 0
    assert library.statuses == {"a.mp3": "tagged"}


def test_all_runs_are_one_data_set(library):
    library.add("a.mp3")
    library.tag("--dry-run")
    library.tag()
    found = duckdb.sql(
        f"select status, run from '{library.reports}/tracks/*/*.parquet' order by run"
    )
    (first, first_run), (second, second_run) = found.fetchall()
    assert (first, second) == ("would_tag", "tagged")
    assert first_run < second_run


def test_embeddings_are_in_the_report_unless_unwanted_and_the_track_was_analysed(library):
    library.add("a.mp3", seconds=20)
    library.add("b.ogg", "Folk")
    assert library.tag("--no-embeddings", "--dry-run") == 0
    assert [row["embedding"] for row in library.rows.values()] == [None, None]
    assert library.tag() == 0
    lengths = {name: len(row["embedding"] or ()) for name, row in library.rows.items()}
    assert lengths == {"a.mp3": 128, "b.ogg": 0}
    assert library.tag("--existing", "replace", "--dry-run") == 0
    assert [len(row["embedding"]) for row in library.rows.values()] == [128, 128]


def test_a_repeated_run_still_knows_its_tracks(library):
    library.add("a.mp3")
    library.tag()
    first = library.rows["a.mp3"]
    library.add("b.mp3")
    library.tag()
    second = library.rows["a.mp3"]
    assert (first["status"], second["status"]) == ("tagged", "unchanged")
    for column in ("duration_s", "sample_rate_hz", "confidence", "genres_after", "size_bytes"):
        assert second[column] == first[column], column


def test_a_hard_link_that_is_gone_stands_in_no_way_any_more(library):
    path = library.add("a.mp3")
    os.link(path, library.folder / "b.mp3")
    assert library.tag() == 0
    assert set(library.statuses.values()) == {"refused"}
    (library.folder / "b.mp3").unlink()
    assert library.tag() == 0
    assert library.statuses == {"a.mp3": "tagged"}


def test_a_damaged_earlier_report_is_no_obstacle(library, capsys):
    library.add("a.mp3")
    library.tag()
    next(library.tracks.glob("part-*.parquet")).write_bytes(b"")
    assert library.tag() == 0
    assert library.statuses == {"a.mp3": "kept"}
    assert "cannot be read and is left out" in capsys.readouterr().err


def test_folders_whose_names_are_no_text(tmp_path, tiny_bundle):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    library = Library(folder / "music\udcff", tiny_bundle.path)
    library.add("a.mp3")
    (library.folder / "circle.\udcff").symlink_to("circle.\udcff")
    assert library.tag() == 1
    rows = read_rows(library.tracks)
    assert {row["status"] for row in rows} == {"tagged", "failed"}
    assert any("caf\\udce9/music\\udcff" in row["uri"] for row in rows)
    assert library.tag() == 1
    assert library.counts == {"unchanged": 1, "failed": 1}


def test_temporary_files_of_a_run_that_died_are_removed(library):
    library.add("a.mp3", "Folk")
    dead = library.folder / f".genrebeam-{local._node()}-x.mp3"
    elsewhere = library.folder / ".genrebeam-othernode-x.mp3"
    for path in (dead, elsewhere):
        path.touch()
    assert library.tag("--dry-run") == 0
    assert dead.exists()
    assert library.tag() == 0
    assert [path.exists() for path in (dead, elsewhere)] == [False, True]


def test_dry_run_says_what_stands_in_the_way(library):
    path = library.add("a.mp3")
    os.link(path, library.folder.parent / "other.mp3")
    assert library.tag("--dry-run") == 0
    row = library.rows["a.mp3"]
    assert (row["status"], row["stage"]) == ("refused", "tag")
    assert "has 2 hard links" in row["reason"]


def test_real_music_is_tagged_and_its_sound_stays(library, shared_data):
    originals = [p for p in (shared_data / "songs").iterdir() if p.suffix in (".mp3", ".ogg")]
    for folder in sorted((shared_data / "magnatune").iterdir()):
        originals += sorted(folder.glob("*.mp3"))[:3]
    assert len(originals) == 17
    sounds = {}
    for number, original in enumerate(originals):
        copy = library.folder / f"{number} {original.name}"
        copy.write_bytes(original.read_bytes())
        sounds[copy] = audio_hash(copy)
    arguments = ["--report", str(library.reports), "--existing", "replace"]
    assert main(["tag", str(library.folder), *arguments]) == 0  # the bundle that is shipped
    assert set(library.statuses.values()) <= {"tagged", "unchanged", "unsure"}
    assert len(library.rows) == len(sounds)
    assert {path: audio_hash(path) for path in sounds} == sounds
    for name, row in library.rows.items():
        assert library.genres(name) == tuple(row["genres_after"])


def test_an_album_is_analysed_and_votes_in_one_stage(tmp_path):
    """What an engine fuses: else a bundle would not have all tracks of an album."""
    from apache_beam import Pipeline
    from apache_beam.runners.portability.fn_api_runner import translations

    from genrebeam.pipeline.cli import build_parser
    from genrebeam.pipeline.graphs.tag import TagLibrary
    from genrebeam.pipeline.options.job import check_job
    from genrebeam.pipeline.options.option import options_from
    from genrebeam.pipeline.runs.run import start_run

    library, reports = str(tmp_path), str(tmp_path / "reports")
    arguments = build_parser().parse_args(
        ["tag", library, "--report", reports, "--consistent", "album"]
    )
    pipeline = Pipeline()
    job = check_job(library, options_from(arguments, TaggingOptions))
    _ = pipeline | "tag" >> TagLibrary(job, start_run(reports))
    _, stages = translations.create_and_optimize_stages(
        pipeline.to_runner_api(), translations.standard_optimize_phases(), frozenset()
    )
    names = [" ".join(step.unique_name for step in one.transforms) for one in stages]
    (stage,) = (found for found in names if "decode + features" in found)
    steps = ("note group", "classify/classify", "classify/vote", "write/tag", "report/tagged")
    assert all(step in stage for step in steps)


def test_a_part_of_another_pipeline_leaves_a_run_as_the_command_does(library):
    import apache_beam as beam

    from genrebeam import TagLibrary, check_job

    library.add("a.flac")
    library.add("b.flac", "Jazz")
    options = TaggingOptions(bundle=library.bundle, report=str(library.reports))
    for wanted in ({"tagged": 1, "kept": 1}, {"unchanged": 2}):
        with beam.Pipeline("FnApiRunner") as pipeline:
            _ = pipeline | TagLibrary(check_job(library.folder, options))
        assert library.counts == wanted
        facts = json.loads((library.run / "run.json").read_text())
        assert (facts["state"], facts["library"]) == ("finished", str(library.folder))
        assert (library.run / "report.html").exists()
        assert (library.reports / "latest").resolve() == library.run
    assert main(["undo", str(library.reports)]) == 0
    assert library.genres("a.flac") == ()


def test_moods_need_a_model_that_tells_them(tmp_path, tiny_bundle, capsys):
    options = ["--report", str(tmp_path / "reports"), "--bundle", tiny_bundle.path]
    assert main(["tag", str(tmp_path), *options, "--mood", "report"]) == 2
    assert "--mood report needs a model with a pretrained backbone" in capsys.readouterr().err
