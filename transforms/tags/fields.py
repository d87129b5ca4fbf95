"""Fields: where each format keeps its genre, and how it is read and written.

One table, `_FAMILIES`, maps the genre, our own opt-in fields and what the report shows to each
format's keys. mutagen reads and writes; the frames of ID3 are our own work, see ``id3.py``.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import mutagen
from mutagen._riff import RiffFile
from mutagen._util import resize_bytes
from mutagen.aiff import AIFF, AIFFFile
from mutagen.apev2 import APETextValue, APEv2, APEv2File
from mutagen.asf import ASF
from mutagen.dsdiff import DSDIFF, DSDIFFFile
from mutagen.dsf import DSF, DSFFile
from mutagen.flac import FLAC, Picture, VCFLACDict
from mutagen.flac import Padding as FLACPadding
from mutagen.id3 import COMM, ID3, BitPaddedInt, Frames, ID3FileType, ID3Tags, ParseID3v1
from mutagen.id3._id3v1 import find_id3v1
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4FreeForm
from mutagen.mp4._atom import Atoms
from mutagen.ogg import OggFileType, OggPage
from mutagen.trueaudio import TrueAudio
from mutagen.wave import WAVE
from mutagen.wavpack import WavPack

from transforms.records import AudioFacts, FileTags, Refusal, TrackError
from transforms.tags import ape, id3
from transforms.tags.untaggable import why_untaggable

# Opt-in provenance.
CONFIDENCE, MODEL = "GENREBEAM_CONFIDENCE", "GENREBEAM_MODEL"

# What mutagen raises, beside its own errors, on files that are damaged in an unusual way.
_DAMAGE = (
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
)


class TagReadError(TrackError):
    """A file whose tags cannot be read."""


class TagWriteError(TrackError):
    """A file whose genre cannot be written; it is as it was before."""


class NoTagField(Refusal):
    """A container that has no place for a genre."""


@dataclass(frozen=True)
class TagForm:
    """How ID3 tags are written where there is a choice.

    Parameters
    ----------
    id3_version : {"keep", "2.3", "2.4"}
        A file without a tag gets 2.3, or the version named.
    separator : str
        Between several genres before ID3v2.4, which has its own: the null character,
        as most programs do it, or a text.
    """

    id3_version: str = "keep"
    separator: str = "\0"


@dataclass(frozen=True)
class _Family:
    """How a family of formats holds its tags.

    Parameters
    ----------
    kinds : tuple of type
        mutagen's classes.
    text : tuple of str
        Keys of title, artist, album.
    read : callable
        ``read(tags, form)`` gives the genres as the format's own rules read them.
    custom : callable
        ``custom(tags, name)`` gives the text of one of our own fields, or None.
    write : callable
        ``write(file, genres, custom, form)`` changes these fields of an open file, and saves it.
    others : callable
        ``others(file)`` gives everything in its tags but these fields, to be compared.
    check : callable
        ``check(file)`` raises ValueError where writing would do harm.
    """

    kinds: tuple[type, ...]
    text: tuple[str, str, str]
    read: Callable[[Any, TagForm], list[str]]
    custom: Callable[[Any, str], str | None]
    write: Callable[[Any, Sequence[str], Mapping[str, str], TagForm], None]
    others: Callable[[Any], Any]
    check: Callable[[Any], None] = lambda file: None


# --- ID3: TCON, TXXX --------------------------------------------------------------------


# Of a new tag: what all players read, also those that know no ID3v2.4 (docs/players.md).
_NEW_VERSION = 3


def _read_id3(tags: ID3Tags, form: TagForm) -> list[str]:
    # `genres` resolves numbers, "(17)", "RX" and "CR".
    genres = [genre for frame in tags.getall("TCON") for genre in frame.genres]
    if form.separator != "\0" and tags.version[:2] != (2, 4):
        genres = [part for genre in genres for part in genre.split(form.separator)]
    return genres


def _custom_id3(tags: ID3Tags, name: str) -> str | None:
    frames = tags.getall(f"TXXX:{name}")
    return str(frames[0]) if frames else None


def _write_id3(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    path, kind = file.filename, type(file)
    trailer = _id3v1(path) if isinstance(file, ID3FileType) else b""
    found = file.tags.version[1] if file.tags is not None and file.tags.version[0] == 2 else None
    wanted = None if form.id3_version == "keep" else int(form.id3_version[-1])
    version = wanted or found or _NEW_VERSION
    converted = found is not None and version != found
    if converted and not _converts(kind(path, translate=False).tags, path):
        raise ValueError(f"has frames that ID3v2.{version} would lose")
    # Opened anew, because mutagen brings every frame into its ID3v2.4 form otherwise. Fields
    # that ID3v1 alone has are taken over into a new ID3v2 tag only, in its version's frames.
    file = kind(
        path,
        translate=converted or (found is None and version == 3),
        v2_version=max(3, version),
        load_v1=found is None,
    )
    if file.tags is None:
        file.add_tags()
    tags = file.tags
    if found is None:
        _take_over(file, path)
        if version == 3:
            tags.update_to_v23()
    texts = [id3.Text("genre", tuple(genres))]
    texts += [id3.Text("custom", (value,), name) for name, value in custom.items()]
    prepare = tags._prepare_data

    def exchanged(fileobj: Any, start: int, available: int, *choices: Any) -> bytes:
        fileobj.seek(start)
        tag = fileobj.read(available)
        if converted or not tag.startswith(b"ID3"):
            tag = prepare(fileobj, start, available, *choices)
            available = len(tag)
        return id3.exchange(tag, texts, separator=form.separator, room=available)

    # mutagen makes room in the container and writes what this gives.
    tags._prepare_data = exchanged
    if not trailer:
        file.save(v2_version=max(3, version), v23_sep=None)
        return
    # mutagen would write all of ID3v1 anew from ID3v2; only its genre may change.
    file.save(v2_version=max(3, version), v23_sep=None, v1=0)
    with open(path, "ab") as stream:
        stream.write(id3.restore_v1(trailer, genres))


def _take_over(file: Any, path: str) -> None:
    """Give a new ID3 tag what an APEv2 tag says: players that find ID3 ask no other.

    Not the genre, which is what is written, and nothing that another program measures
    (ReplayGain): it would stay as it is where that program changes its own.
    """
    for key, values in _ape_texts(path, file).items():
        if key == "comment":
            file.tags.add(COMM(encoding=3, lang="eng", desc="", text=values))
        elif key == "year":
            # A date that ID3v2.3 has no place for would be cut there.
            if re.match("[0-9]{4}", values[0]):
                file.tags.delall("TYER")  # what ID3v1 said
                file.tags.add(Frames["TDRC"](encoding=3, text=values[0][:4]))
        elif key in _APE_TO_ID3:
            file.tags.add(Frames[_APE_TO_ID3[key]](encoding=3, text=values))


_APE_TO_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "album artist": "TPE2",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "track": "TRCK",
    "disc": "TPOS",
}


def _ape_texts(path: str, file: Any) -> dict[str, list[str]]:
    """Texts of the APEv2 tag of an mp3 or tta: case-folded key to values that say anything."""
    if not isinstance(file, MP3 | TrueAudio):
        return {}
    try:
        items = APEv2(path).items()
    except (mutagen.MutagenError, *_DAMAGE):
        return {}
    texts = {
        key.casefold(): [text.strip() for text in value if text.strip()]
        for key, value in items
        if isinstance(value, APETextValue)
    }
    return {key: values for key, values in texts.items() if values}


def _converts(tags: ID3Tags, path: str) -> bool:
    """Whether mutagen understands every frame, so that another version can have them all."""
    with open(path, "rb") as stream:
        tag = stream.read(tags.size)
    if not tag.startswith(b"ID3"):  # in a chunk
        return not tags.unknown_frames
    plain = not any(frame.FrameID in ("ENCR", "GRID") for frame in tags.values())
    return plain and not tags.unknown_frames and id3.count_frames(tag) == len(tags)


def _id3v1(path: str) -> bytes:
    """The last 128 bytes if they are an ID3v1 tag, else nothing.

    Raises
    ------
    ValueError
        If mutagen would take something else at the end for one, and write over it.
    """
    with open(path, "rb") as stream:
        _, offset = find_id3v1(stream)
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 128))
        trailer = stream.read()
    if offset not in (-128, 0):
        raise ValueError("has an ID3v1 tag of a wrong size at its end")
    return trailer if offset else b""


def _others_id3(file: Any) -> Any:
    return _frames(file.tags) if file.tags is not None else {}


def _write_everywhere(
    file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm
) -> None:
    """ID3, and every second tag that says a genre, so that no player contradicts another."""
    in_ape = "genre" in _ape_texts(file.filename, file)
    _write_id3(file, genres, custom, form)
    texts = {name: [value] for name, value in custom.items()}
    if in_ape:
        texts["genre"] = list(genres)
    with open(file.filename, "r+b") as stream:
        # The last first, for the places of those before it to stay.
        for place, tag in reversed(id3.following_tags(stream)):
            if _genres_in(tag):
                text = id3.Text("genre", tuple(genres))
                new = id3.exchange(tag, [text], separator=form.separator, room=len(tag))
                resize_bytes(stream, len(tag), len(new), place)
                stream.seek(place)
                stream.write(new)
        ape.exchange(stream, texts)


def _genres_in(tag: bytes) -> list[str]:
    """Genres of an ID3v2 tag that follows another; none where nobody can read it."""
    try:
        return _read_id3(ID3(io.BytesIO(tag), load_v1=False), TagForm())
    except (mutagen.MutagenError, *_DAMAGE):
        return []


def _others_everywhere(file: Any) -> Any:
    ours = {"genre", CONFIDENCE.casefold(), MODEL.casefold()}
    with open(file.filename, "rb") as stream:
        try:
            items = [item for item in ape.read_items(stream) if item[0] not in ours]
        except mutagen.MutagenError:
            items = []  # to nobody a tag
        following = [
            _frames(ID3(io.BytesIO(tag), load_v1=False)) if _genres_in(tag) else tag
            for _, tag in id3.following_tags(stream)
        ]
    return _others_id3(file), following, items


def _others_wave(file: Any) -> Any:
    with open(file.filename, "rb") as stream:
        return _others_id3(file), [item for item in _riff_info(stream) if item[0] != "IGNR"]


# Sizes are 32 bits in WAV and AIFF; that much room is left for a tag, in bytes.
_LARGEST_CHUNKED = 2**32 - 2**24


def _check_chunks(file: Any) -> None:
    """Refuse WAV and AIFF files whose chunks do not tell where the sound ends."""
    with open(file.filename, "rb") as stream:
        is_riff = stream.read(4) == b"RIFF"
        root = (RiffFile if is_riff else AIFFFile)(stream).root
        stream.seek(0, 2)
        size = stream.tell()
        sound = "data" if is_riff else "SSND"
        last = None
        for chunk in root.subchunks():
            last = chunk
            if chunk.id == sound and chunk.data_offset + chunk.data_size > size:
                raise ValueError("its sound is cut off")
        if size > _LARGEST_CHUNKED:
            raise ValueError("is as large as its format can be")
        end = root.data_offset + root.data_size
        if last is not None and last.id == sound and end < size - 1:
            raise ValueError("its chunks do not say where the sound ends")


def _check_dsf(file: Any) -> None:
    """Refuse DSF files whose tag does not lie between the sound and the end."""
    with open(file.filename, "rb") as stream:
        chunks = DSFFile(stream)
        place = chunks.dsd_chunk.offset_metdata_chunk
        stream.seek(0, 2)
        size = stream.tell()
        sound_end = 28 + 52 + chunks.data_chunk.chunk_size
        stream.seek(place)
        head = stream.read(10)
    tag_size = 10 + BitPaddedInt(head[6:10]) if head.startswith(b"ID3") else 0
    if place and (place < sound_end or place + tag_size != size):
        raise ValueError("its tag is not where DSF has it")


def _check_dsdiff(file: Any) -> None:
    """Refuse DSDIFF files whose chunks are not all there, or that are compressed (DST)."""
    with open(file.filename, "rb") as stream:
        root = DSDIFFFile(stream).root
        stream.seek(0, 2)
        size = stream.tell()
        chunks = list(root.subchunks())
        ends = [root.data_offset + root.data_size, *(c.data_offset + c.data_size for c in chunks)]
    if any(end > size for end in ends):
        raise ValueError("its sound is cut off")
    if not any(chunk.id == "DSD" for chunk in chunks) or ends[0] < size - 1:
        raise ValueError("its chunks do not say where the sound ends")


def _check_blocks(file: Any) -> None:
    """Refuse WavPack files whose first block is not whole: what follows may be read as sound."""
    if not isinstance(file, WavPack):
        return
    with open(file.filename, "rb") as stream:
        head = stream.read(32)
        stream.seek(0, 2)
        size = stream.tell()
        (rest,) = struct.unpack("<I", head[4:8])
        end = 8 + rest
        stream.seek(min(end, size))
        after = stream.read(8)
    if rest < 24 or end > size:
        raise ValueError("its sound is cut off")
    (n_samples,) = struct.unpack("<I", head[20:24])
    # A block without samples may hold a RIFF header; behind the last block come tags.
    if not n_samples and not after.startswith(b"wvpk"):
        raise ValueError("its sound is cut off")
    if after and not after.startswith((b"wvpk", b"APETAGEX", b"TAG")):
        raise ValueError("its blocks do not say where the sound ends")


def _frames(tags: ID3Tags) -> dict[str, Any]:
    """Frames by key; how a text is encoded is not what it says."""
    return {
        key: {
            name: _frames(value) if isinstance(value, ID3Tags) else value
            for name, value in vars(frame).items()
            if name != "encoding"
        }
        for key, frame in tags.items()
        if key != "TCON" and key.casefold() not in _CUSTOM_FRAMES
    }


_CUSTOM_FRAMES = (f"txxx:{CONFIDENCE}".casefold(), f"txxx:{MODEL}".casefold())


def _write_wave(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    """ID3, and the older genre field of RIFF where it is there already."""
    _write_id3(file, genres, custom, form)
    with open(file.filename, "r+b") as stream:
        field = _riff_genre(stream)
        if field is not None:
            text = _RIFF_JOINT.join(genres).encode("utf-8") + b"\0"
            field.resize(len(text))
            field.write(text)


# RIFF has one genre, one text.
_RIFF_JOINT = "; "


def _riff_lists(stream: BinaryIO) -> list[Any]:
    chunks = RiffFile(stream).root.subchunks()
    return [chunk for chunk in chunks if chunk.id == "LIST" and chunk.name == "INFO"]


def _riff_genre(stream: BinaryIO) -> Any:
    """The chunk of RIFF's own genre (``LIST/INFO/IGNR``), or None."""
    return next((chunk["IGNR"] for chunk in _riff_lists(stream) if "IGNR" in chunk), None)


