"""README and the other pages: what they say is what the code does."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest
from mutagen.flac import FLAC

from genrebeam.model import bundle as bundles
from genrebeam.model.bundle import BUNDLES, DEFAULT_BUNDLE, load_bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes import RECIPES, Recipe
from genrebeam.pipeline.cli import build_parser, main
from genrebeam.pipeline.options.config import commands_of, parse
from genrebeam.pipeline.options.home import report_of
from genrebeam.transforms.formats import FORMATS
from genrebeam.transforms.genre.taxonomy import load_taxonomy
from genrebeam.transforms.records import CATCH_ALL
from tests import REPOSITORY
from tests.conftest import read_rows, tone, write_audio

PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for pattern in (
        "*.md",
        *(f"{folder}/**/*.md" for folder in ("docs", "benchmarks", "deploy", "model")),
    )
    for path in sorted(REPOSITORY.glob(pattern))
}
README, QUALITY, TAGGING = (
    PAGES[f"{name}.md"] for name in ("README", "docs/quality", "docs/tagging")
)
QUERIES = re.findall(r"```sql\n(.+?)```", PAGES["docs/report.md"], re.DOTALL)


@pytest.fixture(scope="module")
def folder_with_reports(tmp_path_factory, tiny_bundle) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    library = folder / "Music"
    library.mkdir()
    write_audio(library / "a.wav", tone(8), 22050)
    shutil.copy(library / "a.wav", library / "b.wav")
    (library / "broken.mp3").touch()
    for options in (["--dry-run"], [], []):
        reports = ["--report", str(folder / "genre-report"), "--bundle", tiny_bundle.path]
        assert main(["tag", str(library), *reports, *options]) == 1
    return folder


def test_has_three_queries():
    assert len(QUERIES) == 3


@pytest.mark.parametrize("number", range(3))
def test_every_query_runs_and_finds_rows(folder_with_reports, monkeypatch, number):
    monkeypatch.chdir(folder_with_reports / "genre-report")
    rows = duckdb.sql(QUERIES[number]).fetchall()
    assert rows
    if number == 0:  # each file once, as the latest run saw it
        assert sum(tracks for _, tracks, _ in rows) == 2
        assert all(hours is not None for _, _, hours in rows)


def test_readme_is_short_and_leads_to_every_page():
    assert len(README.splitlines()) <= 150
    # CONTRIBUTING leads to the decisions, and they to each other.
    pages = {name for name in PAGES if re.match(r"docs/[^/]+$", name)} | {"CONTRIBUTING.md"}
    assert {page for page in pages if f"({page})" not in README} == set()


def test_example_of_a_taxonomy_fits_the_shipped_model(tmp_path):
    (tmp_path / "taxonomy.toml").write_text(re.search(r"```toml\n(.+?)```", TAGGING, re.DOTALL)[1])
    taxonomy = load_taxonomy(str(tmp_path / "taxonomy.toml"))
    taxonomy.check(load_bundle(DEFAULT_BUNDLE).genres)
    assert taxonomy.rename == {"Hip-Hop": "Rap"}


def test_list_of_genres_that_count_as_none_is_the_one_that_is_used():
    assert f"`default` stands for {', '.join(CATCH_ALL)}" in TAGGING.replace("\n", " ")


def test_names_every_format():
    table = TAGGING.partition("| format | what")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = {name.strip() for row in rows for name in row.split(",")}
    assert named == FORMATS - {"oga", "aif", "wave", "mpp"}  # other names of some of them


def percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def interval(figure: dict) -> str:
    low, high = (f"{100 * value:.0f}" for value in figure["ci95"])
    return f"{100 * figure['value']:.0f} % ({low} to {high})"


def test_figures_are_those_of_the_shipped_models():
    bundle = load_bundle(DEFAULT_BUNDLE)
    metrics, printed = bundle.metrics, re.sub(r"\s+", " ", README + QUALITY)
    world = metrics["world"]
    for what in ("right", "within_two", "written", "right_where_written"):
        assert f"| {interval(world['sure'][what])} | {interval(world['all'][what])} |" in printed, (
            what
        )
    for family, row in world["families"].items():
        assert f"| {family} | {row['n']} | {interval(row)} |" in printed, family
    assert f"at a confidence of {bundle.min_confidence} or more" in printed
    for part in metrics["magnatune"].values():
        assert f"| {part['n']} | {interval(part)} |" in printed
    for few in (metrics["gtzan_clips"], metrics["songs"]):
        assert f"| {few['of']} | {few['right']} |" in printed
    figures = load_bundle(BUNDLES / "gtzan").metrics["test"]
    low, high = map(percent, figures["track_accuracy_ci95"])
    accuracy = percent(figures["track_accuracy"])
    assert f"{accuracy} of them (95 % interval {low} to {high})" in printed


def test_names_every_genre_of_the_default_model():
    said = QUALITY[QUALITY.index("knows 40 genres in 17 families") :].partition("It uses a")[0]
    named = re.split(r"[:,.()\n]+|\band\b", said.replace("\n", " ").partition(":")[2])
    bundle = load_bundle(DEFAULT_BUNDLE)
    assert {name.strip() for name in named} - {""} == {*bundle.genres, *bundle.families}
    assert (len(bundle.genres), len(set(bundle.families))) == (40, 17)


# --- commands ------------------------------------------------------------------------------

# Commands of the pages that other tests run: test_run_local.py, test_packaging.py.
ELSEWHERE = (
    "./run_local.sh test",
    'ln -s "$PWD/run_local.sh" ~/.local/bin/genrebeam',
    "pipx install .",
    # On real music: test_gtzan_bundle_is_as_good_as_its_card_says.
    "./run_local.sh evaluate gtzan --data ../shared/data/gtzan --split filtered",
)


def commands_in(page: str) -> list[tuple[str, list[str]]]:
    """Each command of a page and the lines that it is shown to print, from top to bottom.

    Commands stand in console blocks behind a dollar sign, and in the text as code that
    begins with the program's name and has an argument, unless that is a placeholder.
    """
    found: list[tuple[str, list[str]]] = []
    pattern = r"^```console\n(.+?)^```|`(genrebeam [a-z]+ [^`]+)`"
    for block, inline in re.findall(pattern, page, re.DOTALL | re.MULTILINE):
        if inline and any(word.isupper() for word in inline.split()):
            continue
        for line in block.splitlines() or [f"$ {inline}"]:
            if line.startswith("$ "):
                found.append((line[2:].partition(" #")[0].strip(), []))
            elif found:
                found[-1][1].append(line)
    return [(command, shown) for command, shown in found if command not in ELSEWHERE]


def network(features: FeatureSpec, n_classes: int):
    import keras

    segments = keras.Input(features.shape)
    x = keras.layers.Flatten(name="embedding")(segments)
    return keras.Model(segments, keras.layers.Dense(n_classes, name="logits")(x), name="dense")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A person's home and current folder, with music; training and models are tiny there.

    Low tones are blues, high ones techno, which the model that tags knows, so that pages
    may tag before they train by tags.
    """
    spec = FeatureSpec(n_mels=16, segment_frames=16)
    recipe = Recipe("tiny", spec, network, epochs=8, learning_rate=0.01)
    for name in RECIPES:
        monkeypatch.setitem(RECIPES, name, recipe)
    monkeypatch.setattr("genrebeam.model.recipes.default_recipe", lambda frames: recipe)
    monkeypatch.setattr("webbrowser.open", lambda page: True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    times = np.arange(22050) / 22050
    rng = np.random.default_rng(0)
    for genre, pitch in (("Blues", 200), ("Techno", 4000)):
        for number in range(12):
            path = tmp_path / "corpus" / genre / f"Album {number % 4}" / f"{number}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = 0.05 * rng.standard_normal(len(times))
            tones = np.sin(2 * np.pi * pitch * (1 + 0.1 * rng.random()) * times) / 2
            write_audio(path, (tones + noise)[:, None], 22050)
            file = FLAC(path)
            file["artist"], file["genre"] = f"{genre} {number % 4}", genre
            file.save()
    shutil.copytree(tmp_path / "corpus", tmp_path / "Music")
    write_audio(tmp_path / "song.mp3", tone(3), 22050)
    shutil.copy(tmp_path / "song.mp3", tmp_path / "Music" / "new.mp3")
    shipped = tmp_path / "shipped"
    assert main(["train", "corpus", "--labels", "folders", "--out", str(shipped)]) == 0
    monkeypatch.setattr(bundles, "DEFAULT_BUNDLE", shipped)
    return tmp_path


# Those of deploy/ are for machines with systemd, Flink or a cloud (see tests/deploy).
COMMANDS = {
    name: commands_in(page) for name, page in PAGES.items() if not name.startswith("deploy/")
}


@pytest.mark.parametrize("page", [name for name, commands in COMMANDS.items() if commands])
def test_every_command_of_a_page_works_from_top_to_bottom(home, page, capsys):
    for command, shown in COMMANDS[page]:
        if "corrections.json" in command:
            accept_all_on_the_page(home)
        program, *arguments = shlex.split(command)
        assert program in ("./run_local.sh", "genrebeam"), f"which test runs {command!r}?"
        capsys.readouterr()
        try:
            code = main([os.path.expanduser(argument) for argument in arguments])
        except SystemExit as stop:  # of --help, and of wrong usage
            code = stop.code or 0
        printed = capsys.readouterr()
        assert code == 0, f"{command}: {printed.err}"
        assert [_kind(line) for line in shown] == [
            _kind(line) for line in printed.out.splitlines()[: len(shown)]
        ], command


def accept_all_on_the_page(home: Path) -> None:
    """What a person would do between two commands; test_review_in_browser.py does it."""
    report = Path(report_of(str(home / "Music")))
    run = max((report / "runs").iterdir()).name
    rows = read_rows(report / "tracks" / f"run={run}")
    choices = [
        {
            "uri": row["uri"],
            "run": run,
            "choice": "accepted",
            "genres": row["genres_after"],
            "in_file": row["genres_before" if row["status"] == "would_tag" else "genres_after"],
        }
        for row in rows
        if row["genres_after"]
    ]
    facts = {"genrebeam_corrections": 1, "report": str(report), "choices": choices}
    (home / "corrections.json").write_text(json.dumps(facts))


def _kind(line: str) -> str:
    """What a line says, whatever the numbers, names and times are."""
    return re.sub(r"\d[\d.,]*", "#", line.partition(": ")[0])


@pytest.mark.parametrize("name", commands_of(build_parser()))
def test_every_example_of_a_help_is_right_usage(name):
    lines = commands_of(build_parser())[name].epilog.splitlines()
    examples = [line.strip() for line in lines if line.startswith("  genrebeam ")]
    assert examples
    for example in examples:  # a remark stands behind two spaces, a shell's part behind a bar
        _, *arguments = shlex.split(re.split(r"  | [|>] ", example)[0])
        known, others = parse(build_parser(), arguments)
        assert not others, example
        assert known.command


def test_example_of_a_configuration_is_valid(tmp_path, capsys):
    example = re.search(r"```toml\n(.+?)```", PAGES["docs/configuration.md"], re.DOTALL)[1]
    (tmp_path / "genrebeam.toml").write_text(example)
    assert main(["config", "--config", str(tmp_path / "genrebeam.toml")]) == 0
    assert "genrebeam.toml" in capsys.readouterr().out


# --- what pages point at -------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_of_a_page_is_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = REPOSITORY / page if not path else (REPOSITORY / page).parent / path
        assert linked.exists(), target
        if anchor:
            assert anchor in _anchors(linked.read_text(encoding="utf-8")), target


def _anchors(text: str) -> set[str]:
    """Names that GitHub gives the headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_page_names_is_there(page):
    modules = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in (
            *("beetsplug", "benchmarks", "deploy", "genrebeam", "tools"),
            *("model", "pipeline", "tests", "transforms"),
        )
        for path in (REPOSITORY / folder).rglob("*.py")
    } | {"setup.py"}
    for named in re.findall(r"[\w/]+\.py\b", PAGES[page]):
        assert any(f"/{module}".endswith(f"/{named}") for module in modules), named


def test_table_of_recipes_is_what_was_measured():
    measured = json.loads((REPOSITORY / "benchmarks" / "quality" / "recipes.json").read_text())
    rows = {
        row.split("`")[1]: [cell.strip() for cell in row.split("|")[2:4]]
        for row in QUALITY.splitlines()
        if row.startswith("| `") and row.count("|") == 7
    }
    assert rows == {
        name: [
            f"{100 * splits['filtered'][key]:.1f}"
            for key in ("track_accuracy", "majority_accuracy")
        ]
        for name, splits in measured.items()
    }


def test_our_own_network_is_ahead_of_every_other_recipe_on_both_splits():
    measured = json.loads((REPOSITORY / "benchmarks" / "quality" / "recipes.json").read_text())
    ours = measured.pop("genre-cnn")
    for splits in measured.values():
        for split, figures in splits.items():
            assert figures["track_accuracy"] < ours[split]["track_accuracy"]
