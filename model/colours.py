"""Colours that tell genres apart, on white and on black: one for each family, on every page."""

from __future__ import annotations

from collections.abc import Sequence

from genrebeam.model.vocabulary import family_of, meant_by

GREY = "#808080"
# Okabe and Ito's (https://jfly.uni-koeln.de/color/) for families that most libraries have, yellow
# darkened so that it shows on white; then others as far from these as there are.
FAMILY_COLOURS = {
    "Rock": "#0072b2",
    "Jazz": "#d55e00",
    "Pop": "#009e73",
    "Electronic": "#cc79a7",
    "Hip-Hop": "#e69f00",
    "Classical": "#56b4e9",
    "Country": "#a39a00",
    "Blues": "#8457c9",
    "Folk": "#9c5b3c",
    "R&B": "#d1345b",
    "Reggae": "#4d7c0f",
    "World": "#00868b",
    "Latin": "#ef6f6c",
    "Soundtrack": "#4a5fd0",
    "Gospel": "#bc0090",
    "New Age": "#7b9ae0",
    "Children's Music": "#d364e9",
}
COLOURS = tuple(FAMILY_COLOURS.values())


def colour_of(genre: str) -> str:
    """Colour of a genre's family as ``#rrggbb``; grey where the family is not known.

    Examples
    --------
    >>> colour_of("Punk Rock") == colour_of("Rock")
    True
    """
    return FAMILY_COLOURS.get(family_of(genre) or "", GREY)


def colours_of(names: Sequence[str]) -> list[str]:
    """Colours of names that are shown beside each other.

    A family has its own colour. Other names have a colour that none of them has, their family's
    rather than another; where all are taken, that of their family.

    Returns
    -------
    list of str
        One for each name, as ``#rrggbb``.

    Examples
    --------
    >>> rock, metal = colours_of(["rock", "metal"])
    >>> rock == FAMILY_COLOURS["Rock"], metal == rock
    (True, False)
    """
    found = {name: colour_of(name) for name in names if _is_family(name)}
    spare = [colour for colour in COLOURS if colour not in found.values()]
    for name in names:
        if name in found:
            continue
        colour = colour_of(name)
        if spare and colour not in spare:
            colour = spare[0]
        if colour in spare:
            spare.remove(colour)
        found[name] = colour
    return [found[name] for name in names]


def _is_family(name: str) -> bool:
    return name in FAMILY_COLOURS or meant_by(name) in {(family,) for family in FAMILY_COLOURS}
