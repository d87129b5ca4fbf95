"""The ears: pretrained networks, with a small model of genres on top.

YAMNet knows sounds, musicnn knows what listeners call music. What they say of a track, averaged
over its segments, is what genres are told by. Only that last step is trained: the music is heard
once, and training takes seconds.
"""

from __future__ import annotations

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.pretrained.ears import EARS
from genrebeam.model.recipes.recipe import Recipe

# Six seconds, twice what musicnn hears: YAMNet hears all of them in six patches, musicnn the
# middle, since it costs eight times as much.
_HOP, _HOPS = 256, 2 * 187
_YAMNET_STEP = 15360
# Segments heard of a track: they cost about as much as decoding the whole track would.
N_SEGMENTS = 3

EARS_FEATURES = FeatureSpec(
    kind="ears",
    sample_rate_hz=16000,
    hop_length=_HOP,
    frame_step=_HOPS,
    segment_frames=1,
    least_share=0.95,
    least_peak=0.5,
    ears=(
        EARS["yamnet"].hears(tuple(index * _YAMNET_STEP for index in range(6))),
        EARS["musicnn_msd"].hears((_HOPS // 4 * _HOP,)),
    ),
)

RECIPE = Recipe(name="ears", features=EARS_FEATURES.outputs, build=None, n_segments=N_SEGMENTS)
