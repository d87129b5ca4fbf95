"""Formats, one module each: where the genre is, how it is read and written.

To add one: a module with a subclass of `Format`, and its name in `FORMATS`.
"""

from __future__ import annotations

from typing import Any

from mutagen.aac import AAC
from mutagen.ac3 import AC3
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2File
from mutagen.asf import ASF
from mutagen.dsdiff import DSDIFF
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import ID3FileType
from mutagen.monkeysaudio import MonkeysAudio
from mutagen.mp3 import MP3
from mutagen.musepack import Musepack
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggtheora import OggTheora
from mutagen.oggvorbis import OggVorbis
from mutagen.optimfrog import OptimFROG
from mutagen.smf import SMF
from mutagen.tak import TAK
from mutagen.trueaudio import TrueAudio
from mutagen.wave import WAVE
from mutagen.wavpack import WavPack

from genrebeam.transforms.tags.formats.aiff import Aiff
from genrebeam.transforms.tags.formats.apev2 import Ape
from genrebeam.transforms.tags.formats.asf import Asf
from genrebeam.transforms.tags.formats.bare import Bare
from genrebeam.transforms.tags.formats.dsd import Dsdiff, Dsf
from genrebeam.transforms.tags.formats.format import Format
from genrebeam.transforms.tags.formats.id3 import Id3
from genrebeam.transforms.tags.formats.mp4 import Mp4, Song
from genrebeam.transforms.tags.formats.mpeg import Mpeg
from genrebeam.transforms.tags.formats.vorbis import Vorbis
from genrebeam.transforms.tags.formats.wave import Wave

# The first that knows a file counts: `Id3` knows all that have ID3 tags.
FORMATS = (Wave(), Aiff(), Dsf(), Dsdiff(), Mpeg(), Id3(), Vorbis(), Mp4(), Asf(), Ape())

# What mutagen opens, of itself; `Song` is in the place of its own MP4.
KINDS = (
    *(MP3, TrueAudio, OggTheora, OggSpeex, OggVorbis, OggFLAC, FLAC, AIFF, APEv2File, Song),
    *(ID3FileType, WavPack, Musepack, MonkeysAudio, OptimFROG, ASF, OggOpus, AAC, AC3),
    *(SMF, TAK, DSF, DSDIFF, WAVE),
)

__all__ = ["FORMATS", "KINDS", "Bare", "format_of"]


def format_of(file: Any) -> Format | None:
    """The format of a file that mutagen has opened; None where it has no place for a genre."""
    return next((format for format in FORMATS if isinstance(file, format.kinds)), None)
