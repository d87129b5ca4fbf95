"""FeatureSpec: how audio becomes a network's input; travels inside the bundle."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from genrebeam.model.ear_sizes import EAR_SIZES

# Rows of features of kind "descriptors": the columns of GTZAN's features_3_sec.csv.
DESCRIPTORS = (
    *(
        f"{name}_{moment}"
        for name in (
            "chroma",
            "rms",
            "spectral_centroid",
            "spectral_bandwidth",
            "rolloff",
            "zero_crossing_rate",
            "harmonic",
            "percussive",
        )
        for moment in ("mean", "var")
    ),
    "tempo",
    *(f"mfcc{number}_{moment}" for number in range(1, 21) for moment in ("mean", "var")),
)


@dataclass(frozen=True)
class FeatureSpec:
    """How audio becomes the network's input; travels inside the bundle.

    A short-time Fourier transform gives one *frame* every ``hop_length`` samples.
    The network sees every ``frame_step``-th of them only: kept frame ``k`` is STFT
    frame ``floor(frame_step * k + frame_offset)``. A *segment* is ``segment_frames``
    kept frames in a row.

    With kind ``descriptors`` there is no picture: a kept frame is a piece of ``frame_step`` hops
    around its STFT frame, described by the numbers named in `DESCRIPTORS`. A segment is one such
    piece.

    With kind ``ears`` a segment is a piece of ``frame_step`` hops too. Each of `ears` gets it in
    frames of its own, and the segment holds all of these values, ear after ear. With kind
    ``outputs`` the segment holds what the ears put out instead (see `genrebeam.model.pretrained`).

    Parameters
    ----------
    sample_rate_hz : int
        Rate that audio is resampled to before the transform.
    n_fft, hop_length : int
        Length and hop of the transform, in samples at ``sample_rate_hz``.
    window_length : int, optional
        Samples under the transform's window, by default `n_fft`; the rest of `n_fft` is zeros.
    centred : bool
        Whether STFT frame ``k`` is centred at sample ``k * hop_length``, or begins there.
    n_mels : int
        Mel bands from `fmin_hz` to `fmax_hz`.
    mel_scale : {"slaney", "htk"}
        Bands with Slaney's formula and norm, as librosa's; or with HTK's formula, triangles in
        mel with peaks of 1, as TensorFlow's.
    fmin_hz, fmax_hz : float, optional
        Edges of the lowest and the highest band; by default 0 Hz and half the sample rate.
    power : {2, 1}
        Exponent of the magnitudes before they are summed into bands.
    scaling : {"track", "ln", "log10"}
        ``track``: log-mel scaled to 0..1 over the track. ``ln`` and ``log10``: the natural or
        common logarithm of ``log_gain * mel + log_offset``, whatever the rest of the track is.
    log_gain, log_offset : float
    top_db : float
        Range below the track's loudest value that is kept, in dB, where scaled over it.
    frame_step, frame_offset : float
        Which STFT frames are kept (see above).
    segment_frames : int
        Kept frames in a segment; 1 for descriptors.
    kind : {"log_mel", "descriptors", "ears", "outputs"}
        What describes a frame.
    least_share : float
        Share of a segment that a track has to fill to be judged.
    least_peak : float
        With ears, the least peak of a track, in parts of full scale. A quieter track is amplified
        to it, because the ears learned from music at the level of its masters.
    ears : tuple of EarSpec
    """

    sample_rate_hz: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmax_hz: float | None = None
    top_db: float = 80.0
    frame_step: float = 1.0
    frame_offset: float = 0.0
    segment_frames: int = 64
    kind: str = "log_mel"
    window_length: int | None = None
    centred: bool = True
    mel_scale: str = "slaney"
    fmin_hz: float = 0.0
    power: int = 2
    scaling: str = "track"
    log_gain: float = 1.0
    log_offset: float = 0.0
    least_share: float = 0.5
    least_peak: float = 0.0
    ears: tuple[EarSpec, ...] = ()

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> FeatureSpec:
        """The spec that `dataclasses.asdict` made a dict of, perhaps by way of JSON."""
        ears = tuple(EarSpec.from_facts(ear) for ear in facts.get("ears", ()))
        return cls(**{**facts, "ears": ears})

    @property
    def n_rows(self) -> int:
        """Numbers that describe a frame."""
        if self.kind == "ears":
            return sum(ear.n_values for ear in self.ears)
        if self.kind == "outputs":
            return sum(sum(EAR_SIZES[ear.name]) for ear in self.ears)
        return len(DESCRIPTORS) if self.kind == "descriptors" else self.n_mels

    @property
    def piece_samples(self) -> int:
        """Samples from the start of one piece to the start of the next; not for ``log_mel``."""
        return round(self.frame_step * self.hop_length)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one segment: rows and kept frames."""
        return self.n_rows, self.segment_frames

    def stft_frame(self, kept: int) -> int:
        """STFT frame of kept frame number `kept`."""
        return math.floor(self.frame_step * kept + self.frame_offset)

    def count_frames(self, n_samples: int) -> int:
        """Kept frames of a track of `n_samples` samples at ``sample_rate_hz``."""
        if self.ears:
            return n_samples // self.piece_samples
        n_stft = 1 + n_samples // self.hop_length
        kept = max(0, math.ceil((n_stft - self.frame_offset) / self.frame_step) + 1)
        while kept and self.stft_frame(kept - 1) >= n_stft:
            kept -= 1
        return kept

    def segment_starts(
        self, n_frames: int, n_segments: int | None = None, *, in_a_row: bool = False
    ) -> list[int]:
        """First kept frame of each segment heard of a track.

        Parameters
        ----------
        n_frames : int
            Kept frames of the whole track.
        n_segments : int, optional
            Segments to spread evenly over the track; by default, and where the track
            has no more, every whole segment, one after the other.
        in_a_row : bool
            Take `n_segments` one after the other from the middle of the track instead
            of spreading them.

        Returns
        -------
        list of int
            ``[0]`` for a track shorter than one segment.
        """
        whole = n_frames // self.segment_frames
        if n_segments is None or n_segments >= whole:
            return [index * self.segment_frames for index in range(max(1, whole))]
        if in_a_row:
            first = (n_frames - n_segments * self.segment_frames) // 2
            return [first + index * self.segment_frames for index in range(n_segments)]
        room = n_frames - self.segment_frames
        return [
            min(max(0, round((i + 0.5) / n_segments * n_frames - self.segment_frames / 2)), room)
            for i in range(n_segments)
        ]

    @property
    def frame_seconds(self) -> float:
        """Time from one kept frame to the next, in s."""
        return self.frame_step * self.hop_length / self.sample_rate_hz

    @property
    def outputs(self) -> FeatureSpec:
        """This spec as training keeps segments: with what the ears put out."""
        return dataclasses.replace(self, kind="outputs") if self.ears else self

    @property
    def patches(self) -> FeatureSpec:
        """This spec as segments are heard: with what the ears are given."""
        return dataclasses.replace(self, kind="ears") if self.ears else self

    def same_frames(self, other: FeatureSpec) -> bool:
        """Whether both have the same frames; their segments may differ in length."""
        return dataclasses.replace(other, segment_frames=self.segment_frames) == self

    def on_frames_of(self, other: FeatureSpec) -> FeatureSpec:
        """Segments of about this spec's length, made of the frames of another."""
        length = self.segment_frames * self.frame_seconds / other.frame_seconds
        return dataclasses.replace(other, segment_frames=max(1, round(length)))

    @property
    def segment_seconds(self) -> float:
        """Length of audio under one segment, in s."""
        if self.kind != "log_mel":
            return self.segment_frames * self.frame_seconds
        span = (self.segment_frames - 1) * self.frame_step * self.hop_length + self.n_fft
        return span / self.sample_rate_hz


