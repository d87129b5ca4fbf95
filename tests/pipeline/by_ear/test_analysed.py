"""Analysed: the newest embedding of each track that is there, of one model only."""

import os
import shutil

import numpy as np
import pytest

from genrebeam.pipeline.by_ear.analysed import analysed_tracks, is_there
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.transforms.storage import storage_of
from tests.pipeline.by_ear import track, write_run


def embeddings_of(home) -> dict[str, list[float]]:
    analysed = analysed_tracks(str(home))
    uris = analysed.tracks["uri"].to_pylist()
    return {
        uris[number]: found.tolist()
        for numbers, embeddings in analysed.embeddings()
        for number, found in zip(numbers, embeddings, strict=True)
    }


def test_the_newest_embedding_counts(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [1, 0]), track("/m/b.mp3", [1, 0]))
    write_run(tmp_path, track("/m/a.mp3", [0, 1]), track("/m/b.mp3", [1, 0]))
    assert embeddings_of(tmp_path) == {"/m/a.mp3": [0, 1], "/m/b.mp3": [1, 0]}


def test_a_file_that_was_not_analysed_again_keeps_its_embedding_and_has_its_new_tags(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [1, 0], artist="Miles"))
    write_run(tmp_path, track("/m/a.mp3", status="unchanged", artist="Miles Davis"))
    assert embeddings_of(tmp_path) == {"/m/a.mp3": [1, 0]}
    assert analysed_tracks(str(tmp_path)).tracks["artist"].to_pylist() == ["Miles Davis"]


def test_embeddings_have_length_1(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [3, 4]))
    np.testing.assert_allclose(embeddings_of(tmp_path)["/m/a.mp3"], [0.6, 0.8], rtol=1e-6)


def test_only_the_newest_model_counts(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [1, 0]), track("/m/old.mp3", [1, 0]))
    write_run(tmp_path, track("/m/a.mp3", [0, 1, 0], model_version="2"), track("/m/old.mp3"))
    analysed = analysed_tracks(str(tmp_path))
    assert (analysed.model_version, analysed.n_not_analysed) == ("2", 1)
    assert embeddings_of(tmp_path) == {"/m/a.mp3": [0, 1, 0]}


def test_models_on_one_backbone_share_its_embeddings(tmp_path):
    old, new = track("/m/b.mp3", [1, 0]), track("/m/a.mp3", [0, 1], model_version="2")
    write_run(tmp_path, track("/m/a.mp3"), old, analysis_digest="network-5")
    write_run(tmp_path, new, track("/m/b.mp3"), analysis_digest="network-all")
    analysed = analysed_tracks(str(tmp_path))
    assert (analysed.model_version, analysed.n_not_analysed) == ("2", 0)
    assert embeddings_of(tmp_path) == {"/m/a.mp3": [0, 1], "/m/b.mp3": [1, 0]}


def test_a_moved_file_has_the_embedding_of_its_old_name(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [1, 0], fingerprint="f"), track("/m/b.mp3", [0, 1]))
    write_run(
        tmp_path,
        track("/m/new.mp3", status="unchanged", fingerprint="f"),
        track("/m/b.mp3", status="unchanged"),
    )
    assert embeddings_of(tmp_path) == {"/m/new.mp3": [1, 0], "/m/b.mp3": [0, 1]}


def test_a_night_that_found_nothing_new_leaves_the_rows_of_the_run_before(tmp_path):
    first = write_run(tmp_path, track("/m/a.mp3", [1, 0]))
    night = write_run(tmp_path, track("/m/a.mp3", status="unchanged"))
    night.write_manifest({**night.read_manifest(), "rows_in": first.id})
    shutil.rmtree(night.tracks)
    assert embeddings_of(tmp_path) == {"/m/a.mp3": [1, 0]}


def test_a_file_that_a_later_run_did_not_see_is_left_out(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [1, 0]), track("/m/gone.mp3", [0, 1]))
    write_run(tmp_path, track("/m/a.mp3"))
    assert set(embeddings_of(tmp_path)) == {"/m/a.mp3"}


@pytest.mark.parametrize(
    "partial",
    [
        {"state": "interrupted"},
        {"library": "/m/part"},
        {"options": {"formats": ["flac"]}},
        {"options": {"formats": [], "retry_failed": True}},
    ],
)
def test_a_run_over_less_does_not_make_the_others_gone(tmp_path, partial):
    write_run(tmp_path, track("/m/a.mp3", [1, 0]), track("/m/b.mp3", [0, 1]))
    write_run(tmp_path, track("/m/a.mp3"), **partial)
    assert set(embeddings_of(tmp_path)) == {"/m/a.mp3", "/m/b.mp3"}


