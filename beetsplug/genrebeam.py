"""Genres by GenreBeam, as a plugin of beets (see docs/beets.md).

``beetsplug`` is beets' own package, spread over several folders: it has no ``__init__.py`` here,
which would hide beets' plugins.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from optparse import Values
from typing import TYPE_CHECKING

from beets import ui
from beets.plugins import BeetsPlugin
from beets.util import displayable_path

from genrebeam.model.errors import PathError
from genrebeam.model.extras import MissingExtraError
from genrebeam.pipeline.options.errors import UsageError
from genrebeam.pipeline.options.job import bundle_named
from genrebeam.transforms.records import EXISTING, LEVELS, Decision, Outcome, Status

if TYPE_CHECKING:
    from beets.importer import ImportSession, ImportTask
    from beets.library import Album, Item, Library

    from genrebeam.pipeline.inference.session import TrackClassifier
    from genrebeam.transforms.tags.tag import TagPolicy

# Genres of an item by its id.
Genres = dict[int, list[str]]

# Beets cleans genres up itself.
_EXISTING = tuple(one for one in EXISTING if one != "clean")


class GenreBeamPlugin(BeetsPlugin):
    """Analyses what beets has no genre of, and lets beets write it."""

    def __init__(self) -> None:
        super().__init__()
        self.config.add(
            {
                "auto": False,
                "existing": "keep",
                "threshold": None,
                "count": 1,
                "level": None,
                "bundle": None,
            }
        )
        self._classifier: TrackClassifier | None = None
        # Of an import under way, until beets has written their files or not.
        self._analysed: set[int] = set()
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]
            self.register_listener("import_begin", self.import_begin)
            self.register_listener("import_task_files", self.import_task_files)
        self.register_listener("cli_exit", self.cli_exit)

    def commands(self) -> list[ui.Subcommand]:
        """Declare ``beet genrebeam``."""
        command = ui.Subcommand("genrebeam", help="find which genres music has")
        option = command.parser.add_option
        option("-p", "--pretend", action="store_true", help="show actions but do nothing")
        option("-f", "--force", action="store_true", help="replace genres that are there")
        option("-k", "--keep-existing", action="store_true", help="add to genres that are there")
        option("-t", "--threshold", type="float", metavar="P", help="least confidence, 0 to 1")
        command.func = self.run
        return [command]

    def run(self, lib: Library, options: Values, arguments: list[str]) -> None:
        """Run ``beet genrebeam [QUERY]``."""
        existing = "merge" if options.keep_existing else "replace" if options.force else None
        self.config.set_args({"existing": existing, "threshold": options.threshold})
        write = ui.should_write()
        self._tag(lib.items(arguments), write=write, shown=True, pretend=bool(options.pretend))

    def import_begin(self) -> None:
        """Load the network before beets asks and tells: loading it silences stderr."""
        self.config["existing"].as_choice(_EXISTING)  # what is wrong is said before any work
        try:
            self._session().load()
        except PathError as error:
            raise ui.UserError(str(error)) from error

    def imported(self, session: ImportSession, task: ImportTask) -> None:
        """Analyse an album's files before they are written and moved; beets does that later."""
        self._analysed |= self._tag(task.imported_items()).keys()

    def import_task_files(self, session: ImportSession, task: ImportTask) -> None:
        """Write what was imported as it is; the files of other albums beets has written."""
        items = [item for item in task.imported_items() if item.id in self._analysed]
        self._analysed -= {item.id for item in items}
        if not task.apply and ui.should_write():
            for item in items:
                if item.try_write():
                    item.store()

    def cli_exit(self) -> None:
        """End the processes that decode."""
        if self._classifier is not None:
            self._classifier.close()

    def _session(self) -> TrackClassifier:
        """What analyses, made once.

        Raises
        ------
        ui.UserError
            If the configuration cannot be used; beets tells it in a line, as its own errors.
        """
        if self._classifier is None:
            from genrebeam.pipeline.inference.session import TrackClassifier
            from genrebeam.transforms.genre.vote import VotePolicy

            try:
                bundle = bundle_named(self._bundle())
            except (UsageError, MissingExtraError) as error:
                raise ui.UserError(str(error)) from error
            level = self.config["level"].as_choice([None, *LEVELS])
            votes = VotePolicy.of(
                bundle,
                top_k=self._count(),
                min_confidence=self._threshold(bundle.min_confidence),
                level=level or bundle.level,
            )
            self._classifier = TrackClassifier(bundle, votes)
        return self._classifier

    def _bundle(self) -> str | None:
        """Name of a bundle that comes with GenreBeam, or its folder."""
        if self.config["bundle"].get() is None:
            return None
        name = self.config["bundle"].as_str()
        return self.config["bundle"].as_filename() if os.sep in name else name

    def _threshold(self, default: float) -> float:
        if self.config["threshold"].get() is None:
            return default
        threshold = self.config["threshold"].as_number()
        if not 0 <= threshold <= 1:
            raise ui.UserError(f"genrebeam.threshold: {threshold} is not from 0 to 1")
        return float(threshold)

    def _count(self) -> int:
        count = self.config["count"].get(int)
        if count < 1:
            raise ui.UserError(f"genrebeam.count: {count} is not a number from 1 up")
        return count

    def _tag(
        self,
        items: Iterable[Item],
        *,
        write: bool = False,
        shown: bool = False,
        pretend: bool = False,
    ) -> Genres:
        """Analyse items and give them and their albums genres; those of the items that got some."""
        existing = self.config["existing"].as_choice(_EXISTING)
        wanted = [item for item in items if existing != "keep" or not item.genres]
        if not wanted:
            return {}
        classifier = self._session()
        from genrebeam.transforms.tags.tag import TagPolicy

        policy = TagPolicy(existing)
        given: Genres = {}
        albums: dict[int, Album] = {}
        paths = (os.fsdecode(item.path) for item in wanted)
        try:
            for item, found in zip(wanted, classifier(paths), strict=True):
                genres = self._plan(item, found, policy)
                if genres is None or genres == item.genres:
                    continue
                item.genres = genres
                if shown:
                    ui.show_model_changes(item, fields=["genres"])
                if not pretend:
                    # Where the file cannot be written, which beets tells, the database stays too.
                    if write and not item.try_write():
                        continue
                    item.store()
                given[item.id] = genres
                if album := item.get_album():
                    albums[album.id] = album
        finally:  # also where it was ended early
            for album in albums.values():
                self._tag_album(album, given, policy, shown=shown, pretend=pretend)
        return given

    def _plan(self, item: Item, found: Decision | Outcome, policy: TagPolicy) -> list[str] | None:
        """The genres that an item shall have; None where it was not analysed."""
        path = displayable_path(item.path)
        if isinstance(found, Outcome):
            tell = self._log.warning if found.status == Status.FAILED else self._log.info
            tell("{}: {}", path, found.reason)
            return None
        if not found.genres:
            self._log.info("{}: {}", path, found.reason)
            return None
        self._log.debug("{}: {} at {:.2f}", path, ", ".join(found.genres), found.confidence)
        return list(policy.plan(item.genres, found.genres))

    def _tag_album(
        self, album: Album, given: Genres, policy: TagPolicy, *, shown: bool, pretend: bool
    ) -> None:
        """Give an album the genres that most of its items have."""
        items = album.items()
        counts = Counter(genre for item in items for genre in given.get(item.id, item.genres))
        common: Sequence[str] = [genre for genre, _ in counts.most_common(self._count())]
        album.genres = list(policy.plan(album.genres, common))
        if shown:
            ui.show_model_changes(album, fields=["genres"])
        if not pretend:
            album.store(inherit=False)  # its items have genres of their own
