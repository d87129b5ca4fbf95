"""The backbone: a pretrained network, with a small model of genres on top.

mn04 knows sounds, many kinds of music among them. Genres follow from what it puts out, averaged
over the track. Only that last step is trained: the music is decoded once, and training takes
seconds.
"""

from __future__ import annotations

import dataclasses

from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.recipes.recipe import Recipe

# Windows spread over the track: more places are worth more than longer windows. The backbone
# takes about a tenth of the time that decoding the whole track takes.
WINDOW_SECONDS, N_WINDOWS = 6.5, 5

BACKBONE_FEATURES = dataclasses.replace(
    BACKBONES["mn04"].given(WINDOW_SECONDS), least_share=0.3, least_peak=0.5
)

RECIPE = Recipe(
    name="backbone", features=BACKBONE_FEATURES.outputs, build=None, n_segments=N_WINDOWS
)