def test_several_libraries_are_one(tmp_path):
    write_run(tmp_path, track("/m/a.mp3", [1, 0]))
    write_run(tmp_path, track("/n/b.mp3", [0, 1]), library="/n")
    assert set(embeddings_of(tmp_path)) == {"/m/a.mp3", "/n/b.mp3"}


def test_what_was_never_analysed_is_counted_but_not_what_failed(tmp_path):
    rows = [track("/m/a.mp3", [1, 0]), track("/m/b.mp3"), track("/m/c.mp3", status="failed")]
    write_run(tmp_path, *rows)
    assert analysed_tracks(str(tmp_path)).n_not_analysed == 1


def test_some_of_the_tracks_can_be_read_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("genrebeam.pipeline.by_ear.analysed._ROWS_AT_ONCE", 3)
    for part in range(2):
        rows = [track(f"/m/{part}{i}.mp3", np.eye(20)[10 * part + i]) for i in range(10)]
        write_run(tmp_path, *rows, library=f"/{part}")
    analysed = analysed_tracks(str(tmp_path))
    numbers = np.array([17, 2, 3, 8])
    read = {
        n: e
        for some, found in analysed.embeddings(numbers)
        for n, e in zip(some, found, strict=True)
    }
    assert sorted(read) == sorted(numbers)
    for number, embedding in read.items():
        name = os.path.basename(analysed.tracks["uri"][int(number)].as_py())
        assert embedding.argmax() == int(name[:2])
    np.testing.assert_array_equal(analysed.embedding(8), read[8])


def test_without_embeddings_it_says_how_to_get_them(tmp_path):
    write_run(tmp_path, track("/m/a b/1.mp3"), library="/m/a b")
    with pytest.raises(UsageError) as printed:
        analysed_tracks(str(tmp_path))
    command = "genrebeam tag '/m/a b' --existing replace --dry-run --report"
    assert (
        str(printed.value)
        == f"{tmp_path}: has no embeddings; to analyse your music: {command} {tmp_path}"
    )


def test_without_reports_it_says_so(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        analysed_tracks(str(tmp_path / "none"))


def test_a_damaged_part_is_left_out_and_named_once(tmp_path, caplog):
    run = write_run(tmp_path, track("/m/a.mp3", [1, 0]))
    with storage_of(run.tracks).writing(f"{run.tracks}/part-9.parquet") as stream:
        stream.write(b"PAR1 not really PAR1")
    assert len(analysed_tracks(str(tmp_path)).tracks) == 1
    (line,) = caplog.messages
    assert "part-9.parquet cannot be read and is left out" in line


def test_a_run_that_noted_no_embeddings_is_not_searched_for_any(tmp_path):
    run = write_run(tmp_path, track("/m/a.mp3"), options={"formats": [], "embeddings": False})
    with storage_of(run.tracks).writing(f"{run.tracks}/part-0.parquet") as stream:
        stream.write(b"PAR1 not really PAR1")
    write_run(tmp_path, track("/m/a.mp3", [1, 0]))
    assert embeddings_of(tmp_path) == {"/m/a.mp3": [1, 0]}


def test_a_track_is_found_by_its_name_or_by_what_is_in_it(tmp_path, write_tone):
    path = write_tone("m/a.flac", seconds=3)
    from genrebeam.transforms.fingerprint import fingerprint

    rows = [track(str(path), [1, 0], fingerprint=fingerprint(str(path))), track("/m/b", [0, 1])]
    write_run(tmp_path / "reports", *rows)
    analysed = analysed_tracks(str(tmp_path / "reports"))
    assert analysed.find("/m/b") == 1
    assert analysed.find(str(path)) == 0
    moved = path.rename(path.with_name("moved.flac"))
    assert analysed.find(str(moved)) == 0
    assert analysed.find("/m/none.mp3") is None


def test_names_that_are_no_text_are_found_on_the_disk(tmp_path):
    name = os.path.join(tmp_path, "caf\udce9.mp3")
    open(name, "w").close()
    uri = os.path.join(tmp_path, r"caf\udce9.mp3")
    assert is_there(uri)
    assert not is_there(os.path.join(tmp_path, "none.mp3"))
