"""Inspection: one track, all its segments, and what the model makes of them, to be looked at.

A process of the pool decodes the track once and measures it, while this one loads the
network; a file that hangs or crashes its decoder takes neither down.

What a backbone is fed is nothing to look at (`model.backbones`): people are drawn a picture of
their own.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.genres import join_columns
from genrebeam.pipeline.views.inspection.sound import Sound, analyse_sound, drawn_for
from genrebeam.transforms.records import (
    VOTE_RULES,
    AudioFacts,
    Decision,
    Features,
    FileTags,
    Outcome,
    Prediction,
    Track,
    printable,
)

if TYPE_CHECKING:
    from genrebeam.transforms.genre.classify import Classifier, ModelOutput

# Ten hours of sound take less than half of it on a busy machine.
_TIMEOUT_S = 900.0
# One decodes all of the track, the other what tagging takes of it.
_PROCESSES = 2


@dataclass(frozen=True)
class Inspection:
    """One track, and what the model makes of it.

    Parameters
    ----------
    tags_error : str or None
        Why the tags could not be read.
    header_s : float or None
        Duration by the file's header, in s.
    probabilities : np.ndarray
        ``(n_segments, n_names) float32``, calibrated; of a backbone each segment with
        its neighbours. Votes go by each segment alone, as tagging counts them.
    mean, majority : Decision
        What both rules make of all segments.
    outcome : Outcome
        What ``genrebeam tag`` without options would do, from the segments that it takes.
    seconds : dict of str to float
        Time that the steps took, in s; some ran at the same time.
    families : tuple of str
        What `probabilities` are of, where the model's genres have families.
    overall : np.ndarray or None
        ``(n_names,) float32``: of the whole track, where that is more than the mean.
    sounds : tuple of (str, float)
        The likeliest of the backbone's own classes, with their scores.
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
    outcome: Outcome
    seconds: dict[str, float]
    families: tuple[str, ...] = ()
    overall: np.ndarray | None = None
    sounds: tuple[tuple[str, float], ...] = ()
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
        return self.sound.duration_s

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """Beginning and end of each segment, in s."""
        spec, n = self.bundle.features, len(self.probabilities)
        length, last = spec.segment_frames * spec.frame_seconds, self.duration_s
        # Windows may overlap a little.
        step = (last - length) / (n - 1) if spec.backbone and n > 1 else length
        return [(i * step, min(i * step + length, last)) for i in range(n)]

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
        names, tags, sound = self.names, self.tags, self.sound
        return {
            "path": printable(self.path),
            "title": tags.title,
            "artist": tags.artist,
            "album": tags.album,
            "genres": list(tags.genres or tags.shadow),
            "tags_error": self.tags_error,
            "duration_s": round(self.duration_s, 3),
            "header_s": self.header_s and round(self.header_s, 3),
            "sample_rate_hz": sound.sample_rate_hz,
            "channels": sound.channels,
            "model": {"name": self.bundle.name, "version": self.bundle.version},
            "not_music": self.not_music,
            "tag": {
                "status": self.outcome.status,
                "genres": list(self.outcome.genres_after),
                "reason": self.outcome.reason,
                "decided": self.outcome.decision and _reported(self.outcome.decision),
            },
            "vote": {"mean": _reported(self.mean), "majority": _reported(self.majority)},
            "probabilities": {g: round(p, 4) for g, p in self.mean.probabilities.items()},
            "votes": self.mean.votes,
            "family": _level(self.mean.family),
            "style": _level(self.mean.style),
            "sounds": [{"label": label, "score": round(score, 4)} for label, score in self.sounds],
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


def _reported(decision: Decision) -> dict[str, Any]:
    return {
        "genre": decision.genres[0] if decision.genres else None,
        "confidence": round(decision.confidence, 4),
        "reason": decision.reason,
    }


def inspect(path: str, bundle: Bundle) -> Inspection:
    """Classify all of a track, and keep what there is to see.

    Parameters
    ----------
    path : str
        A local file.

    Raises
    ------
    TrackError
        `DecodeError`, `TooShort`, `Silence`, `DecoderTimeout` or `DecoderCrash`: why it
        cannot be analysed.
    OSError
        If the file cannot be read.
    """
    from genrebeam.pipeline.inference.session import TrackClassifier
    from genrebeam.transforms.audio.extract import extract_non_silent, features_of, result_of
    from genrebeam.transforms.formats import format_of
    from genrebeam.transforms.tags.header import read_header_if_any

    started = time.perf_counter()
    tags, header, tags_error = read_header_if_any(path)
    file = (path, format_of(path), bundle.features)
    facts = os.stat(path)  # as the walk does: a rehearsal refuses a file that has changed
    listed = Track(path, format_of(path), facts.st_size, facts.st_mtime_ns, tags, header)
    with TrackClassifier(bundle, processes=_PROCESSES) as session:
        future = session.submit(analyse_sound, *file, header.duration_s, timeout_s=_TIMEOUT_S)
        # As tagging does it: `analyse_sound` takes all segments, one after the other.
        arguments = (*file, bundle.n_segments, header.duration_s)
        few = session.submit(extract_non_silent, *arguments, timeout_s=_TIMEOUT_S)
        session.load()  # meanwhile
        classifier, loaded = session.network, time.perf_counter()
        sound: Sound = result_of(future, path, _TIMEOUT_S)
        taken = features_of(listed, few, _TIMEOUT_S)
    analysed = time.perf_counter()
    details = classifier.details(sound.segments)
    judged, probabilities = details.judgement, details.over_time
    seconds = {
        **sound.seconds,
        "load_network": loaded - started,
        "wait_for_sound": analysed - loaded,
        "classify": time.perf_counter() - analysed,
    }
    audio = AudioFacts(sound.duration_s, sound.sample_rate_hz, sound.channels)
    track = Track(path, format_of(path), tags=tags, audio=audio)
    times = (analysed - started, seconds["classify"])
    mean, majority = (_decided(track, bundle, judged, times, rule) for rule in ("mean", "majority"))
    outcome = _outcome(taken, classifier, times)
    families: Sequence[str] = ()
    overall = judged.overall
    if bundle.families:
        probabilities, families = join_columns(probabilities, bundle.families)
        if overall is not None:
            overall = join_columns(overall[None], bundle.families)[0][0]
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
        outcome=outcome,
        seconds=seconds,
        families=tuple(families),
        overall=overall,
        sounds=details.sounds,
        not_music=judged.not_music,
    )


def _decided(
    track: Track, bundle: Bundle, judged: ModelOutput, times: tuple[float, float], rule: str
) -> Decision:
    from genrebeam.transforms.genre.vote import VotePolicy, decider

    prediction = Prediction(
        track, extract_seconds=times[0], classify_seconds=times[1], **vars(judged)
    )
    return decider(bundle, VotePolicy.of(bundle, rule=rule))(prediction)


def _outcome(
    taken: Features | Outcome, classifier: Classifier, times: tuple[float, float]
) -> Outcome:
    """What ``genrebeam tag`` without options would make of the segments that it takes."""
    from genrebeam.transforms.tags.tag import TagPolicy, kept, tag

    if isinstance(taken, Outcome):
        return taken
    (judged,) = classifier.of_tracks([taken.values])
    decision = _decided(taken.track, classifier.bundle, judged, times, VOTE_RULES[0])
    policy = TagPolicy(dry_run=True)
    if policy.existing == "keep" and policy.existing_genres(taken.track):
        return dataclasses.replace(kept(taken.track), decision=decision)
    return tag(decision, policy, lambda entry: None)  # a dry run changes nothing
