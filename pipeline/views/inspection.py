"""Inspection: all that the model hears in one track and makes of it, gathered to be looked at.

A process of the pool decodes the track once and measures it, while this one loads the
network; a file that hangs or crashes its decoder takes neither down.

What pretrained ears are fed is nothing to look at (`model.pretrained`): people are drawn a
picture of their own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from model.bundle import Bundle
from model.feature_spec import FeatureSpec
from model.genres import join_columns
from transforms.records import AudioFacts, Decision, FileTags, printable

if TYPE_CHECKING:
    from transforms.audio.decode import AudioReader
    from transforms.genre.classify import Classifier, Judgement

# Most columns of what is drawn over time: more than a screen or a sheet of paper shows.
MOST_COLUMNS = 2000
_N_MFCC = 20
# Frames this much below the loudest one have no timbre to speak of.
_QUIET_DB = -60.0
# A track is decoded in pieces, so that what is damaged costs no more than one of them.
_PIECE_S = 10
# Segments of six seconds on each side that smooth what is shown over time.
_AROUND = 1
# Words that are kept of each ear, the likeliest.
_MOST_WORDS = 20
# What is drawn where ears hear.
DRAWN = FeatureSpec()
# So much of a track without a sample, and it has ended, whatever its header promises.
_MOST_EMPTY_S = 120
# Ten hours of sound take less than half of it on a busy machine.
_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Sound:
    """A track's sound: what the network is fed, and what people draw of it.

    Columns are spread evenly from the track's start to its end, at most `MOST_COLUMNS`.

    Parameters
    ----------
    segments : np.ndarray
        ``(n_segments, *features.shape)``, what the network is fed.
    audio : AudioFacts
        As decoded.
    wave : np.ndarray
        ``(2, n_columns) float32``: lowest and highest sample, in parts of full scale.
    mel_db : np.ndarray
        ``(n_mels, n_columns) float32``: mel spectrogram, in dB below its loudest value.
    band_hz : np.ndarray
        ``(n_mels,) float``: centre of each mel band, in Hz.
    mfcc : np.ndarray
        ``(20, n_columns) float32``: mel-frequency cepstral coefficients.
    chroma : np.ndarray
        ``(12, n_columns) float32`` in 0..1: strength of the pitch classes C to B.
    centroid_hz, rolloff_hz, zero_crossings_hz : np.ndarray
        ``(n_columns,) float``: the spectrum's centre, the frequency below which 85 % of it
        lies, and the changes of sign, all per second; NaN where it is all but silent.
    seconds : dict of str to float
        Time that the steps took, in s.
    """

    segments: np.ndarray
    audio: AudioFacts
    wave: np.ndarray
    mel_db: np.ndarray
    band_hz: np.ndarray
    mfcc: np.ndarray
    chroma: np.ndarray
    centroid_hz: np.ndarray
    rolloff_hz: np.ndarray
    zero_crossings_hz: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspection:
    """One track, as the model hears it.

    Parameters
    ----------
    path : str
    tags : FileTags
    tags_error : str or None
        Why the tags could not be read.
    header_s : float or None
        Duration by the file's header, in s.
    bundle : Bundle
    sound : Sound
    probabilities : np.ndarray
        ``(n_segments, n_names) float32``, calibrated; of ears each segment with its
        neighbours. Votes go by each segment alone, as tagging counts them.
    mean, majority : Decision
        What both rules make of all segments.
    seconds : dict of str to float
        Time that the steps took, in s; some ran at the same time.
    families : tuple of str
        What `probabilities` are of, where the model's genres have families.
    overall : np.ndarray or None
        ``(n_names,) float32``: of the whole track, where that is more than the mean.
    words : tuple of (str, str, float)
        Ear, word and mean score of the likeliest, see `model.head.words_of`.
    not_music : str or None
        What it is instead, where it is no music.
    """

    path: str
    tags: FileTags
    tags_error: str | None
    header_s: float | None
    bundle: Bundle
    sound: Sound
    probabilities: np.ndarray
    mean: Decision
    majority: Decision
    seconds: dict[str, float]
    families: tuple[str, ...] = ()
    overall: np.ndarray | None = None
    words: tuple[tuple[str, str, float], ...] = ()
    not_music: str | None = None

    @property
    def drawn(self) -> FeatureSpec:
        """How the sound is drawn."""
        return drawn_for(self.bundle.features)

    @property
    def names(self) -> tuple[str, ...]:
        """What `probabilities` are of: families, or genres that have none."""
        return self.families or self.bundle.genres

    @property
    def whole(self) -> np.ndarray:
        """Probabilities of the whole track: ``(n_names,) float32``."""
        return self.probabilities.mean(axis=0) if self.overall is None else self.overall

    @property
    def duration_s(self) -> float:
        """Of what could be decoded, in s."""
        return self.sound.audio.duration_s

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """Beginning and end of each segment, in s."""
        spec = self.bundle.features
        step = spec.segment_frames * spec.frame_seconds
        last = self.duration_s
        return [(i * step, min((i + 1) * step, last)) for i in range(len(self.probabilities))]

    @property
    def ranking(self) -> list[int]:
        """Places in `names`, the most probable of the whole track first."""
        return np.argsort(-self.whole, kind="stable").tolist()

    def figures(self) -> dict[str, Any]:
        """All numbers but the pictures, ready for JSON.

        Returns
        -------
        dict
            Times in s, probabilities from 0 to 1, genres by name.
        """
        names, tags, audio = self.names, self.tags, self.sound.audio
        return {
            "path": printable(self.path),
            "title": tags.title,
            "artist": tags.artist,
            "album": tags.album,
            "genres": list(tags.genres or tags.shadow),
            "tags_error": self.tags_error,
            "duration_s": round(self.duration_s, 3),
            "header_s": self.header_s and round(self.header_s, 3),
            "sample_rate_hz": audio.sample_rate_hz,
            "channels": audio.channels,
            "model": {"name": self.bundle.name, "version": self.bundle.version},
            "not_music": self.not_music,
            "vote": {"mean": _told(self.mean), "majority": _told(self.majority)},
            "probabilities": {g: round(p, 4) for g, p in self.mean.probabilities.items()},
            "votes": self.mean.votes,
            "family": _level(self.mean.family),
            "style": _level(self.mean.style),
            "words": [
                {"ear": ear, "word": word, "score": round(score, 4)}
                for ear, word, score in self.words
            ],
            "segments": [
                {
                    "start_s": round(start, 3),
                    "end_s": round(end, 3),
                    "probabilities": dict(zip(names, map(_rounded, row), strict=True)),
                }
                for (start, end), row in zip(self.spans_s, self.probabilities, strict=True)
            ],
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


def _rounded(probability: np.floating) -> float:
    return round(float(probability), 4)


def _level(found: tuple[str, float] | None) -> dict[str, Any] | None:
    return None if found is None else {"genre": found[0], "confidence": round(found[1], 4)}


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "genre": decision.genres[0] if decision.genres else None,
        "confidence": round(decision.confidence, 4),
        "reason": decision.reason,
    }


def inspect(path: str, bundle: Bundle) -> Inspection:
    """Hear all of a track, and keep what there is to see.

    Parameters
    ----------
    path : str
        A local file.
    bundle : Bundle

    Returns
    -------
    Inspection

    Raises
    ------
    TrackError
        `DecodeError`, `TooShort`, `Silence`, `DecoderTimeout` or `DecoderCrash`: why it
        cannot be heard.
    OSError
        If the file cannot be read.
    """
    from transforms.audio import pool
    from transforms.library.formats import format_of
    from transforms.records import Prediction, Track, reason_of
    from transforms.tags.header import read_header

    started = time.perf_counter()
    tags, header, tags_error = FileTags(), AudioFacts(), None
    try:
        tags, header = read_header(path)
    except OSError:
        raise
    except Exception as error:  # what sounds can be inspected, whatever its tags are
        tags_error = reason_of(error)
    format = format_of(path)
    future = pool.submit(
        listen,
        (path, format, bundle.features, header.duration_s),
        processes=1,
        timeout_s=_TIMEOUT_S,
    )
    try:
        from transforms.audio.hear import result_of
        from transforms.genre.classify import Classifier

        classifier = Classifier(bundle)
        classifier(np.zeros((1, *bundle.features.shape), np.float32))  # loads it meanwhile
        loaded = time.perf_counter()
        sound: Sound = result_of(future, path, _TIMEOUT_S)
    finally:
        pool.stop()
    heard = time.perf_counter()
    judged, smoothed, words = _judge(classifier, sound.segments)
    classified = time.perf_counter()

    from transforms.genre.vote import VotePolicy, decide

    track = Track(path, format, tags=tags, audio=sound.audio)
    prediction = Prediction(
        track,
        hear_seconds=heard - started,
        classify_seconds=classified - heard,
        **vars(judged),
    )
    policies = (
        VotePolicy(
            rule,
            min_confidence=bundle.min_confidence,
            level=bundle.level,
            style_confidence=bundle.style_confidence,
        )
        for rule in ("mean", "majority")
    )
    mean, majority = (
        decide(prediction, bundle.genres, policy, families=bundle.families) for policy in policies
    )
    families: Sequence[str] = ()
    probabilities, overall = smoothed, judged.overall
    if bundle.families:
        probabilities, families = join_columns(probabilities, bundle.families)
        if overall is not None:
            overall = join_columns(overall[None], bundle.families)[0][0]
    seconds = {
        **sound.seconds,
        "load_network": loaded - started,
        "wait_for_sound": heard - loaded,
        "classify": classified - heard,
    }
    return Inspection(
        path=path,
        tags=tags,
        tags_error=tags_error,
        header_s=header.duration_s,
        bundle=bundle,
        sound=sound,
        probabilities=probabilities,
        mean=mean,
        majority=majority,
        seconds=seconds,
        families=tuple(families),
        overall=overall,
        words=words,
        not_music=judged.not_music,
    )


def drawn_for(spec: FeatureSpec) -> FeatureSpec:
    """How sound is drawn that a network is fed by `spec`: the same way where that is a picture."""
    return DRAWN if spec.ears else spec


def _judge(
    classifier: Classifier, segments: np.ndarray
) -> tuple[Judgement, np.ndarray, tuple[tuple[str, str, float], ...]]:
    """What tagging makes of all segments, their probabilities over time, what ears said."""
    if not classifier.has_ears:
        (judged,) = classifier.of_tracks([segments])
        return judged, judged.probabilities, ()
    from model.head import over_time, words_of

    outputs, _ = classifier.classify(segments)
    smoothed = classifier.genres_of(over_time(outputs, _AROUND)[:, None])
    words = words_of(outputs, classifier.bundle.features, _MOST_WORDS)
    return classifier.judged(outputs), smoothed, tuple(words)


def listen(path: str, format: str, spec: FeatureSpec, header_s: float | None = None) -> Sound:
    """Decode a file, compute the network's features, and measure it.

    It is decoded once; for ears twice, as it is drawn and at their rate. All of it at the file's
    own rate would be too much for memory where it is hours long.

    Parameters
    ----------
    path, format : str
    spec : FeatureSpec
    header_s : float, optional
        Duration by the file's header, in s.

    Returns
    -------
    Sound

    Raises
    ------
    DecodeError, OSError
        If there is no audio that can be decoded.
    TooShort, Silence
        If there is nothing to judge.
    """
    from transforms.audio.decode import open_audio
    from transforms.audio.features import hear_audio

    started = time.perf_counter()
    drawn = drawn_for(spec)
    rate = drawn.sample_rate_hz
    with open_audio(path, format, header_s) as reader:
        samples = _decode(path, reader, rate)
        audio = AudioFacts(len(samples) / rate, reader.sample_rate_hz, reader.channels)
        decoded = time.perf_counter()
        again = _Filled(reader, audio.duration_s) if spec.ears else _Decoded(samples, rate)
        heard = hear_audio(path, again, spec)
    featured = time.perf_counter()
    measured = _measure(samples, drawn)
    seconds = {
        "decode": decoded - started,
        "features": featured - decoded,
        "descriptors": time.perf_counter() - featured,
    }
    return Sound(segments=heard.log_mel, audio=audio, seconds=seconds, **measured)


class _Decoded:
    """A track in memory, as an open file: what is decoded once can be heard again."""

    channels, exact = 1, True

    def __init__(self, samples: np.ndarray, sample_rate_hz: int) -> None:
        self.samples = samples
        self.sample_rate_hz = sample_rate_hz
        self.n_samples = len(samples)

    def read(self, start: int, count: int) -> np.ndarray:
        return self.samples[start : start + count]


class _Filled:
    """An open file, silent where it cannot be decoded, so that what follows does not move."""

    exact = True

    def __init__(self, reader: AudioReader, duration_s: float) -> None:
        self.reader = reader
        self.sample_rate_hz, self.channels = reader.sample_rate_hz, reader.channels
        self.n_samples = round(duration_s * reader.sample_rate_hz)

    def read(self, start: int, count: int) -> np.ndarray:
        count = max(0, min(count, self.n_samples - start))
        found = self.reader.read(start, count)
        return np.pad(found, (0, count - len(found)))


def _decode(path: str, reader: AudioReader, rate: int) -> np.ndarray:
    """All of a track at `rate`, silent where it cannot be decoded: ``(n,) float32``."""
    from transforms.audio.decode import DecodeError, read_stretch

    piece, n_promised = _PIECE_S * rate, round(reader.n_samples * rate / reader.sample_rate_hz)
    pieces, n_empty, end = [], 0, 0
    for start in range(0, n_promised, piece):
        samples, n_real = read_stretch(reader, start, min(piece, n_promised - start), rate)
        pieces.append(samples)
        n_empty = 0 if n_real else n_empty + 1
        end = start + n_real if n_real else end
        if n_empty * _PIECE_S >= _MOST_EMPTY_S:
            break
    if not end:
        raise DecodeError(path, f"nothing of its {n_promised / rate:.0f} s can be decoded")
    return np.concatenate(pieces)[:end]


def _measure(samples: np.ndarray, spec: FeatureSpec) -> dict[str, np.ndarray]:
    """The fields of `Sound` that people look at."""
    import librosa

    rate = spec.sample_rate_hz
    hop = max(spec.hop_length, -(-len(samples) // MOST_COLUMNS))
    magnitude = np.abs(librosa.stft(samples, n_fft=spec.n_fft, hop_length=hop))
    mel = librosa.feature.melspectrogram(
        S=magnitude**2, sr=rate, n_mels=spec.n_mels, fmax=spec.fmax_hz
    )
    mel_db = librosa.power_to_db(mel / mel.max(), ref=1.0, amin=1e-20, top_db=spec.top_db)
    quiet = mel_db.max(axis=0) < _QUIET_DB
    # Even, so that there are as many frames as of the transform.
    length = max(hop + hop % 2, spec.n_fft)
    crossings = librosa.feature.zero_crossing_rate(samples, frame_length=length, hop_length=hop)

    def audible(course: np.ndarray) -> np.ndarray:
        return np.where(quiet, np.nan, course[0])

    starts = np.arange(0, len(samples), hop)
    return {
        "wave": np.stack(
            [np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)]
        ),
        "mel_db": mel_db,
        "band_hz": librosa.mel_frequencies(spec.n_mels + 2, fmax=spec.fmax_hz or rate / 2)[1:-1],
        "mfcc": librosa.feature.mfcc(S=mel_db, n_mfcc=_N_MFCC),
        "chroma": librosa.feature.chroma_stft(S=magnitude**2, sr=rate),
        "centroid_hz": audible(librosa.feature.spectral_centroid(S=magnitude, sr=rate)),
        "rolloff_hz": audible(librosa.feature.spectral_rolloff(S=magnitude, sr=rate)),
        "zero_crossings_hz": audible(crossings * rate),
    }
