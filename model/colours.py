"""Colours that tell genres apart, on white and on black, to all eyes."""

# Okabe and Ito's (https://jfly.uni-koeln.de/color/), yellow darkened and black lightened so
# that they show on both, and two more.
GREY = "#808080"
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#a39a00",
    "#8457c9",
    GREY,
    "#9c5b3c",
)


def colour_of(genre: int) -> str:
    """Colour of a class by its number, as ``#rrggbb``."""
    return COLOURS[genre % len(COLOURS)]
