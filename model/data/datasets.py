"""Labelled music: what training and evaluation read.

A data set is a list of clips: the scaled log-mel of each (see ``transforms.audio.features``),
its label, and the list (train, valid, test) that it belongs to. It comes from an array of
pictures, or from audio that ``pipeline.training_data`` made into a training set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.training_set import FACTS_FILE, DatasetError, read_clips, read_facts
from model.feature_spec import FeatureSpec
from model.genres import key_of, spell

# How audio can be labelled (see ``transforms.library.label``).
DATASETS = ("gtzan", "fma", "homburg", "folders", "tags")
# A single folder that is named after its genre; never a data set by itself.
ONE_GENRE = "one-genre"
SPLITS = ("train", "valid", "test")
# Of a data set without lists; the rest is to train.
SHARES = {"test": 0.2, "valid": 0.1}

# How GTZAN's tracks are divided where its three lists are at hand.
FILTERED = "the fault-filtered lists"

# The array's frames: column k is STFT frame floor(3.3366 k + 1.7) of a 30 s clip.
GTZAN_ARRAY = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=387)

# The lowest 107 of 128 bands up to 22.05 kHz, and the middles of 128 columns of 30 s.
_FMA_STEP = 30 * 44100 / 512 / 128
FMA_ARRAY = FeatureSpec(
    sample_rate_hz=44100,
    n_mels=107,
    fmax_hz=11266.884389,
    frame_step=_FMA_STEP,
    frame_offset=_FMA_STEP / 2,
    segment_frames=128,
)

# Genre names as ID3v1 spells them (https://id3.org/ID3v2.3.0, appendix A).
GTZAN_GENRES = {
    "blues": "Blues",
    "classical": "Classical",
    "country": "Country",
    "disco": "Disco",
    "hiphop": "Hip-Hop",
    "jazz": "Jazz",
    "metal": "Metal",
    "pop": "Pop",
    "reggae": "Reggae",
    "rock": "Rock",
}
# Homburg, Mierswa, Moeller, Morik and Wurst, "A Benchmark Dataset for Audio
# Classification and Clustering" (2005).
HOMBURG_GENRES = {
    "alternative": "Alternative",
    "blues": "Blues",
    "electronic": "Electronic",
    "folkcountry": "Folk & Country",
    "funksoulrnb": "Funk, Soul & R&B",
    "jazz": "Jazz",
    "pop": "Pop",
    "raphiphop": "Rap & Hip-Hop",
    "rock": "Rock",
}
GTZAN_NAME = re.compile(rf"({'|'.join(GTZAN_GENRES)})\.(\d{{5}})\.")

# A label with less cannot be learned and measured.
LEAST_TRACKS = 10
LEAST_ARTISTS = 3


@dataclass(frozen=True)
class Clips:
    """Clips of one split.

    Parameters
    ----------
    names : tuple of str
        One per clip.
    log_mel : tuple of np.ndarray
        Each ``(n_rows, n_frames)``, float16 in 0..1 scaled over the clip, or whatever else
        the features are made of; may be a view of a file.
    targets : np.ndarray
        ``(n_clips,) int64``, index into the labels.
    artists : tuple of str
        One per clip, where they are known; clips without are each by somebody else.
    """

    names: tuple[str, ...]
    log_mel: tuple[np.ndarray, ...]
    targets: np.ndarray
    artists: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, chosen: Sequence[int] | np.ndarray) -> Clips:
        """The clips with these numbers, in this order."""
        chosen = [int(number) for number in chosen]
        return Clips(
            names=tuple(self.names[number] for number in chosen),
            log_mel=tuple(self.log_mel[number] for number in chosen),
            targets=self.targets[chosen].astype(np.int64),
            artists=tuple(self.artists[number] for number in chosen) if self.artists else (),
        )

    @property
    def by(self) -> tuple[str, ...]:
        """Who each clip is by, as well as it is known."""
        return self.artists or self.names

    def places(self, features: FeatureSpec) -> list[tuple[int, int]]:
        """Clip and first frame of every whole segment, one after the other."""
        return [
            (clip, start)
            for clip, log_mel in enumerate(self.log_mel)
            for start in features.segment_starts(log_mel.shape[1])
        ]

    def cut(self, clip: int, starts: Sequence[int], width: int) -> np.ndarray:
        """Segments of a clip; what is shorter is heard in a loop, as when tagging.

        Parameters
        ----------
        clip : int
        starts : sequence of int
            First frame of each segment.
        width : int
            Frames of a segment.

        Returns
        -------
        np.ndarray
            ``(n_segments, n_rows, width) float32``.
        """
        log_mel = self.log_mel[clip]
        frames = np.add.outer(np.asarray(starts, dtype=int), np.arange(width)) % log_mel.shape[1]
        return np.moveaxis(log_mel[:, frames], 0, 1).astype(np.float32)

    def __add__(self, other: Clips) -> Clips:
        targets = np.concatenate([self.targets, other.targets])
        names, log_mel = self.names + other.names, self.log_mel + other.log_mel
        artists = self.by + other.by if self.artists or other.artists else ()
        return Clips(names, log_mel, targets, artists)


_NONE = Clips((), (), np.zeros(0, np.int64))


@dataclass(frozen=True)
class LabelledMusic:
    """A data set with its splits.

    Parameters
    ----------
    name : str
    labels, genres : tuple of str
        The data set's own class names, and the genre names to write into tags.
    splits : dict
        Split name to `Clips`.
    features : FeatureSpec
        The frames that the clips are made of.
    split : str
        How its tracks were divided, for people to read.
    left_out : tuple of str
        Clips of the splits' lists that the data lacks, and files that could not be heard,
        with the reason.
    too_small : tuple of str
        Labels left out because there is too little music, with the reason.
    unlisted : Clips
        What is in none of the data set's lists.
    """

    name: str
    labels: tuple[str, ...]
    genres: tuple[str, ...]
    splits: dict[str, Clips]
    features: FeatureSpec
    split: str = "artist"
    left_out: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()
    unlisted: Clips = _NONE


def recognise(folder: str | Path) -> tuple[str | None, str]:
    """What a folder holds, by the files that are there.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    dataset : str or None
        One of `DATASETS`; None for music that may be anybody's.
    form : {"array", "set", "audio"}
        Arrays and prepared sets are read by `load_music`; audio is to be prepared first.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    folder = Path(folder)
    if (folder / FACTS_FILE).is_file():
        return read_facts(folder).dataset, "set"
    if (folder / "logmel.npz").is_file():
        return ("fma" if "genre" in _arrays(folder) else "gtzan"), "array"
    places = [folder, *(folder / name for name in ("genres", "genres_original", "audio", "Data"))]
    places += [folder / "Data" / "genres_original"]
    if any(_holds_gtzan(place) or _holds_gtzan(place / "blues") for place in places):
        return "gtzan", "audio"
    return ("fma" if fma_tracks_file(folder) else None), "audio"


