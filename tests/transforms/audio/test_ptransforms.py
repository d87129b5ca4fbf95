"""Analysis as a step: how much of the room in flight a track takes."""

import pytest

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.transforms.audio.ptransforms import ExtractInPool
from genrebeam.transforms.in_flight import never
from genrebeam.transforms.records import AudioFacts, Track


@pytest.mark.parametrize(
    ("n_segments", "duration_s", "weight"),
    [
        (None, None, 1),
        (None, 240, 1),
        (None, 7200, 12),
        (None, float("inf"), 16),  # all the room there is
        (3, 7200, 1),
    ],
)
def test_a_long_mix_that_is_analysed_whole_takes_the_room_of_many(n_segments, duration_s, weight):
    step = ExtractInPool(FeatureSpec(), n_segments, 2, never)
    assert step.weight(Track("/a.mp3", "mp3", audio=AudioFacts(duration_s))) == weight
