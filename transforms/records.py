"""The records that flow through the graph, and the errors that become rows.

``Track -> Features -> Prediction -> Decision -> Outcome``; a track that drops out on the
way becomes an `Outcome` at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from genrebeam.model.errors import PathError
from genrebeam.transforms.reasons import explain

if TYPE_CHECKING:
    import numpy as np

# What can happen to a genre that a file has already.
EXISTING = ("keep", "merge", "replace", "clean")
VOTE_RULES = ("mean", "majority")
# Which tracks vote together.
CONSISTENT = ("off", "album", "artist")
# What a track's genre is decided by, beside its sound.
LEARN_FROM = ("library", "off")
# What decided: its sound alone, or other files of its artist, its album, its folder, of several.
DECIDED_BY = ("audio", "artist", "album", "folder", "several")
# How finely genres are named: a style such as Punk, or its family, Rock.
LEVELS = ("style", "family", "both")
# Which styles are written: those whose accuracy is known, or all that the model has.
STYLES = ("checked", "all")
# Whether the report tells of moods and instruments, and files of a mood.
MOOD = ("off", "report", "write")
ID3_VERSIONS = ("keep", "2.3", "2.4")
# Genres that say nothing and count as missing, unless the user lists others.
CATCH_ALL = (
    "Other",
    "Unknown",
    "Unknown Genre",
    "Unclassifiable",
    "Misc",
    "Miscellaneous",
    "None",
    "12",
)
# Why a file is left to a later run, where a run takes only files of some age.
TOO_RECENT = "changed just now, and may not be complete; a later run takes it"


class Status(StrEnum):
    """What became of a file: the value in a row, and its meaning."""

    TAGGED = "tagged", "the genre was written into the file"
    WOULD_TAG = "would_tag", "dry run: the genre would be written"
    KEPT = "kept", "the file has a genre already, and `--existing` is `keep`"
    UNCHANGED = (
        "unchanged",
        "the file has this genre already, or has not changed since an earlier run",
    )
    UNSURE = "unsure", "no genre is likely enough to be written; `reason` names the likeliest"
    REFUSED = "refused", "nothing is wrong with the file, but it gets no genre; `reason` says why"
    FAILED = "failed", "the file could not be read, decoded or written; `reason` says why"

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Status:
        member = str.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member


# The file is as it shall be: later runs skip it.
SETTLED = (Status.TAGGED, Status.KEPT, Status.UNCHANGED, Status.UNSURE, Status.REFUSED)
# It got a genre, or would get it.
GIVEN = (Status.TAGGED, Status.WOULD_TAG)
# It got none, and its reason is worth telling.
LEFT_ALONE = (Status.UNSURE, Status.REFUSED, Status.FAILED)


class Stage(StrEnum):
    """The last step that a file reached, or that failed."""

    WALK = "walk"
    SKIP = "skip"
    READ_TAGS = "read_tags"
    DECODE = "decode"
    CLASSIFY = "classify"
    VOTE = "vote"
    TAG = "tag"
    # A person chose its genre; no later run chooses another.
    BY_HAND = "by_hand"
    UNDO = "undo"
    # What is known of it is nothing that a report can hold.
    REPORT = "report"


# Refused at these for what may change without the file: its permissions, its links.
_PASSING_STAGES = (Stage.WALK, Stage.TAG)


def is_settled(status: str, stage: str) -> bool:
    """Whether a row says that its file is as it shall be, so that later runs skip it.

    Parameters
    ----------
    status, stage : str
        As a report has them; whatever this version does not know settles nothing.
    """
    if status == Status.REFUSED and stage in _PASSING_STAGES:
        return False
    return status in SETTLED


class TrackError(PathError):
    """A file that cannot be worked on, and why."""


class Refusal(TrackError):
    """A file that is in order but gets no genre: refused, not failed."""


class TagReadError(TrackError):
    """A file whose tags cannot be read."""


class TagWriteError(TrackError):
    """A file whose genre cannot be written; it is as it was before."""


class TooRecent(Refusal):
    """A file that has just changed: whoever writes it may not be done."""


class NoTagField(Refusal):
    """A container that has no place for a genre."""


class HardLinked(Refusal):
    """A file with several names: replacing one of them would part it from the others."""


@dataclass(frozen=True)
class FileTags:
    """The tags of a file that matter here.

    Parameters
    ----------
    title, artist, album : str or None
    genres : tuple of str
        As a player would show them (numeric ID3 references resolved).
    custom : tuple of (str, str)
        Our own opt-in fields that are there.
    shadow : tuple of str
        Genres of a second tag (APEv2 on an mp3) that some players show instead.
    foreign_only : bool
        Whether the format has no tags: those that are there were put around it.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genres: tuple[str, ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
    shadow: tuple[str, ...] = ()
    album_artist: str | None = None
    foreign_only: bool = False
    year: int | None = None
    mood: str | None = None


@dataclass(frozen=True)
class AudioFacts:
    """What the header says of the audio.

    Parameters
    ----------
    sample_rate_hz, channels, bitrate_bps : int or None
    """

    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    bitrate_bps: int | None = None


@dataclass(frozen=True)
class Group:
    """Tracks that vote together, such as an album's.

    Parameters
    ----------
    key : str
        The kind of group, a null character, and what else its tracks share.
    """

    key: str
    n_tracks: int

    @property
    def kind(self) -> str:
        """``album`` or ``artist``."""
        return self.key.partition("\0")[0]

    @property
    def name(self) -> str:
        """The same for people; tracks without an album's title are those of a folder."""
        is_titled = self.key.split("\0")[2:3] != [""]
        return self.kind if is_titled else "folder"


@dataclass(frozen=True)
class Evidence:
    """The genres of other files that share something with a track.

    Parameters
    ----------
    kind : {"artist", "album", "folder"}
        What they share.
    genres : tuple of (str, float)
        Genres of the model, and how many files have each; a file with two genres is half a file
        of each.
    """

    kind: str
    genres: tuple[tuple[str, float], ...]

    @property
    def n_files(self) -> float:
        """How many files they are."""
        return sum(files for _, files in self.genres)


@dataclass(frozen=True)
class EarlierGenres:
    """Genres that GenreBeam gave a file in an earlier run.

    Parameters
    ----------
    genres : tuple of str
        As a report shows them.
    decided_by : str
        As in `Decision`.
    fingerprint : str or None
        Of the file that has them.
    """

    genres: tuple[str, ...]
    decided_by: str
    fingerprint: str | None = None


@dataclass(frozen=True)
class Stored:
    """What an earlier run's report has of a track: enough for a head to decide anew.

    Parameters
    ----------
    run : str
        Identifier of that run; later runs sort after earlier ones.
    mtime_ns : int or None
        The file's, when the row was written.
    n_segments : int
        That were analysed.
    inputs : bytes
        The head's inputs as float16, see `genrebeam.model.backbones.projection`.
    kept_in, place, n_bytes : str, int, int
        Where they are instead: a local file of this run, so that they need not be in memory.
    """

    run: str
    size_bytes: int
    mtime_ns: int | None
    n_segments: int
    inputs: bytes = field(default=b"", repr=False)
    kept_in: str = ""
    place: int = 0
    n_bytes: int = 0

    @property
    def values(self) -> np.ndarray:
        """The head's inputs: ``(n_inputs,) float32``."""
        import numpy as np  # what only lists files does without

        inputs = self.inputs
        if self.kept_in:
            with open(self.kept_in, "rb") as stream:
                stream.seek(self.place)
                inputs = stream.read(self.n_bytes)
        return np.frombuffer(inputs, "<f2").astype(np.float32)


@dataclass(frozen=True)
class Track:
    """One file of the library.

    Parameters
    ----------
    uri : str
        Local path or ``gs://`` name; undecodable bytes as surrogates (see `os.fsdecode`).
    format : str
        Lower-case file name extension, such as ``mp3``.
    size_bytes, mtime_ns : int
        As listed, or after the genre was written.
    group : Group or None
        That it votes with.
    given : EarlierGenres or None
        By an earlier run.
    evidence : tuple of Evidence
        What is known of its genre before it is analysed.
    stored : Stored or None
        What an earlier run has stored of it, so that it need not be analysed.
    """

    uri: str
    format: str
    size_bytes: int = 0
    mtime_ns: int = 0
    tags: FileTags = FileTags()
    audio: AudioFacts = AudioFacts()
    group: Group | None = None
    given: EarlierGenres | None = None
    evidence: tuple[Evidence, ...] = ()
    stored: Stored | None = None

    def __reduce__(self) -> tuple[Callable[..., Track], tuple]:
        # Every file is shuffled several times, so it is pickled as short and as fast as can be.
        listed = (self.uri, self.format, self.size_bytes, self.mtime_ns)
        known = (self.tags, self.audio, self.group, self.given, self.evidence, self.stored)
        if known == _UNKNOWN:
            return Track, listed
        tags, audio, *others = map(_values, (self.tags, self.audio, self.group, self.given))
        evidence = tuple(map(_values, self.evidence))
        return _unpickled, (listed, tags, audio, *others, evidence, _values(self.stored))

    def as_written(self, size_bytes: int, mtime_ns: int) -> Track:
        """The track with the size and time that its file has now."""
        return dataclasses.replace(self, size_bytes=size_bytes, mtime_ns=mtime_ns)


# What is known of a track that was only listed.
_UNKNOWN = (FileTags(), AudioFacts(), None, None, (), None)


def _values(record: Any) -> tuple | None:
    return None if record is None else tuple(vars(record).values())


def _unpickled(
    listed: tuple,
    tags: tuple,
    audio: tuple,
    group: tuple | None,
    given: tuple | None,
    evidence: tuple[tuple, ...],
    stored: tuple | None,
) -> Track:
    """A track as it was pickled."""
    uri, format, size_bytes, mtime_ns = listed
    return Track(
        *(uri, format, size_bytes, mtime_ns),
        tags=FileTags(*tags),
        audio=AudioFacts(*audio),
        group=Group(*group) if group else None,
        given=EarlierGenres(*given) if given else None,
        evidence=tuple(Evidence(*one) for one in evidence),
        stored=Stored(*stored) if stored else None,
    )


@dataclass(frozen=True)
class Features:
    """What the network will see of a track.

    Parameters
    ----------
    values : np.ndarray
        ``(n_segments, *features.shape) float16``, such as log-mel in 0..1; or of a track with
        `Track.stored` that, ``(1, n_inputs)``.
    extract_seconds : float
        Time that decoding and features took, in s.
    """

    track: Track
    values: np.ndarray
    extract_seconds: float


@dataclass(frozen=True)
class Prediction:
    """What the network said of a track.

    Parameters
    ----------
    probabilities : np.ndarray
        ``(n_segments, n_classes) float32``, calibrated; no rows where it failed.
    extract_seconds, classify_seconds : float
        In s.
    error : tuple of str or None
        Type and message where the network could not be run on this track.
    embedding : np.ndarray or None
        ``(d,) float32``, mean over segments, where it was asked for.
    overall : np.ndarray or None
        ``(n_classes,) float32``: of all segments together, where that is more than their mean.
    not_music : str or None
        What it is instead, where it is no music.
    moods, instruments : dict or None
        The backbone's own classes and their scores in 0..1, where it has some.
    class_logits : np.ndarray or None
        ``(n_kept,) float32``: what a head reads beside the embedding.
    """

    track: Track
    probabilities: np.ndarray
    extract_seconds: float
    classify_seconds: float
    error: tuple[str, str] | None = None
    embedding: np.ndarray | None = None
    overall: np.ndarray | None = None
    not_music: str | None = None
    moods: dict[str, float] | None = None
    instruments: dict[str, float] | None = None
    class_logits: np.ndarray | None = None


@dataclass(frozen=True)
class Decision:
    """The genres that a track shall have.

    Parameters
    ----------
    genres : tuple of str
        Most probable first; empty where none is written, and `reason` says why.
    confidence : float
        Calibrated probability of the first genre.
    reason : str
        How it was decided, or why it was refused.
    probabilities : dict
        Genre to mean probability.
    votes : dict
        Genre, or family where genres have families, to number of segments.
    extract_seconds, classify_seconds : float
        In s.
    embedding, class_logits : np.ndarray or None
        As in `Prediction`.
    family, style : tuple of (str, float) or None
        The likeliest family and its likeliest style with their probabilities, where genres
        have families.
    genres_alone : tuple of str or None
        What it would have by itself, where tracks vote together.
    tracks_voted : int or None
        How many voted together, itself included.
    unsure : bool
        Whether it has no genre because none is likely enough.
    decided_by : str
        See `DECIDED_BY`.
    family_alone : tuple of (str, float) or None
        The likeliest family by the track's sound alone, where more than that decided.
    moods, instruments : dict or None
        As in `Prediction`.
    """

    track: Track
    genres: tuple[str, ...]
    confidence: float
    reason: str
    probabilities: dict[str, float]
    votes: dict[str, int]
    segments_analysed: int
    extract_seconds: float
    classify_seconds: float
    embedding: np.ndarray | None = field(default=None, repr=False, compare=False)
    class_logits: np.ndarray | None = field(default=None, repr=False, compare=False)
    family: tuple[str, float] | None = None
    style: tuple[str, float] | None = None
    genres_alone: tuple[str, ...] | None = None
    tracks_voted: int | None = None
    unsure: bool = False
    decided_by: str = "audio"
    family_alone: tuple[str, float] | None = None
    moods: dict[str, float] | None = None
    instruments: dict[str, float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a file: one row of the report.

    Parameters
    ----------
    reason : str
        Why it has this status, for a person to read.
    error_type : str or None
        Name of the error's class where the status is ``failed``.
    genres_after : tuple of str
        Genres in the file now, or (``would_tag``) as they would be.
    fingerprint : str or None
        Of the file that was analysed, in this run or an earlier one, and is as it shall be.
    decision : Decision or None
        Where the track was analysed.
    write_seconds : float or None
        Time that writing the tag took, in s.
    error_message : str or None
        What the error itself says, where that is not the reason.
    decided_by : str or None
        As in `Decision`, where an earlier run gave the file its genres.
    mood : str or None
        That the file got, or (``would_tag``) would get; None where its own stays.
    """

    track: Track
    status: Status
    stage: Stage
    reason: str
    error_type: str | None = None
    genres_after: tuple[str, ...] = ()
    confidence: float | None = None
    fingerprint: str | None = None
    decision: Decision | None = field(default=None, repr=False)
    write_seconds: float | None = None
    error_message: str | None = None
    decided_by: str | None = None
    mood: str | None = None

    @property
    def was_classified(self) -> bool:
        """Whether the file was decoded and classified, or failed at that."""
        return self.decision is not None or self.stage in (Stage.DECODE, Stage.CLASSIFY)


def dropped(track: Track, stage: Stage, error: BaseException) -> Outcome:
    """The row of a file that goes no further.

    Parameters
    ----------
    stage : Stage
        The step that failed.

    Returns
    -------
    Outcome
        ``refused`` for a `Refusal`, else ``failed``.
    """
    refused = isinstance(error, Refusal)
    return Outcome(
        track=track,
        status=Status.REFUSED if refused else Status.FAILED,
        stage=stage,
        reason=explain_error(error, stage, track.format),
        error_type=None if refused else type(error).__name__,
        genres_after=track.tags.genres,
        error_message=None if refused else reason_of(error),
    )


def explain_error(error: BaseException, stage: Stage, format: str) -> str:
    """What is wrong with a file and what can be done (see ``reasons.py``)."""
    kinds = tuple(kind.__name__ for kind in type(error).__mro__)
    return explain(kinds, reason_of(error), stage=stage, format=format)


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong, without the path."""
    if isinstance(error, TrackError):
        text = error.reason
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__


def with_tags(track: Track, tags: FileTags, audio: AudioFacts) -> Track:
    """A copy of `track` that knows what its header says."""
    return dataclasses.replace(track, tags=tags, audio=audio)


def printable(uri: str) -> str:
    r"""A path as text that Parquet and terminals can hold.

    Bytes that are no text appear as ``\udcxx``, the rest as it is.

    Examples
    --------
    >>> printable("caf\udce9.mp3")
    'caf\\udce9.mp3'
    """
    return uri.encode("utf-8", "backslashreplace").decode("utf-8")
