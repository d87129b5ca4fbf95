"""The plugin of beets: with beets itself, its database on the disk, and real files."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import mutagen
import pytest
import yaml
from beets.library import Library
from beets.test.helper import PluginMixin, TestHelper
from beets.ui import UserError
from confuse import ConfigError

from beetsplug.genrebeam import GenreBeamPlugin
from genrebeam.transforms.audio import pool
from tests import REPOSITORY
from tests.audio_bytes import audio_hash
from tests.conftest import GENRES, tone, write_audio


class Beets(PluginMixin, TestHelper):
    """beets with a library and a configuration of its own, and our plugin."""

    plugin, preload_plugin, db_on_disk = "genrebeam", False, True

    def run(self, *arguments: str) -> None:
        """Run ``beet ARGUMENTS``."""
        self.run_command(*arguments)

    def genres(self, query: str = "") -> dict[str, list[str]]:
        """Genres by title, as the database has them."""
        return {item.title: list(item.genres) for item in self.lib.items(query)}


@pytest.fixture
def beets(tiny_bundle, monkeypatch):
    """Our plugin analyses by a network without skill, which gives every tone a genre."""
    monkeypatch.setattr(sys, "argv", ["beet"])
    with Beets() as beets:
        beets.config["genrebeam"] = {"bundle": tiny_bundle.path}
        beets.load_plugins()
        yield beets
        beets.unload_plugins()
    pool.stop()


@pytest.fixture
def album(tmp_path) -> Path:
    """A folder of tones with all tags but the genre."""
    folder = tmp_path / "album"
    folder.mkdir()
    for number, suffix in enumerate(("flac", "mp3", "ogg", "m4a"), 1):
        path = folder / f"{number}.{suffix}"
        write_audio(path, tone(5, 44100, 2, seed=number), 44100)
        file = mutagen.File(path, easy=True)
        file.update({"title": f"Song {number}", "artist": "Artist", "album": "Album"})
        file["tracknumber"] = str(number)
        file.save()
    return folder


@pytest.fixture
def library(beets, album) -> Beets:
    """An album that beets has imported, without genres."""
    beets.run("import", "--quiet", "--noautotag", "--nocopy", str(album))
    assert list(beets.genres().values()) == [[]] * 4
    return beets


def in_files(folder: Path) -> dict[str, list[str]]:
    """Genres by title, as the files have them."""
    files = [mutagen.File(path, easy=True) for path in sorted(folder.rglob("*.*"))]
    return {file["title"][0]: file.get("genre", []) for file in files}


def other_tags(folder: Path) -> list[dict]:
    files = [mutagen.File(path, easy=True) for path in sorted(folder.rglob("*.*"))]
    return [{key: file[key] for key in ("title", "artist", "album")} for file in files]


def test_database_and_files_agree(library, album):
    before = other_tags(album), [audio_hash(path) for path in sorted(album.iterdir())]
    library.run("genrebeam")
    found = library.genres()
    assert len(found) == 4
    assert all(len(genres) == 1 and genres[0] in GENRES for genres in found.values())
    assert in_files(album) == found
    assert (other_tags(album), [audio_hash(path) for path in sorted(album.iterdir())]) == before


def test_beets_own_update_finds_nothing_to_do(library, album, capsys):
    library.run("genrebeam")
    capsys.readouterr()
    library.run("update", "--pretend", "--nomove")
    assert "genres" not in capsys.readouterr().out


def test_an_album_has_the_genre_of_most_of_its_items(library, album):
    library.run("genrebeam")
    (found,) = library.lib.albums()
    genres = [item.genres[0] for item in library.lib.items()]
    assert list(found.genres) == [max(genres, key=genres.count)]


def test_pretending_shows_genres_and_writes_none(library, album, capsys):
    before = {path: path.read_bytes() for path in album.iterdir()}
    library.run("genrebeam", "--pretend")
    shown = capsys.readouterr().out
    assert all(f"Song {number}" in shown for number in range(1, 5))
    assert any(genre in shown for genre in GENRES)
    assert list(library.genres().values()) == [[]] * 4
    assert list(next(iter(library.lib.albums())).genres) == []
    assert {path: path.read_bytes() for path in album.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "kept", "added"),
    [
        ([], ["Polka"], 0),
        (["--keep-existing"], ["Polka"], 1),
        (["--force", "--keep-existing"], ["Polka"], 1),
        (["--force"], [], 1),
    ],
    ids=["", "-k", "-f -k", "-f"],
)
def test_what_becomes_of_a_genre_that_is_there(library, album, options, kept, added):
    library.run("modify", "--yes", "genres=Polka", "title:Song 1")
    library.run("genrebeam", *options, "title:Song 1")
    found = library.genres()["Song 1"]
    assert found[: len(kept)] == kept
    assert [genre in GENRES for genre in found[len(kept) :]] == [True] * added
    assert in_files(album)["Song 1"] == found


def test_a_genre_that_is_kept_is_not_even_analysed(library, monkeypatch):
    library.run("modify", "--yes", "genres=Polka")
    monkeypatch.setattr(GenreBeamPlugin, "_session", lambda plugin: pytest.fail("it analyses"))
    library.run("genrebeam")


def test_only_what_a_query_finds_is_analysed(library):
    library.run("genrebeam", "title:Song 2")
    assert [title for title, genres in library.genres().items() if genres] == ["Song 2"]


def test_below_the_threshold_nothing_is_written(library, album):
    library.run("genrebeam", "--threshold", "1")
    assert list(library.genres().values()) == [[]] * 4
    assert list(in_files(album).values()) == [[]] * 4


def test_several_genres_are_a_list_in_the_database_and_in_the_files(library, album):
    library.config["genrebeam"]["count"] = 3
    library.run("genrebeam")
    found = library.genres()
    assert max(map(len, found.values())) > 1
    for path in sorted(album.glob("*.flac")):
        assert mutagen.File(path)["genre"] == found["Song 1"]


def test_bad_files_are_lines_and_the_others_get_their_genres(library, album, caplog):
    (album / "1.flac").write_bytes(b"no music")
    (album / "2.mp3").unlink()
    library.run("genrebeam")
    printed = [record.getMessage() for record in caplog.records if record.name == "beets.genrebeam"]
    assert len([line for line in printed if "1.flac" in line or "2.mp3" in line]) == 2
    found = library.genres()
    assert [title for title, genres in found.items() if not genres] == ["Song 1", "Song 2"]


def test_the_database_says_nothing_that_could_not_be_written(library, monkeypatch):
    monkeypatch.setattr("beets.library.Item.try_write", lambda item: item.title != "Song 1")
    library.run("genrebeam")
    assert [title for title, genres in library.genres().items() if not genres] == ["Song 1"]


def test_files_are_not_written_where_beets_shall_not_write(library, album):
    library.config["import"]["write"] = False
    library.run("genrebeam")
    assert all(library.genres().values())
    assert list(in_files(album).values()) == [[]] * 4


def test_one_network_analyses_all_items(library, tiny_bundle, monkeypatch):
    loaded = []
    load = type(tiny_bundle).load_network
    monkeypatch.setattr(
        type(tiny_bundle), "load_network", lambda bundle: loaded.append(1) or load(bundle)
    )
    library.run("genrebeam")
    library.run("genrebeam", "--force")
    assert loaded == [1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("existing", "loose"),
        ("threshold", 2),
        ("threshold", "high"),
        ("count", 0),
        ("level", "era"),
        ("bundle", "nowhere"),
    ],
)
def test_wrong_configuration_is_an_error_that_beets_tells_in_one_line(library, key, value):
    library.config["genrebeam"][key] = value
    with pytest.raises((UserError, ConfigError)) as printed:
        library.run("genrebeam")
    assert f"genrebeam.{key}" in str(printed.value) or str(value) in str(printed.value)
    assert "\n" not in str(printed.value)


PAGE = (REPOSITORY / "docs" / "beets.md").read_text(encoding="utf-8")


def test_every_command_of_the_page_works(library):
    commands = re.findall(r"^\$ beet (genrebeam.*?)(?: {2,}#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        library.run(*shlex.split(command))
    assert all(library.genres().values())


def test_the_page_has_the_options_and_the_defaults_that_there_are(beets):
    (command,) = GenreBeamPlugin().commands()
    declared = {option._long_opts[0] for option in command.parser.option_list} - {"--help"}
    assert set(re.findall(r"`(--[\w-]+)(?: P)?` \|", PAGE)) == declared
    shown = yaml.safe_load(re.search(r"```yaml\n(.+?)```", PAGE, re.DOTALL)[1])["genrebeam"]
    beets.config["genrebeam"] = {"bundle": None}
    assert shown == {key: view.get() for key, view in beets.config["genrebeam"].items()}


# --- import -----------------------------------------------------------------------------


@pytest.fixture
def importing(beets):
    """The plugin analyses what is imported."""
    beets.unload_plugins()
    beets.config["genrebeam"]["auto"] = True
    beets.load_plugins()
    return beets


def imported(beets: Beets) -> Path:
    return Path(os.fsdecode(beets.lib.directory))


def test_an_import_gives_copies_their_genres_and_leaves_the_originals(importing, album):
    before = {path: path.read_bytes() for path in album.iterdir()}
    importing.run("import", "--quiet", "--noautotag", str(album))
    found = importing.genres()
    assert len(found) == 4
    assert all(found.values())
    assert in_files(imported(importing)) == found
    assert {path: path.read_bytes() for path in album.iterdir()} == before


def test_an_import_analyses_before_files_get_their_names(importing, album):
    importing.config["paths"] = {"default": "$genres/$title"}
    importing.run("import", "--quiet", "--noautotag", str(album))
    names = {path.parent.name for path in imported(importing).rglob("Song*")}
    assert names == {genres[0] for genres in importing.genres().values()}


def test_an_import_of_single_songs(importing, album):
    importing.run("import", "--quiet", "--noautotag", "--singletons", str(album))
    assert all(importing.genres().values())
    assert in_files(imported(importing)) == importing.genres()


def test_an_import_that_shall_not_write_writes_nothing(importing, album):
    importing.run("import", "--quiet", "--noautotag", "--nowrite", str(album))
    assert all(importing.genres().values())
    assert list(in_files(imported(importing)).values()) == [[]] * 4


def test_an_import_keeps_genres_that_are_there(importing, album):
    file = mutagen.File(album / "1.flac")
    file["genre"] = ["Polka", "Folk"]
    file.save()
    importing.run("import", "--quiet", "--noautotag", str(album))
    assert importing.genres()["Song 1"] == ["Polka", "Folk"]
    assert all(importing.genres().values())


def test_an_import_analyses_nothing_unless_it_is_asked_to(beets, album):
    beets.run("import", "--quiet", "--noautotag", str(album))
    assert list(beets.genres().values()) == [[]] * 4


# --- the program itself -----------------------------------------------------------------


def test_the_command_of_a_shell_with_the_default_bundle(shared_data, tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for path in sorted((shared_data / "gtzan" / "audio").glob("*.flac"))[:3]:
        shutil.copy(path, music)
    (tmp_path / "config.yaml").write_text(
        json.dumps(
            {
                "directory": str(tmp_path / "library"),
                "library": str(tmp_path / "library.db"),
                "plugins": ["genrebeam"],
            }
        )
    )

    def beet(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "beets", *arguments],
            cwd=tmp_path,
            env={**os.environ, "BEETSDIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        )

    beet("import", "--quiet", "--noautotag", str(music))
    printed = beet("genrebeam")
    assert printed.stderr == ""
    library = Library(str(tmp_path / "library.db"), str(tmp_path / "library"))
    found = {item.path: list(item.genres) for item in library.items()}
    library._close()
    assert len(found) == 3
    assert any(found.values())
    for path, genres in found.items():
        assert list(mutagen.File(os.fsdecode(path)).get("genre", [])) == genres
        assert all(genre in printed.stdout for genre in genres)


def test_beets_starts_without_what_analyses(tmp_path):
    (tmp_path / "config.yaml").write_text("plugins: genrebeam\n")
    source = (
        "import sys\n"
        "from beets.ui import main\n"
        "main(['ls'])\n"
        "assert 'beetsplug.genrebeam' in sys.modules\n"
        "slow = {'apache_beam', 'tensorflow', 'librosa', 'scipy', 'soundfile'}\n"
        "assert slow.isdisjoint(sys.modules)\n"
    )
    environment = {**os.environ, "BEETSDIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", source], env=environment, check=True)
