"""Inspections made up for tests: of a tone, with and without families."""

import dataclasses

import numpy as np

from genrebeam.model.bundle import Bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES
from genrebeam.pipeline.views.inspection.inspection import Inspection
from genrebeam.pipeline.views.inspection.sound import (
    Sound,
    _measure,
    drawn_for,
)
from genrebeam.transforms.genre.vote import VotePolicy, decide
from genrebeam.transforms.records import (
    FileTags,
    Outcome,
    Prediction,
    Stage,
    Status,
    Track,
)
from genrebeam.transforms.tags.tag import TagPolicy, tag
from tests.conftest import GENRES, tone

SPEC = FeatureSpec(frame_step=3.3366, frame_offset=1.7, segment_frames=64)
RATE = SPEC.sample_rate_hz
NO_TAGS = FileTags()
EVIL = "</script><script>alert(1)</script> \x1b[31m[red] {{ 7 * 7 }} $x_y$ \udce9 \u202e&amp;"
WORLD = ("Rock", "Punk", "Metal", "Jazz", "Swing", "Pop")
FAMILIES = ("Rock", "Rock", "Rock", "Jazz", "Jazz", "Pop")
SOUNDS = (("Music", 0.9), ("Banjo", 0.3), ("Rock music", 0.5))


def inspection_of(
    genres: tuple[str, ...] = GENRES,
    tags: FileTags = NO_TAGS,
    path: str = "song.mp3",
    spec: FeatureSpec = SPEC,
) -> Inspection:
    """Thirty seconds of a tone whose genre changes from segment to segment."""
    samples = tone(30)[:, 0].astype(np.float32)
    segments = np.full((6, *spec.shape), 0.5, np.float16)
    measured = _measure(samples, drawn_for(spec))
    sound = Sound(segments, duration_s=30.0, sample_rate_hz=RATE, channels=1, **measured)
    bundle = Bundle("", "tiny", "v1", genres, genres, spec)
    rows = np.random.default_rng(0).dirichlet(np.ones(len(genres)), 6).astype(np.float32)
    prediction = Prediction(Track(path, "mp3"), rows, 0, 0)
    mean, majority = (decide(prediction, genres, VotePolicy(r)) for r in ("mean", "majority"))
    outcome = tag(mean, TagPolicy(dry_run=True), print)
    return Inspection(path, tags, None, 30.0, bundle, sound, rows, mean, majority, outcome, {})


def in_families(not_music: str | None = None) -> Inspection:
    """A track of five segments that is Punk, or no music."""
    genres = np.tile(np.float32([0.2, 0.6, 0.1, 0.05, 0.03, 0.02]), (5, 1))
    genres[4] = [0.1, 0, 0, 0.3, 0.6, 0]
    overall = np.float32([0.2, 0.55, 0.2, 0.03, 0.01, 0.01])
    prediction = Prediction(Track("a.mp3", "mp3"), genres, 0, 0, None, None, overall, not_music)
    plain = inspection_of(WORLD, spec=BACKBONE_FEATURES)
    mean, majority = (
        decide(prediction, WORLD, VotePolicy(rule), families=FAMILIES)
        for rule in ("mean", "majority")
    )
    members = np.array([[own == name for name in ("Rock", "Jazz", "Pop")] for own in FAMILIES])
    return dataclasses.replace(
        plain,
        bundle=dataclasses.replace(plain.bundle, families=FAMILIES),
        families=("Rock", "Jazz", "Pop"),
        probabilities=genres @ members,
        overall=overall @ members,
        mean=mean,
        majority=majority,
        outcome=Outcome(
            mean.track,
            Status.WOULD_TAG if mean.genres else Status.REFUSED,
            Stage.TAG if mean.genres else Stage.VOTE,
            mean.reason,
            genres_after=mean.genres,
            decision=mean,
        ),
        sounds=SOUNDS,
        not_music=not_music,
    )