def _holds_gtzan(folder: Path) -> bool:
    return folder.is_dir() and any(GTZAN_NAME.match(path.name) for path in folder.iterdir())


def fma_tracks_file(folder: str | Path) -> Path | None:
    """Where FMA's ``tracks.csv`` is: in the folder, or in ``fma_metadata`` in or beside it."""
    folder = Path(folder)
    homes = (folder, folder / "fma_metadata", folder.parent / "fma_metadata")
    return next((home / "tracks.csv" for home in homes if (home / "tracks.csv").is_file()), None)


def gtzan_list_files(folder: str | Path) -> dict[str, Path]:
    """The lists of the fault-filtered split, in or above the folder or in one below.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    dict
        Split to ``{train,valid,test}_filtered.txt``; empty where not all are there.
    """
    folder = Path(folder)
    below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for home in (folder, folder.parent, *below):
        files = {split: home / f"{split}_filtered.txt" for split in SPLITS}
        if all(file.is_file() for file in files.values()):
            return files
    return {}


def read_gtzan_lists(files: dict[str, Path]) -> dict[str, str]:
    """Clip name, such as ``blues.00012``, to the split that lists it."""
    return {
        Path(line).stem: split
        for split, file in files.items()
        for line in file.read_text(encoding="utf-8").split()
    }


def load_music(folder: str | Path) -> LabelledMusic:
    """Read an array or a prepared training set, whichever the folder holds.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If it holds neither, or cannot be read.
    """
    dataset, form = recognise(folder)
    if form == "set":
        return load_training_set(folder)
    if form == "array":
        return load_fma_array(folder) if dataset == "fma" else load_gtzan_array(folder)
    raise DatasetError(folder, f"neither an array (logmel.npz) nor a training set ({FACTS_FILE})")


