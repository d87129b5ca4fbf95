"""One module per recipe: an architecture, its features and its training settings.

A recipe is a `Recipe`; `RECIPES` maps the names that ``genrebeam train --recipe`` takes to them.
"""

from __future__ import annotations

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.recipes import (
    backbone,
    chowdhry_feature_net,
    genre_cnn,
    homburg_mfcc_cnn,
    lachmish_melspec_cnn,
    vink,
    wang_vote_cnn,
)
from genrebeam.model.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        backbone.RECIPE,
        genre_cnn.RECIPE,
        homburg_mfcc_cnn.RECIPE,
        lachmish_melspec_cnn.RECIPE,
        lachmish_melspec_cnn.MFCC_RECIPE,
        vink.MLP_RECIPE,
        vink.CNN_RECIPE,
        wang_vote_cnn.RECIPE,
        chowdhry_feature_net.RECIPE,
    )
}


def default_recipe(frames: FeatureSpec | None) -> Recipe:
    """What is trained where nothing else is asked for.

    Parameters
    ----------
    frames : FeatureSpec or None
        What the data is made of; None for audio, which a backbone can take.
    """
    is_audio = frames is None or frames.backbone
    return backbone.RECIPE if is_audio else genre_cnn.RECIPE


__all__ = ["RECIPES", "Recipe", "default_recipe"]
