"""Reasons: what is wrong with a file and what can be done, for a person to read.

Libraries say what they ran into (``'ascii' codec can't decode byte 0x80``); that stays in the
report's `error_type` and `error_message`. The reasons that rows give are all written here.
"""

from __future__ import annotations

import re

# What helps most damaged files: those that nobody can play.
_AGAIN = "get it again or restore it from a backup"
# What helps files that play, and whose parts contradict each other.
_ANEW = "copy it into a new file (ffmpeg -i OLD -c copy NEW)"
_WRITABLE = "make it writable (chmod u+w; if it is locked, chattr -i)"
_SAVE = "save it again with a tag editor, then it can be tagged"

# Errors by the step, class and message; the first that fits is said. Groups of the pattern and
# the file's format are put in. Classes: those that a message of another library is in.
_READ, _WRITE, _DECODE, _ANY = "TagReadError", "TagWriteError", "DecodeError", ""
_REASONS: tuple[tuple[str, str, str], ...] = (
    # --- whatever it is at ---
    (_ANY, r"No space left|Disk quota", "the disk is full; free some space, then run again"),
    (_ANY, r"^No such file", "it was deleted or moved after it was listed"),
    (_ANY, r"^Permission denied", "permission denied; check its permissions (ls -l)"),
    (_ANY, r"^Read-only file system", "its disk is read-only; mount it for writing"),
    (_ANY, r"^Input/output error", "its disk cannot read or write it; check the disk for errors"),
    (_ANY, r"^Stale file handle", "its network drive lost it; run again"),
    (
        _ANY,
        r"^Connection timed out|^Host is down|^No route to host|^Transport endpoint|^Network is",
        "its network drive does not answer; run again when it does",
    ),
    (
        _ANY,
        r"^Device or resource busy|^Text file busy",
        "another program has it open; close that, then run again",
    ),
    (
        _ANY,
        r"^Operation not permitted",
        (
            "its disk or share cannot keep its owner, mode or times, or it is locked; check the "
            "mount options and chattr"
        ),
    ),
    (_ANY, r"^its decoding was ended", "its decoding was stopped; run again"),
    (
        _ANY,
        r"^another program has it open for writing",
        "another program has it open for writing; run again when that is done",
    ),
    (_ANY, r"^Too many open files", "too many files are open; raise the limit (ulimit -n)"),
    # --- walk ---
    (_ANY, r"^broken symbolic link", "broken symbolic link; remove it, or correct its target"),
    (_ANY, r"^symbolic link in a circle", "symbolic link in a circle; remove one of its links"),
    # --- reading the header ---
    (_ANY, r"^(its tag (?:takes|needs|has|crashed) .*)", rf"\1, so it was left; {_SAVE}"),
    (_ANY, r"^not a regular file", "not a regular file"),
    (_ANY, r"^empty file", f"empty file; {_AGAIN}"),
    (
        _ANY,
        r"^AAC files have no place",
        "raw AAC has no place for a genre; m4a has (ffmpeg -i OLD.aac -c copy NEW.m4a)",
    ),
    (_ANY, r"^(\w+) files have no place for a genre", r"\1 files have no place for a genre"),
    (_READ, r"^its genre is damaged", f"its genre is damaged, so it was left; {_SAVE}"),
    (
        _READ,
        r"^its ID3v2 tag is not at its beginning",
        f"there is something before its ID3v2 tag, so not every player finds it; {_ANEW}",
    ),
    (
        _READ,
        (
            r"not an audio file of a known format|sync to MPEG frame|not a valid FLAC|not a MP4"
            r"|not a WavPack|TTA header not found|[Rr]oot chunk|Expected RIFF|[Cc]hunk ?ID"
            r"|InvalidChunk|'ascii' codec|expected b'OggS'|final Ogg header|Stream info block"
            r"|no appropriate stream"
        ),
        (
            "it is not {format}audio, or its beginning is damaged; check its type (with the "
            "command file) and rename it, or convert it"
        ),
    ),
    (
        _READ,
        (
            r"said \d+ bytes, read|[Tt]runcated|unable to read full|No 'COMM'|^error$|not a valid "
            r"Vorbis"
        ),
        f"its tags are truncated or damaged; if it plays, {_ANEW}",
    ),
    (
        _READ,
        r"ID3v2\.\d+ not supported|not synchsafe|invalid flags|APE",
        f"its tag is damaged; {_SAVE}",
    ),
    (_READ, r"", f"its header cannot be read; if it plays, {_ANEW}"),
    # --- decoding ---
    (
        "DecoderTimeout",
        r"(\d+ s)$",
        rf"not decoded within \1, so it was skipped; if it is damaged, {_AGAIN}",
    ),
    (
        "DecoderTooLarge",
        r"(needs .*)",
        r"its decoder \1, so it was skipped; convert it to fewer channels or a lower sample rate",
    ),
    ("DecoderCrash", r"", f"its decoder crashed on it: damaged; {_AGAIN}"),
    (_DECODE, r"^nothing of its", f"none of the sound that its header promises is there; {_AGAIN}"),
    (_DECODE, r"no audio in it", f"no audio in it; {_AGAIN}"),
    (
        _DECODE,
        r"no decoder for its codec",
        "there is no decoder for its codec; convert it, for example to FLAC",
    ),
    (_DECODE, r"", f"its audio is damaged or protected, so no decoder can read it; {_AGAIN}"),
    # --- writing ---
    (_WRITE, r"^(no write permission on the file)", rf"\1; {_WRITABLE}"),
    (_WRITE, r"^(no write permission on its folder)", rf"\1; {_WRITABLE}"),
    (_WRITE, r"^(belongs to another user.*)", r"\1; run as that user"),
    (_WRITE, r"^(changed while .*)", r"\1; the next run takes it up again"),
    ("HardLinked", r"^(has \d+ hard links.*)", r"\1; --in-place-links changes such files too"),
    (_WRITE, r"^(a change to ID3v2.*)", r"\1; --id3-version keep leaves its version alone"),
    (_WRITE, r"^(is as large as its format can be)", r"\1 (4 GB); convert it to FLAC"),
    (_WRITE, r"^(is stored \S+-encoded, not as music)", r"\1; store it as it is"),
    (_WRITE, r"^(the ID3v2 tag .*)", rf"\1; {_SAVE}"),
    (_WRITE, r"^(the ID3v1 tag at its end .*)", rf"\1; {_SAVE}"),
    (
        _WRITE,
        r"damaged pages",
        f"has damaged pages, which players leave out and writing would hide; {_ANEW}",
    ),
    (
        _WRITE,
        r"^its atom|^the objects in its header",
        (f"its parts overlap, so writing one would damage the next; {_ANEW}"),
    ),
    (
        _WRITE,
        r"(its chunks do not say where the sound ends)",
        r"\1, as in an interrupted recording; save it again with an audio editor",
    ),
    (
        _WRITE,
        r"its sound is cut off|said \d+ bytes|unable to read full",
        f"its header promises more than is there; if it plays, {_ANEW}",
    ),
    (
        _WRITE,
        r"the sound would not be the same",
        f"players would decode different audio after a change of its tag; {_ANEW}",
    ),
    (
        _WRITE,
        r"its (sound|index of fragments) (is within|would be|cannot be).*",
        rf"\g<0>; {_ANEW}",
    ),
    (
        _WRITE,
        r"^(the only tag that it has .*)",
        r"\1; m4a has room (ffmpeg -i OLD -c copy NEW.m4a)",
    ),
    (_WRITE, r"would change more than tags", f"a tag would move all of its bytes; {_ANEW}"),
    (
        _WRITE,
        r"^(its comments break .*|a picture is not as long .*|its tag is not .*)",
        rf"\1; {_SAVE}",
    ),
    (_WRITE, r"", f"its tags are damaged, and other tags would suffer; {_SAVE}"),
)
# Where an error is none that was foreseen.
_UNFORESEEN = {
    "read_tags": f"its header cannot be read; if it plays, {_ANEW}",
    "decode": f"its sound is damaged, no decoder can read it; {_AGAIN}",
    "classify": "the model could not be run on it; run again with fewer processes or on the CPU",
    "tag": "it could not be written and is as it was; the error's message says more",
    "report": "its values do not fit the report's columns; the error's message says more",
}
# Errors that say themselves what is wrong: they come from here, not from a library.
_OWN = ("TrackError", "BundleError")


def explain(kinds: tuple[str, ...], message: str, *, stage: str, format: str) -> str:
    """Say what is wrong with a file and what can be done.

    Parameters
    ----------
    kinds : tuple of str
        Names of the error's class and those that it is derived from.
    message : str
        The error's own.
    stage : str
        The step that failed.
    format : str
        The file's extension.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> explain(("TagReadError",), "empty file", stage="read_tags", format="mp3")
    'empty file; get it again or restore it from a backup'
    """
    for kind, pattern, sentence in _REASONS:
        if kind and kind not in kinds:
            continue
        if found := re.search(pattern, message):
            named = sentence.replace("{format}", f"{format} " if format else "")
            return found.expand(named) if "\\" in named else named
    if any(kind in kinds for kind in _OWN):
        return message
    return _UNFORESEEN.get(stage, message)