def load_gtzan_array(folder: str | Path) -> LabelledMusic:
    """GTZAN as the array of log-mel pictures, with the fault-filtered split.

    The split is that of Kereliuk, Sturm and Larsen, "Deep Learning and Music Adversaries"
    (2015): no exact duplicates, no artist in two lists.

    Parameters
    ----------
    folder : str or Path
        Holds ``logmel.npz`` (``mel`` uint8, ``track``) and ``{train,valid,test}_filtered.txt``.

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If a file is missing or not of that form.
    """
    folder = Path(folder)
    arrays = _arrays(folder, "mel", "track")
    pictures, tracks = _scaled(arrays["mel"], 255), [str(track) for track in arrays["track"]]
    files = gtzan_list_files(folder)
    if not files:
        raise DatasetError(folder, "train_filtered.txt, valid_ or test_filtered.txt is missing")
    listed = read_gtzan_lists(files)
    labels = tuple(GTZAN_GENRES)
    try:
        targets = np.array([labels.index(track.split(".")[0]) for track in tracks], dtype=np.int64)
    except ValueError as error:
        raise DatasetError(folder, f"not the GTZAN array: {error}") from error
    clips = Clips(tuple(tracks), tuple(pictures), targets)
    # In the lists' order, so that a seed gives what it gave before.
    position = {track: index for index, track in enumerate(tracks)}
    return LabelledMusic(
        name="gtzan",
        labels=labels,
        genres=tuple(GTZAN_GENRES.values()),
        splits={
            split: clips[
                [position[name] for name, at in listed.items() if at == split and name in position]
            ]
            for split in SPLITS
        },
        features=GTZAN_ARRAY,
        split=FILTERED,
        left_out=tuple(name for name in listed if name not in position),
        unlisted=clips[[index for track, index in position.items() if track not in listed]],
    )


def load_fma_array(folder: str | Path) -> LabelledMusic:
    """FMA-small as the array of drawn log-mel pictures, with its own test list.

    A tenth of the training list, by artist, becomes the valid list. The data set is that of
    Defferrard, Benzi, Vandergheynst and Bresson, "FMA: A Dataset for Music Analysis" (2017).

    Parameters
    ----------
    folder : str or Path
        Holds ``logmel.npz``: ``mel`` uint8 ``(n, 107, 128)`` of 0..63, ``track``, ``genre``,
        ``artist``, ``split``.

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If the file is missing or not of that form.
    """
    arrays = _arrays(Path(folder), "mel", "track", "genre", "artist", "split")
    genres = arrays["genre"].astype(str)
    labels = tuple(sorted(set(genres)))
    clips = Clips(
        names=tuple(f"{track:06d}" for track in arrays["track"]),
        log_mel=tuple(_scaled(arrays["mel"], 63)),
        targets=np.searchsorted(labels, genres).astype(np.int64),
    )
    in_test = arrays["split"].astype(str) == "test"
    lists = np.full(len(clips), "test", dtype=object)
    lists[~in_test], _ = split_by_artist(
        genres[~in_test], arrays["artist"][~in_test].astype(str), {"valid": 0.1}
    )
    return LabelledMusic(
        name="fma",
        labels=labels,
        genres=tuple(spell(label) for label in labels),
        splits={split: clips[np.flatnonzero(lists == split)] for split in SPLITS},
        features=FMA_ARRAY,
        split="its own test list and by artist",
    )


def _arrays(folder: Path, *names: str) -> dict[str, np.ndarray]:
    """Arrays of ``logmel.npz``; without names those that are small, for a look."""
    try:
        with np.load(folder / "logmel.npz") as file:
            return {name: file[name] for name in names or set(file.files) - {"mel"}}
    except FileNotFoundError as error:
        raise DatasetError(folder, "logmel.npz is missing") from error
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(folder, f"logmel.npz is not the array of a data set: {error}") from error


def _scaled(pictures: np.ndarray, largest: int) -> np.ndarray:
    """Whole numbers from 0 to `largest` as float16 in 0..1."""
    return (np.arange(256) / largest).astype(np.float16)[pictures]


