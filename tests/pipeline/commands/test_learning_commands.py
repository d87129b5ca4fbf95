"""``prepare``, ``train`` and ``evaluate`` as a person calls them."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mutagen.flac import FLAC

from genrebeam.model.bundle import BUNDLES, Bundle, load_bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes import RECIPES, Recipe
from genrebeam.pipeline.cli import main
from genrebeam.pipeline.commands.music import labels
from genrebeam.pipeline.graphs import prepare as preparing
from genrebeam.pipeline.training.datasets import NAMES, ONE_GENRE, dataset_named
from tests.conftest import write_audio


def build(features: FeatureSpec, n_classes: int):
    import keras

    segments = keras.Input(features.shape)
    x = keras.layers.Flatten(name="embedding")(segments)
    return keras.Model(segments, keras.layers.Dense(n_classes, name="logits")(x), name="dense")


TINY = Recipe(
    "tiny", FeatureSpec(n_mels=16, segment_frames=16), build, epochs=8, learning_rate=0.01
)


@pytest.fixture(autouse=True)
def tiny_recipe(monkeypatch):
    monkeypatch.setitem(RECIPES, "tiny", TINY)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """Low tones are blues, high ones techno: four albums of three tracks each."""
    root = tmp_path_factory.mktemp("library")
    times = np.arange(22050) / 22050
    rng = np.random.default_rng(0)
    for genre, pitch in (("blues", 200), ("techno", 4000)):
        for album in range(4):
            folder = root / genre / f"album {album}"
            folder.mkdir(parents=True)
            for track in range(3):
                tone = np.sin(2 * np.pi * pitch * (1 + 0.1 * rng.random()) * times) / 2
                noise = 0.05 * rng.standard_normal(len(times))
                write_audio(folder / f"{track}.flac", (tone + noise)[:, None], 22050)
    return root


@pytest.fixture(scope="module")
def bundle(library, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tiny", TINY)
        arguments = [str(library), "--labels", "folders", "--recipe", "tiny", "--out", str(out)]
        assert main(["train", *arguments]) == 0
    return out


def test_learns_a_library_by_its_folders(bundle):
    learned = load_bundle(bundle)
    assert learned.genres == ("Blues", "Techno")
    assert learned.metrics["test"]["track_accuracy"] == 1.0
    assert "Blues, Techno" in (bundle / "README.md").read_text()


def test_evaluate_prints_the_promised_keys(bundle, library, capsys):
    arguments = [str(bundle), "--data", str(library), "--labels", "folders"]
    assert main(["evaluate", *arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {
        "track_accuracy",
        "track_accuracy_ci95",
        "majority_accuracy",
        "majority_refused",
        "segment_accuracy",
        "ece",
        "n_tracks",
    } <= set(figures)
    assert figures["track_accuracy"] == 1.0
    assert figures["n_unknown"] == 0


@pytest.fixture
def extracted(monkeypatch) -> list[str]:
    """The folders of the training sets that are made anew."""
    made: list[str] = []
    start = preparing.start_set
    monkeypatch.setattr(preparing, "start_set", lambda folder: (made.append(folder), start(folder)))
    return made


@pytest.fixture
def counts(monkeypatch) -> list[dict[str, int]]:
    """What is in the training sets that are made anew."""
    found: list[dict[str, int]] = []
    write = preparing.write_facts
    monkeypatch.setattr(
        preparing, "write_facts", lambda facts, out: (found.append(facts.counts), write(facts, out))
    )
    return found


def test_what_train_has_extracted_is_evaluated(bundle, library, extracted, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    arguments = ["--data", str(library), "--labels", "folders"]
    assert main(["evaluate", bundle.name, *arguments]) == 0
    assert main(["evaluate", f"{bundle}/", *arguments, "--split", "all"]) == 0
    assert not extracted


def test_a_library_that_has_changed_is_extracted_anew(bundle, library, extracted, tmp_path):
    kept = sorted(path.name for path in bundle.with_name("bundle-features").rglob("*"))
    other = tmp_path / library.name
    shutil.copytree(library, other)
    assert main(["evaluate", str(bundle), "--data", str(other), "--labels", "folders"]) == 0
    (made,) = extracted
    assert "bundle-features" not in made
    assert sorted(path.name for path in bundle.with_name("bundle-features").rglob("*")) == kept


def test_of_a_data_set_with_lists_only_one_is_extracted(bundle, library, tmp_path, counts):
    gtzan = tmp_path / "gtzan"
    gtzan.mkdir()
    for number, path in enumerate(sorted((library / "blues").rglob("*.flac"))):
        shutil.copy(path, gtzan / f"blues.{number:05}.flac")
    for list_, numbers in (("train", range(8)), ("valid", range(8, 9)), ("test", range(9, 12))):
        names = "".join(f"blues/blues.{number:05}.wav\n" for number in numbers)
        (gtzan / f"{list_}_filtered.txt").write_text(names)
    arguments = [str(bundle), "--data", str(gtzan), "--dataset", "gtzan"]
    assert main(["evaluate", *arguments, "--split", "filtered"]) == 0
    assert main(["evaluate", *arguments, "--split", "all"]) == 0
    assert counts == [{"blues": 3}, {"blues": 12}]


def test_of_a_library_without_lists_the_artists_of_the_test_list_are_extracted(
    bundle, library, tmp_path, counts, capsys
):
    moved = tmp_path / "moved"
    shutil.copytree(bundle, moved)
    arguments = ["--data", str(library), "--labels", "folders", "--json"]
    assert main(["evaluate", str(bundle), *arguments]) == 0
    beside = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(moved), *arguments]) == 0
    anew = json.loads(capsys.readouterr().out)
    assert counts == [{"Blues": 3, "Techno": 3}]
    same = ("n_tracks", "track_accuracy", "segment_accuracy", "ece")
    assert [anew[name] for name in same] == [beside[name] for name in same]


def test_genres_with_too_little_music_are_named_before_the_rest_is_extracted(
    bundle, library, tmp_path, capsys
):
    few = tmp_path / "few"
    shutil.copytree(library, few)
    shutil.copytree(few / "techno" / "album 0", few / "country" / "album 0")
    assert main(["evaluate", str(bundle), "--data", str(few), "--labels", "folders"]) == 0
    assert "left out Country: needs 10 tracks of 3 artists, has 3 of 1" in capsys.readouterr().err


def test_json_is_all_that_is_on_the_standard_output(bundle, library, capsys):
    main(["evaluate", str(bundle), "--data", str(library), "--labels", "folders", "--json"])
    json.loads(capsys.readouterr().out)


def test_a_prepared_set_is_recognised(library, tmp_path, capsys):
    prepared = tmp_path / "set"
    arguments = ["--labels", "folders", "--recipe", "tiny", "--out", str(prepared)]
    assert main(["prepare", str(library), *arguments]) == 0
    assert "2 genres" in capsys.readouterr().out
    arguments = ["--recipe", "tiny", "--epochs", "1", "--out", str(tmp_path / "bundle")]
    assert main(["train", str(prepared), *arguments]) == 0


def test_a_folder_beside_adds_its_genre(library, tmp_path):
    noise = tmp_path / "noise music"
    for number in range(12):
        (noise / f"album {number % 4}").mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(number).standard_normal((22050, 1)) / 4
        write_audio(noise / f"album {number % 4}" / f"{number}.flac", samples, 22050)
    out = tmp_path / "bundle"
    arguments = [str(library), "--labels", "folders", "--also", str(noise), "--out", str(out)]
    assert main(["train", *arguments, "--recipe", "tiny"]) == 0
    learned = load_bundle(out)
    assert learned.genres == ("Blues", "Techno", "Noise Music")
    assert sum(map(sum, learned.metrics["test"]["confusion"])) == 6
    assert learned.metrics["beside"]["n_tracks"] == 3
    assert "other sources (3 tracks" in (out / "README.md").read_text()


def test_page_of_plots_is_written(bundle, library, tmp_path):
    page = tmp_path / "page.html"
    arguments = [str(bundle), "--data", str(library), "--labels", "folders", "--page", str(page)]
    assert main(["evaluate", *arguments]) == 0
    assert "Techno" in page.read_text()


def test_evaluating_loads_the_model_once_and_predicts_each_segment_once(
    bundle, library, tmp_path, monkeypatch
):
    import keras

    loaded, analysed = [], []
    load, predict = Bundle.load_network, keras.Model.predict
    monkeypatch.setattr(Bundle, "load_network", lambda self: loaded.append(self) or load(self))
    monkeypatch.setattr(
        keras.Model,
        "predict",
        lambda self, segments, **more: analysed.append(segments) or predict(self, segments, **more),
    )
    page = str(tmp_path / "page.html")
    arguments = [str(bundle), "--data", str(library), "--labels", "folders", "--page", page]
    assert main(["evaluate", *arguments]) == 0
    assert len(loaded) == 1
    (segments,) = analysed
    assert len(np.unique(segments, axis=0)) == len(segments) > 0


def test_a_bundle_names_no_file_of_the_library(bundle, library):
    for file in ("bundle.json", "README.md"):
        assert str(library) not in (bundle / file).read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "DATA", "--out", "x"], "--labels folders or --labels tags"),
        (["train", "DATA", "--data", "DATA", "--out", "x"], "once"),
        (["train", "--out", "x"], "once"),
        (["train", "nowhere", "--labels", "folders", "--out", "x"], "nowhere: no such folder"),
        (["train", "DATA", "--recipe", "x", "--out", "x"], "unknown recipe 'x'"),
        (["prepare", "nowhere", "--labels", "tags", "--out", "x"], "nowhere: no such folder"),
        (["evaluate", "DATA", "--data", "DATA"], "not a model bundle"),
        (["train", "DATA", "--out", "FILE"], "not a folder"),
        (["train", "DATA", "--out", "BUNDLE"], "already has model.keras, bundle.json, README.md"),
        (["prepare", "DATA", "--labels", "tags", "--out", "gs://a/b"], "only be local"),
        (["train", "DATA", "--out", "x", "--exsting", "1"], "--exsting"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    library, bundle, tmp_path, arguments, complaint, capsys
):
    (tmp_path / "x").mkdir()
    (tmp_path / "file").touch()
    places = {
        "DATA": str(library),
        "x": str(tmp_path / "x"),
        "FILE": str(tmp_path / "file"),
        "BUNDLE": str(bundle),
    }
    assert main([places.get(a, a) if a != "--recipe" else a for a in arguments]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed.replace(str(tmp_path / "x"), "x")
    assert len(printed.splitlines()) == 1


def test_one_genre_is_nothing_to_tell_apart(library, tmp_path, capsys):
    out = str(tmp_path / "out")
    arguments = [str(library / "blues"), "--labels", "folders", "--recipe", "tiny", "--out", out]
    assert main(["train", *arguments]) == 2
    assert "genre" in capsys.readouterr().err
    alone = tmp_path / "alone"
    shutil.copytree(library / "blues", alone / "blues")
    arguments = [str(alone), "--labels", "folders", "--recipe", "tiny", "--out", out]
    assert main(["train", *arguments]) == 2
    assert "at least two" in capsys.readouterr().err


def test_a_bundle_is_replaced_only_when_asked(bundle, library, tmp_path):
    out = tmp_path / "bundle"
    shutil.copytree(bundle, out)
    arguments = [str(library), "--labels", "folders", "--recipe", "tiny", "--out", str(out)]
    assert main(["train", *arguments, "--seed", "5"]) == 2
    assert load_bundle(out) == dataclasses.replace(load_bundle(bundle), path=str(out))
    assert main(["train", *arguments, "--seed", "5", "--replace"]) == 0
    assert load_bundle(out).training["seed"] == 5


def test_music_of_unknown_genres_only_cannot_measure(bundle, library, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    for genre, source in (("polka", "blues"), ("march", "techno")):
        (other / genre).symlink_to(library / source)
    assert main(["evaluate", str(bundle), "--data", str(other), "--labels", "folders"]) == 2
    assert capsys.readouterr().err.startswith("genrebeam: ")


def test_only_the_filtered_lists_are_called_filtered(bundle, library, capsys):
    arguments = ["--data", str(library), "--labels", "folders", "--split", "filtered"]
    assert main(["evaluate", str(bundle), *arguments]) == 2
    assert "no fault-filtered lists" in capsys.readouterr().err


def test_gtzan_bundle_is_as_good_as_its_card_says(shared_data, capsys):
    gtzan = str(shared_data / "gtzan")
    arguments = ["gtzan", "--data", gtzan, "--dataset", "gtzan", "--split", "filtered"]
    assert main(["evaluate", *arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    promised = load_bundle(BUNDLES / "gtzan").metrics["test"]["track_accuracy"]
    # Processors round differently: a track on the edge may fall to the other side.
    assert figures["track_accuracy"] == pytest.approx(promised, abs=0.01)
    assert f"{promised:.1%}" in (BUNDLES / "gtzan" / "README.md").read_text()
    assert promised > 0.68


@pytest.mark.parametrize("name", [*NAMES, ONE_GENRE])
def test_every_data_set_has_a_module_and_can_be_asked_for(name):
    assert dataset_named(name).name == name
    assert name == ONE_GENRE or labels(name) == name


def save_choices(path, chosen):
    """Save choices as a report page does: file to genre."""
    choices = [
        {"uri": str(file), "run": "1", "choice": kind, "genres": [genre], "in_file": []}
        for kind, (file, genre) in zip(
            itertools.cycle(["corrected", "accepted"]), chosen.items(), strict=False
        )
    ]
    facts = {"genrebeam_corrections": 1, "report": "/reports", "choices": choices}
    path.write_text(json.dumps(facts))
    return str(path)


def test_learns_what_a_person_chose_and_nothing_else(library, tmp_path, monkeypatch, capsys):
    library = shutil.copytree(library, tmp_path / "library")
    for path in library.rglob("*.flac"):
        file = FLAC(path)
        file["artist"] = "/".join(path.parts[-3:-1])
        file.save()
    chosen = {
        path: {"blues": "Ska", "techno": "Drone"}[path.parts[-3]]
        for path in library.rglob("*.flac")
        if path.name != "2.flac" or "album 0" not in str(path)
    }
    path = save_choices(tmp_path / "corrections.json", chosen)
    for number, arguments in enumerate(
        (["--labels", path], [str(library), "--labels", "corrections"])
    ):
        monkeypatch.chdir(tmp_path)
        out = tmp_path / f"out {number}"
        assert main(["train", *arguments, "--recipe", "tiny", "--out", str(out)]) == 0
        assert load_bundle(out).genres == ("Drone", "Ska")
        assert "without a label" not in capsys.readouterr().err  # no other file is looked at
    assert main(["evaluate", str(out), "--data", str(library), "--labels", path]) == 0


def test_choices_in_folders_far_apart_are_read_and_nothing_between(library, tmp_path, monkeypatch):
    chosen = dict.fromkeys(sorted(library.rglob("*.flac"))[:3], "Ska")
    path = save_choices(tmp_path / "corrections.json", {**chosen, "/etc/passwd": "Ska", "/": "Ska"})
    listed = []
    monkeypatch.setattr(preparing, "list_library", lambda place, *_: listed.append(place) or [])
    main(["train", "--labels", path, "--recipe", "tiny", "--out", str(tmp_path / "out")])
    assert listed
    assert set(listed) == set(map(str, chosen))


def test_too_few_choices_are_named(library, tmp_path, capsys):
    chosen = dict.fromkeys(sorted(library.rglob("*.flac"))[:3], "Ska")
    path = save_choices(tmp_path / "corrections.json", chosen)
    out = str(tmp_path / "out")
    assert main(["train", "--labels", path, "--recipe", "tiny", "--out", out]) == 2
    assert "Ska: needs 10 tracks of 3 artists, has 3 of 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("[", "not JSON"), (None, "No such file"), ('"choices": []', "has no choice")],
)
def test_corrections_that_cannot_be_used_are_one_line(tmp_path, content, complaint, capsys):
    path = tmp_path / "corrections.json"
    if content and content.startswith('"'):
        content = f'{{"genrebeam_corrections": 1, "report": "/r", {content}}}'
    if content:
        path.write_text(content)
    assert main(["train", "--labels", str(path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert len(printed.splitlines()) == 1


def test_labels_that_are_neither_a_kind_nor_a_file_are_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path), "--labels", "folder", "--out", "x"])
    assert ended.value.code == 2
    assert "'folder' is none of gtzan" in capsys.readouterr().err
