"""One module per recipe: an architecture, its features and its training settings.

A recipe is a `Recipe`; `RECIPES` maps the names that ``genrebeam train --recipe`` takes to them.
"""

from __future__ import annotations

from model.recipes import (
    chowdhry_feature_net,
    genre_cnn,
    homburg_mfcc_cnn,
    lachmish_melspec_cnn,
    vink,
    wang_vote_cnn,
)
from model.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
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
DEFAULT_RECIPE = genre_cnn.RECIPE.name

__all__ = ["DEFAULT_RECIPE", "RECIPES", "Recipe"]