def _riff_info(stream: BinaryIO) -> list[tuple[str, bytes]]:
    """All of RIFF's own fields, as they stand in the file."""
    return [(item.id, item.read()) for chunk in _riff_lists(stream) for item in chunk.subchunks()]


def _riff_text(data: bytes) -> str:
    """RIFF does not say how its texts are encoded; programs of old used the system's."""
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


# --- the others: mappings of a key to a list of values -------------------------------------


def _values(tags: Any, key: str) -> list[Any]:
    value = tags.get(key)
    if value is None:
        return []
    if isinstance(value, APETextValue | list | tuple):
        return list(value)
    return [value]


def _text(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _mapping(
    genre: str,
    custom: str,
    wrap: Callable[[str], Any],
    others: Callable[[Any, set[str]], Any],
    write: Callable[..., None] | None = None,
) -> dict[str, Callable]:
    """Reading and writing for formats whose tags map keys to values.

    `custom` has our field's name in the place of ``{}``; `wrap` makes its value.
    """

    def write_mapped(
        file: Any, genres: Sequence[str], fields: Mapping[str, str], form: TagForm
    ) -> None:
        if file.tags is None:
            file.add_tags()
        _write_mapped(file, genre, custom, wrap, genres, fields)
        file.save()

    ours = {genre.casefold(), *(custom.format(name).casefold() for name in (CONFIDENCE, MODEL))}

    def read_custom(tags: Any, name: str) -> str | None:
        values = _values(tags, custom.format(name))
        return _text(values[0]) if values else None

    return {
        "read": lambda tags, form: [_text(value) for value in _values(tags, genre)],
        "custom": read_custom,
        "write": write or write_mapped,
        "others": lambda file: others(file, ours),
    }


def _write_mapped(
    file: Any,
    genre: str,
    custom: str,
    wrap: Callable[[str], Any],
    genres: Sequence[str],
    fields: Mapping[str, str],
) -> None:
    put = _put_comment if isinstance(file, FLAC | OggFileType) else _put
    put(file.tags, genre, list(genres))
    for name, value in fields.items():
        put(file.tags, custom.format(name), [wrap(value)])


def _put(tags: Any, key: str, values: list[Any]) -> None:
    tags[key] = values


def _put_comment(tags: Any, key: str, values: list[str]) -> None:
    """Vorbis comments are a list: keep the place and the spelling of the key."""
    comments = list(tags)
    places = [i for i, (found, _) in enumerate(comments) if found.casefold() == key.casefold()]
    place, spelling = len(comments), key.upper()
    if places:
        place, spelling = places[0], comments[places[0]][0]
    rest = [item for i, item in enumerate(comments) if i not in places]
    tags[:] = [*rest[:place], *((spelling, value) for value in values), *rest[place:]]


def _check_comments(file: Any) -> None:
    """Refuse comments that mutagen reads otherwise than they stand in the file."""
    with open(file.filename, "rb") as stream:
        if isinstance(file, FLAC):
            _check_pictures(stream)
            # Whole blocks: mutagen takes for sound what is behind the comments in theirs.
            raw = [data for kind, data in _flac_blocks(stream) if kind == VCFLACDict.code]
        else:
            _check_pages(stream)
            raw = _second_packet(stream)
    if file.tags is not None and file.tags.write(framing=False) not in raw:
        raise ValueError("its comments are not by the rules, not all of them would survive")


def _check_pictures(stream: BinaryIO) -> None:
    """Refuse FLAC with pictures behind which mutagen would see the sound begin too early."""
    for kind, data in _flac_blocks(stream):
        if kind == Picture.code and len(Picture(data).write()) != len(data):
            raise ValueError("a picture has another length than its block")


def _check_pages(stream: BinaryIO) -> None:
    """Refuse Ogg with damaged pages: numbered anew, they would get a checksum that fits.

    Decoders leave a page out whose checksum is wrong, and would play the garbage then.
    """
    while True:
        start = stream.tell()
        try:
            page = OggPage(stream)
        except EOFError:
            break
        stream.seek(start)
        if stream.read(page.size) != page.write():
            raise ValueError("has damaged pages, which writing would hide")
    stream.seek(0)


def _check_atoms(file: Any) -> None:
    """Refuse MP4 whose atoms reach beyond their parents: mutagen would write over the next."""
    with open(file.filename, "rb") as stream:
        atoms = Atoms(stream).atoms
        stream.seek(0, 2)
        waiting = [(atom, stream.tell()) for atom in atoms]
    while waiting:
        atom, limit = waiting.pop()
        end = atom.offset + atom.length
        if end > limit:
            raise ValueError(f"its atom {atom.name!r} reaches into what follows")
        waiting += [(child, end) for child in atom.children or []]


def _check_objects(file: Any) -> None:
    """Refuse ASF whose header is not made up of its objects: mutagen goes by their sum."""
    with open(file.filename, "rb") as stream:
        head = stream.read(30)
        size, place = int.from_bytes(head[16:24], "little"), 30
        while place < size:
            stream.seek(place + 16)
            step = int.from_bytes(stream.read(8), "little")
            if step < 24:
                break
            place += step
    if place != size:
        raise ValueError("its header is not made up of its objects")


def _flac_blocks(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """FLAC's metadata blocks as they stand in the file: kinds and contents."""
    stream.seek(0)
    data = stream.read(10)
    place = 10 + BitPaddedInt(data[6:10]) if data.startswith(b"ID3") else 0
    stream.seek(place + 4)
    last = False
    while not last:
        head = stream.read(4)
        if len(head) < 4:
            return
        last = bool(head[0] & 0x80)
        yield head[0] & 0x7F, stream.read(int.from_bytes(head[1:], "big"))


def _second_packet(stream: BinaryIO) -> bytes:
    """The packet behind the first of an Ogg stream, where its comments are."""
    pages = [OggPage(stream)]
    while len(packets := OggPage.to_packets(pages, strict=False)) < 3:
        page = OggPage(stream)
        if page.serial == pages[0].serial:
            pages.append(page)
            if page.last:
                break
    return packets[1] if len(packets := OggPage.to_packets(pages, strict=False)) > 1 else b""


def _others_vorbis(file: Any, ours: set[str]) -> Any:
    comments = [item for item in file.tags or [] if item[0].casefold() not in ours]
    if not isinstance(file, FLAC):
        return comments
    with open(file.filename, "rb") as stream:
        kept = (VCFLACDict.code, FLACPadding.code)
        return comments, [block for block in _flac_blocks(stream) if block[0] not in kept]


def _others_mp4(file: Any, ours: set[str]) -> Any:
    tags = file.tags or {}
    failed = getattr(tags, "_failed_atoms", {})
    return {key: value for key, value in tags.items() if key.casefold() not in ours}, failed


def _others_asf(file: Any, ours: set[str]) -> Any:
    return sorted(
        (key, type(value).__name__, repr(value.value), value.language or 0, value.stream or 0)
        for key, value in file.tags or []
        if key.casefold() not in ours
    )


def _write_ape(file: Any, genres: Sequence[str], custom: Mapping[str, str], form: TagForm) -> None:
    trailer = _id3v1(file.filename)
    if file.tags is None:
        file.add_tags()
        for key, value in _from_id3v1(trailer).items():
            file.tags[key] = value
    _write_mapped(file, "Genre", "{}", str, genres, custom)
    file.save()
    if trailer:  # which mutagen takes off
        with open(file.filename, "ab") as stream:
            stream.write(id3.restore_v1(trailer, genres))


def _from_id3v1(trailer: bytes) -> dict[str, str]:
    """What a new APEv2 tag takes over: players that find one no longer look at ID3v1."""
    frames = (ParseID3v1(trailer) if trailer else None) or {}
    return {_ID3V1_TO_APE[key]: str(frames[key]) for key in frames if key in _ID3V1_TO_APE}


_ID3V1_TO_APE = {
    "TIT2": "Title",
    "TPE1": "Artist",
    "TALB": "Album",
    "TDRC": "Year",
    "TRCK": "Track",
    "COMM": "Comment",
}


def _others_ape(file: Any, ours: set[str]) -> Any:
    if file.tags is None:
        return {key: (0, value) for key, value in _from_id3v1(_id3v1(file.filename)).items()}
    items = file.tags.items()
    return {key: (value.kind, value.value) for key, value in items if key.casefold() not in ours}


_ID3 = {
    "text": ("TIT2", "TPE1", "TALB"),
    "read": _read_id3,
    "custom": _custom_id3,
    "write": _write_id3,
    "others": _others_id3,
}
_FAMILIES = (
    _Family((WAVE,), **{**_ID3, "write": _write_wave, "others": _others_wave}, check=_check_chunks),
    _Family((AIFF,), **_ID3, check=_check_chunks),
    _Family((DSF,), **_ID3, check=_check_dsf),
    _Family((DSDIFF,), **_ID3, check=_check_dsdiff),
    _Family((MP3, TrueAudio), **{**_ID3, "write": _write_everywhere, "others": _others_everywhere}),
    _Family((ID3FileType,), **_ID3),
    _Family(
        (FLAC, OggFileType),
        ("title", "artist", "album"),
        **_mapping("genre", "{}", str, _others_vorbis),
        check=_check_comments,
    ),
    _Family(
        (MP4,),
        ("\xa9nam", "\xa9ART", "\xa9alb"),
        **_mapping(
            "\xa9gen",
            "----:com.apple.iTunes:{}",
            lambda text: MP4FreeForm(text.encode("utf-8")),
            _others_mp4,
        ),
        check=_check_atoms,
    ),
    _Family(
        (ASF,),
        ("Title", "Author", "WM/AlbumTitle"),
        **_mapping("WM/Genre", "{}", str, _others_asf),
        check=_check_objects,
    ),
    _Family(
        (APEv2File,),
        ("Title", "Artist", "Album"),
        **_mapping("Genre", "{}", str, _others_ape, _write_ape),
        check=_check_blocks,
    ),
)


def _family_of(path: str, file: Any) -> _Family:
    for family in _FAMILIES:
        if isinstance(file, family.kinds):
            return family
    raise NoTagField(path, f"{type(file).__name__} files have no place for a genre")


# --- reading ----------------------------------------------------------------------------


def read_header(path: str, form: TagForm = TagForm()) -> tuple[FileTags, AudioFacts]:
    """Read a file's tags and audio facts without decoding it.

    Parameters
    ----------
    path : str
    form : TagForm

    Returns
    -------
    tags : FileTags
    audio : AudioFacts

    Raises
    ------
    TagReadError
        If it is empty or no audio file that mutagen knows.
    NoTagField
        If its container holds no tags.
    OSError
        If it cannot be opened.
    """
    file = _open(path)
    info = file.info
    if getattr(info, "codec", "").startswith("drms"):
        raise NoTagField(path, "a song that is protected from copying (DRM), bought as .m4p")
    audio = AudioFacts(
        duration_s=_positive(getattr(info, "length", None)),
        sample_rate_hz=_positive(getattr(info, "sample_rate", None)),
        channels=_positive(getattr(info, "channels", None)),
        bitrate_bps=_positive(getattr(info, "bitrate", None)),
    )
    family = _family_of(path, file)
    shadow = _shadow(path, file)
    if file.tags is None:
        return FileTags(shadow=shadow), audio
    title, artist, album = (_first_text(file.tags, key) for key in family.text)
    custom = {name: family.custom(file.tags, name) for name in (CONFIDENCE, MODEL)}
    tags = FileTags(
        title=title,
        artist=artist,
        album=album,
        genres=tuple(filter(None, (genre.strip() for genre in family.read(file.tags, form)))),
        custom=tuple((name, text) for name, text in custom.items() if text is not None),
        shadow=shadow,
    )
    return tags, audio


def _open(path: str) -> Any:
    with open(path, "rb") as stream:
        if not stream.read(1):
            raise TagReadError(path, "empty file")
        stream.seek(0)
        obstacle = why_untaggable(stream)
        if obstacle:
            raise NoTagField(path, obstacle)
    try:
        file = mutagen.File(path)
        if isinstance(file, MP3 | TrueAudio) and (file.tags is None or file.tags.version[0] == 1):
            _show_ape(file, path)
    except mutagen.MutagenError as error:
        raise TagReadError(path, _reason(error, path)) from error
    except _DAMAGE as error:
        raise TagReadError(path, f"damaged ({type(error).__name__}: {error})") from error
    if file is None:
        raise TagReadError(path, "not an audio file of a known format")
    return file


def _show_ape(file: Any, path: str) -> None:
    """Have a file without ID3v2 say what its APEv2 tag says, as its new ID3 tag will."""
    if not _ape_texts(path, file):
        return
    if file.tags is None:
        file.add_tags()
        file.tags.version = (1, 1)  # as where ID3v1 is all there is
    _take_over(file, path)


def _shadow(path: str, file: Any) -> tuple[str, ...]:
    """Genres of a second tag, which some players show instead of the first."""
    try:
        if isinstance(file, MP3 | TrueAudio):
            with open(path, "rb") as stream:
                said = [_genres_in(tag) for _, tag in id3.following_tags(stream)]
            said.append(_ape_texts(path, file).get("genre", []))
            return tuple(dict.fromkeys(genre for genres in said for genre in genres))
        if isinstance(file, WAVE):
            with open(path, "rb") as stream:
                field = _riff_genre(stream)
                text = _riff_text(field.read()) if field else ""
            return (text,) if text.strip() else ()
    except (mutagen.MutagenError, ValueError):
        pass
    return ()


def _reason(error: Exception, path: str) -> str:
    """mutagen's message, without the path that some of them begin with."""
    text = error.reason if isinstance(error, TrackError) else str(error)
    return text.replace(repr(path), "").strip() or type(error).__name__


def agrees(second: Sequence[str], genres: Sequence[str]) -> bool:
    """Whether a second tag says the same genres, or has none."""
    return tuple(second) in ((), tuple(genres), (_RIFF_JOINT.join(genres),))


def _positive(value: float | None) -> Any:
    return value if value and value > 0 else None


def _first_text(tags: Any, key: str) -> str | None:
    value = tags.get(key)
    values = list(value.text) if hasattr(value, "text") else _values(tags, key)
    text = str(values[0]).strip() if values else ""
    return text or None


# --- writing ----------------------------------------------------------------------------


def write_fields(
    copy: str,
    path: str,
    genres: Sequence[str],
    custom: Mapping[str, str] | None = None,
    form: TagForm = TagForm(),
) -> None:
    """Write a genre into a copy and make sure that nothing else in its tags differs.

    Parameters
    ----------
    copy : str
        The file that is changed.
    path : str
        The user's file, for messages.
    genres : sequence of str
    custom : mapping of str to str, optional
        Our own fields.
    form : TagForm

    Raises
    ------
    TagWriteError
        If it cannot be done, or what is read back is not what was to be written.
    NoTagField
        If the container holds no tags.
    """
    custom = custom or {}
    try:
        file = _open(copy)
        family = _family_of(path, file)
        others = family.others(file)
        family.check(file)
        family.write(file, genres, custom, form)
        written = _open(copy)
    except (mutagen.MutagenError, TagReadError, ValueError) as error:
        raise TagWriteError(path, _reason(error, copy)) from error
    except _DAMAGE as error:
        reason = f"too damaged to be tagged ({type(error).__name__}: {error})"
        raise TagWriteError(path, reason) from error
    if written.tags is None:
        raise TagWriteError(path, "too damaged to be tagged: the tag would not be found again")
    found = family.read(written.tags, form)
    if tuple(found) != tuple(genres):
        raise TagWriteError(path, f"would be read back as {found}")
    second = _shadow(copy, written)
    if not agrees(second, genres):
        raise TagWriteError(path, f"its second tag would be read back as {list(second)}")
    if any(family.custom(written.tags, name) != text for name, text in custom.items()):
        raise TagWriteError(path, "its own fields would not be read back")
    if family.others(written) != others:
        raise TagWriteError(path, "other tags would not survive the writing")
