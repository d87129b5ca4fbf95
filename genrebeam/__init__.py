"""GenreBeam: a Beam pipeline that writes genres into the tags of a music library.

The three packages below are folders at the top of the repository: here are links to them, and an
installation has them in the links' place.
"""

__version__ = "0.2.0"