def load_training_set(folder: str | Path, *, whole: bool = False) -> LabelledMusic:
    """A set that ``pipeline.training_data.prepare`` made of audio.

    Where the data set has lists, they are its splits; otherwise it is split by artist (see
    `split_by_artist`), and labels with too little music are left out.

    Parameters
    ----------
    folder : str or Path
    whole : bool
        All clips are one list, ``test``, and no label is left out: to measure on, not to
        learn from.

    Returns
    -------
    LabelledMusic
        Its arrays are views of the files, so that it may be larger than memory.

    Raises
    ------
    DatasetError
        If the set is not complete, cannot be read, or nothing of it can be used.
    """
    facts, stored = read_facts(folder), read_clips(folder)
    left_out = [str(file) for file in facts.left_out]
    small: dict[str, str] = {}
    if whole:
        lists, how = ["test"] * len(stored), "none: all of it"
        counts = Counter(clip.label for clip in stored)
        labels = tuple(label for label in facts.genres if counts[label])
    elif any(clip.split for clip in stored):
        lists = [clip.split for clip in stored]
        labels = tuple(facts.genres)
        how = FILTERED if facts.dataset == "gtzan" else "the data set's own lists"
    else:
        lists, small = split_by_artist([c.label for c in stored], [c.artist for c in stored])
        labels = tuple(label for label in facts.genres if label not in small)
        is_known = len({clip.artist for clip in stored}) < len(stored)
        how = "artist" if is_known else "file, because no artists are known"
        stored = [clip for clip in stored if clip.label in labels]
        lists = [split for split in lists if split]
    if not stored:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in small.items())
        raise DatasetError(facts.library, f"no genre has enough music ({reasons})")
    clips = Clips(
        names=tuple(clip.name for clip in stored),
        log_mel=tuple(clip.features for clip in stored),
        targets=np.array([labels.index(clip.label) for clip in stored], dtype=np.int64),
        artists=tuple(key_of(clip.artist) or clip.artist for clip in stored),
    )
    members = {
        split: clips[[number for number, at in enumerate(lists) if at == split]]
        for split in (*SPLITS, None)
    }
    return LabelledMusic(
        name=facts.name,
        labels=labels,
        genres=tuple(facts.genres[label] for label in labels),
        unlisted=members.pop(None),
        splits=members,
        features=facts.features,
        split=how,
        left_out=tuple(left_out),
        too_small=tuple(f"{label}: {reason}" for label, reason in small.items()),
    )


def split_by_artist(
    labels: Sequence[str], artists: Sequence[str], shares: Mapping[str, float] = SHARES
) -> tuple[list[str | None], dict[str, str]]:
    """Lists in which no artist is twice, of about the same shares of each label.

    Artists come in the order of a hash of their names: the first that fit become the first
    list, the next the second, and the rest is ``train``. So the same music is always split
    alike, an artist is mostly in the same list of every library, and one with much music is
    learned from.

    Parameters
    ----------
    labels, artists : sequence of str
        One per track.
    shares : mapping
        List to its share of the tracks.

    Returns
    -------
    lists : list of str or None
        One per track; None where the label is left out.
    small : dict
        Labels that are left out, and why.
    """
    artists = [key_of(artist) or artist for artist in artists]
    tracks: dict[str, Counter[str]] = defaultdict(Counter)
    for label, artist in zip(labels, artists, strict=True):
        tracks[label][artist] += 1
    small = {
        label: f"{by.total()} tracks of {len(by)} artists; "
        f"at least {LEAST_TRACKS} of {LEAST_ARTISTS} are needed"
        for label, by in tracks.items()
        if by.total() < LEAST_TRACKS or len(by) < LEAST_ARTISTS
    }
    lists: dict[str, str] = {}
    # Those with the fewest artists choose first, while their artists are still free.
    for label in sorted(set(tracks) - set(small), key=lambda label: (len(tracks[label]), label)):
        _divide(tracks[label], lists, shares)
        lacking = {*shares, "train"} - {lists[artist] for artist in tracks[label]}
        if lacking:
            small[label] = f"no artist of its own is left to {' and '.join(sorted(lacking))}"
    found = zip(labels, artists, strict=True)
    return [None if label in small else lists[artist] for label, artist in found], small


