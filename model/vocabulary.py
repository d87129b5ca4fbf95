"""The genres that people use: how they are spelled, their families, what AudioSet calls them.

Spelled as ID3v1's list and MusicBrainz spell them. Two levels: a genre is a *style* of a *family*.
The family's own name is a style too, for music of no narrower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genrebeam.model.genres import key_of


@dataclass(frozen=True)
class Genre:
    """A genre and what AudioSet calls it.

    Parameters
    ----------
    share : float
        Its rough share of a usual library, in percent.
    sounds : tuple of str
        AudioSet's classes for it.
    """

    name: str
    family: str
    share: float
    sounds: tuple[str, ...]


_ROCK, _R_AND_B, _ELECTRONIC, _WORLD = "Rock", "R&B", "Electronic", "World"

GENRES = (
    Genre("Rock", _ROCK, 8, ("Rock music", "Rock and roll")),
    Genre("Alternative", _ROCK, 4, ("Grunge", "Rock music")),
    Genre("Indie", _ROCK, 4, ("Independent music",)),
    Genre("Punk", _ROCK, 2.5, ("Punk rock",)),
    Genre("Metal", _ROCK, 4, ("Heavy metal",)),
    Genre("Hard Rock", _ROCK, 2, ("Rock music", "Heavy metal")),
    Genre("Progressive Rock", _ROCK, 1.5, ("Progressive rock", "Psychedelic rock")),
    Genre("Pop", "Pop", 16, ("Pop music",)),
    Genre("R&B", _R_AND_B, 3, ("Rhythm and blues",)),
    Genre("Soul", _R_AND_B, 2.5, ("Soul music",)),
    Genre("Funk", _R_AND_B, 2, ("Funk",)),
    Genre("Disco", _R_AND_B, 1.5, ("Disco",)),
    Genre("Gospel", "Gospel", 0.7, ("Gospel music", "Christian music")),
    Genre("Hip-Hop", "Hip-Hop", 8, ("Hip hop music", "Rapping")),
    Genre("Reggae", "Reggae", 3, ("Reggae",)),
    Genre("Ska", "Reggae", 0.5, ("Ska",)),
    Genre("Blues", "Blues", 6, ("Blues",)),
    Genre("Country", "Country", 5.5, ("Country",)),
    Genre("Bluegrass", "Country", 0.7, ("Bluegrass", "Banjo")),
    Genre("Folk", "Folk", 4, ("Folk music",)),
    Genre("Jazz", "Jazz", 6, ("Jazz",)),
    Genre("Swing", "Jazz", 0.7, ("Swing music",)),
    Genre("Classical", "Classical", 6, ("Classical music",)),
    Genre("Opera", "Classical", 0.8, ("Opera",)),
    Genre(
        "Electronic", _ELECTRONIC, 6, ("Electronic music", "Electronica", "Electronic dance music")
    ),
    Genre("House", _ELECTRONIC, 2.5, ("House music",)),
    Genre("Techno", _ELECTRONIC, 2, ("Techno",)),
    Genre("Trance", _ELECTRONIC, 1.5, ("Trance music",)),
    Genre("Drum & Bass", _ELECTRONIC, 1, ("Drum and bass",)),
    Genre("Dubstep", _ELECTRONIC, 0.7, ("Dubstep",)),
    Genre("Ambient", _ELECTRONIC, 2, ("Ambient music",)),
    Genre("New Age", "New Age", 0.8, ("New-age music",)),
    Genre("Latin", "Latin", 1.5, ("Music of Latin America",)),
    Genre("Salsa", "Latin", 0.4, ("Salsa music",)),
    Genre("Flamenco", "Latin", 0.3, ("Flamenco",)),
    Genre("African", _WORLD, 0.6, ("Music of Africa", "Afrobeat")),
    Genre("Indian", _WORLD, 0.6, ("Carnatic music", "Music of Bollywood")),
    Genre("Middle Eastern", _WORLD, 0.5, ("Middle Eastern music",)),
    Genre("Soundtrack", "Soundtrack", 1, ("Soundtrack music", "Theme music")),
    Genre("Children's Music", "Children's Music", 0.5, ("Music for children",)),
)
FAMILIES = {genre.name: genre.family for genre in GENRES}

# What else these genres are called, in tags and by data sets. A name with several genres means any
# of them.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "Alt. Rock": ("Alternative",),
    "Alternative Rock": ("Alternative",),
    "AlternRock": ("Alternative",),
    "Grunge": ("Alternative",),
    "Indie Rock": ("Indie",),
    "Indie Pop": ("Indie",),
    "Punk Rock": ("Punk",),
    "Heavy Metal": ("Metal",),
    "Death Metal": ("Metal",),
    "Black Metal": ("Metal",),
    "Thrash Metal": ("Metal",),
    "Classic Rock": ("Rock",),
    "Rock & Roll": ("Rock",),
    "Electro Rock": ("Electronic", "Rock"),
    "Psychedelic Rock": ("Progressive Rock",),
    "Progressive": ("Progressive Rock",),
    "Rap": ("Hip-Hop",),
    "Rap & Hip-Hop": ("Hip-Hop",),
    "Hip Hop/Rap": ("Hip-Hop",),
    "Rhythm & Blues": ("R&B",),
    "Funk, Soul & R&B": ("R&B", "Soul", "Funk", "Disco"),
    "Soul-RnB": ("R&B", "Soul"),
    "Folk & Country": ("Folk", "Country", "Bluegrass"),
    "Singer/Songwriter": ("Folk",),
    "Acoustic": ("Folk",),
    "Electronica": ("Electronic",),
    "Electro": ("Electronic",),
    "Dance": ("Electronic", "House", "Techno", "Trance"),
    "Downtempo": ("Electronic", "Ambient"),
    "Chillout": ("Electronic", "Ambient"),
    "Jungle": ("Drum & Bass",),
    "Big Band": ("Swing",),
    "Baroque": ("Classical",),
    "Symphony": ("Classical",),
    "Chamber Music": ("Classical",),
    "Choral": ("Classical", "Opera"),
    "Afrobeat": ("African",),
    "World": ("African", "Indian", "Middle Eastern", "Latin", "Salsa", "Flamenco"),
    "International": ("African", "Indian", "Middle Eastern", "Latin", "Salsa", "Flamenco"),
    "Bollywood": ("Indian",),
    "Dub": ("Reggae",),
    "Christian": ("Gospel",),
    "Religious": ("Gospel",),
    "Original Score": ("Soundtrack",),
    "Film Music": ("Soundtrack",),
    "Game": ("Soundtrack",),
    "Children": ("Children's Music",),
}
_SYNONYMS = {key_of(name): genres for name, genres in SYNONYMS.items()}
_BY_KEY = {key_of(genre.name): genre.name for genre in GENRES}


def meant_by(name: str) -> tuple[str, ...]:
    """The genres of `GENRES` that a name means.

    Returns
    -------
    tuple of str
        Empty for a name that is not known.

    Examples
    --------
    >>> meant_by("alt. rock"), meant_by("hip hop"), meant_by("Polka")
    (('Alternative',), ('Hip-Hop',), ())
    """
    key = key_of(name)
    if key in _BY_KEY:
        return (_BY_KEY[key],)
    return _SYNONYMS.get(key, ())


def family_of(name: str) -> str | None:
    """The family of a genre by any of its names; None where it is not known or has several.

    Examples
    --------
    >>> family_of("Punk Rock"), family_of("Bollywood"), family_of("Electro Rock")
    ('Rock', 'World', None)
    """
    if name in FAMILIES.values():
        return name
    families = {FAMILIES[genre] for genre in meant_by(name)}
    return families.pop() if len(families) == 1 else None


def columns_of(names: Sequence[str], genres: Sequence[str], families: Sequence[str]) -> list[int]:
    """Which of a data set's genres each of a model's genres counts as.

    Parameters
    ----------
    names : sequence of str
        The data set's genres.
    genres : sequence of str
        The model's.
    families : sequence of str
        Of the model's genres; empty where they have none.

    Returns
    -------
    list of int
        For each of the model's genres a place in `names`; -1 where no name means the genre. The
        same name comes first, then a synonym, then the family: where a data set has Metal and Rock,
        Punk is Rock and Metal is not.
    """
    keys = [key_of(name) for name in names]
    meanings = [meant_by(name) for name in names]
    found = []
    for number, genre in enumerate(genres):
        family = families[number] if families else FAMILIES.get(genre, "")
        places = [place for place, key in enumerate(keys) if key == key_of(genre)]
        places += [place for place, meaning in enumerate(meanings) if genre in meaning]
        places += [place for place, key in enumerate(keys) if key == key_of(family)]
        # A name that means the family; then a name that the genre is a synonym of.
        places += [place for place, meaning in enumerate(meanings) if family in meaning]
        places += [place for place, name in enumerate(names) if name in meant_by(genre)]
        found.append(places[0] if places else -1)
    return found