@dataclass(frozen=True)
class EarSpec:
    """What one pretrained network hears of a segment.

    Parameters
    ----------
    name : str
        Of the network, see `genrebeam.model.pretrained`.
    frames : FeatureSpec
        Of kind ``log_mel``, with a fixed scale; a patch is a segment of it.
    patches : tuple of int
        Where each patch begins, in samples from the segment's beginning.
    version : str
        Hash of the network's weights.
    """

    name: str
    frames: FeatureSpec
    patches: tuple[int, ...] = (0,)
    version: str = ""

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> EarSpec:
        """As `FeatureSpec.from_facts`."""
        frames, patches = FeatureSpec.from_facts(facts["frames"]), tuple(facts["patches"])
        return cls(**{**facts, "frames": frames, "patches": patches})

    @property
    def n_values(self) -> int:
        """Numbers that this ear gets of a segment."""
        return len(self.patches) * self.frames.n_mels * self.frames.segment_frames

    @property
    def patch_samples(self) -> int:
        """Samples under a patch."""
        window = self.frames.window_length or self.frames.n_fft
        return (self.frames.segment_frames - 1) * self.frames.hop_length + window

    @property
    def lead_samples(self) -> int:
        """Samples that a patch reaches back before its beginning."""
        return self.frames.n_fft // 2 if self.frames.centred else 0

    @property
    def end(self) -> int:
        """Last sample under the patches, from the segment's beginning."""
        return max(self.patches) + self.patch_samples - self.lead_samples
