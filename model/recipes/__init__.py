"""One module per recipe: an architecture, its features and its training settings.

A recipe is a `Recipe`; `RECIPES` maps the names that ``genrebeam train --recipe`` takes to them.
"""

from __future__ import annotations

from model.recipes import genre_cnn
from model.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (genre_cnn.RECIPE,)}
DEFAULT_RECIPE = genre_cnn.RECIPE.name

__all__ = ["DEFAULT_RECIPE", "RECIPES", "Recipe"]