def _divide(tracks: Counter[str], lists: dict[str, str], shares: Mapping[str, float]) -> None:
    """Give the artists of a label that are in no list one each."""
    free = sorted((artist for artist in tracks if artist not in lists), key=_chance)
    for n_later, (split, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        room = share * tracks.total()
        room -= sum(n for artist, n in tracks.items() if lists.get(artist) == split)
        for artist in list(free):
            if tracks[artist] <= room and len(free) > n_later:  # one is kept for each later list
                lists[artist] = split
                room -= tracks[artist]
                free.remove(artist)
        if free and not any(lists.get(artist) == split for artist in tracks):
            lists[min(free, key=lambda artist: (tracks[artist], _chance(artist)))] = split
            free = [artist for artist in free if artist not in lists]
    lists.update(dict.fromkeys(free, "train"))


def _chance(artist: str) -> float:
    """A number from 0 to 1 that an artist always has."""
    digest = hashlib.blake2b(artist.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def all_in_one(music: LabelledMusic) -> LabelledMusic:
    """All clips, listed or not, as one list, ``test``."""
    clips = sum(music.splits.values(), music.unlisted)
    splits = {**dict.fromkeys(SPLITS, _NONE), "test": clips}
    return dataclasses.replace(music, splits=splits, split="none: all of it", unlisted=_NONE)


def random_split(music: LabelledMusic, seed: int) -> LabelledMusic:
    """All clips, listed or not, split at random: 63 % train, 7 % valid, 30 % test.

    The protocol of published figures that split GTZAN's tracks 70:30. It leaks: clips of one
    artist, album and even recording are on both sides, so it measures memory as well.

    Parameters
    ----------
    music : LabelledMusic
    seed : int

    Returns
    -------
    LabelledMusic
    """
    clips = sum(music.splits.values(), music.unlisted)
    # By name first: the same seed gives the same lists, however the music is stored.
    clips = clips[np.argsort(clips.names, kind="stable")]
    order = np.random.default_rng(seed).permutation(len(clips))
    n_test, n_learn = round(0.3 * len(clips)), len(clips) - round(0.3 * len(clips))
    ends = np.cumsum([n_test, round(0.1 * n_learn)])
    test, valid, train = np.split(order, ends)
    return dataclasses.replace(
        music,
        splits={"train": clips[train], "valid": clips[valid], "test": clips[test]},
        split=f"chance (seed {seed})",
        unlisted=_NONE,
    )


def join(music: Sequence[LabelledMusic]) -> LabelledMusic:
    """Several data sets as one, with all of their genres.

    Parameters
    ----------
    music : sequence of LabelledMusic
        Of the same frames. Labels that are written as the same genre become one: the first
        data set's.

    Returns
    -------
    LabelledMusic

    Raises
    ------
    DatasetError
        If they are made of different frames.
    """
    first = music[0]
    labels: dict[str, str] = {}
    for one in music:
        if not one.features.same_frames(first.features):
            raise DatasetError(one.name, f"is not made of the same frames as {first.name}")
        for label, genre in zip(one.labels, one.genres, strict=True):
            labels.setdefault(genre, label)
    genres = tuple(labels)

    def moved(clips: Clips, one: LabelledMusic) -> Clips:
        numbers = np.array([genres.index(genre) for genre in one.genres], dtype=np.int64)
        return dataclasses.replace(clips, targets=numbers[clips.targets])

    return LabelledMusic(
        name=" + ".join(one.name for one in music),
        labels=tuple(labels.values()),
        genres=genres,
        splits={
            split: sum((moved(one.splits[split], one) for one in music), _NONE) for split in SPLITS
        },
        features=first.features,
        split="; ".join(dict.fromkeys(f"{one.name}: {one.split}" for one in music)),
        left_out=tuple(reason for one in music for reason in one.left_out),
        too_small=tuple(reason for one in music for reason in one.too_small),
        unlisted=sum((moved(one.unlisted, one) for one in music), _NONE),
    )


def clips_as(music: LabelledMusic, split: str, genres: Sequence[str]) -> tuple[Clips, int]:
    """Clips of a list with their targets among other genres than the data set's own.

    Parameters
    ----------
    music : LabelledMusic
    split : str
    genres : sequence of str
        Such as a model's.

    Returns
    -------
    clips : Clips
        Those whose genre is among them.
    n_unknown : int
        How many others there are.
    """
    clips = music.splits[split]
    known = [i for i, target in enumerate(clips.targets) if music.genres[target] in genres]
    numbers = [list(genres).index(music.genres[clips.targets[i]]) for i in known]
    chosen = dataclasses.replace(clips[known], targets=np.array(numbers, dtype=np.int64))
    return chosen, len(clips) - len(known)
