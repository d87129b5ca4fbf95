"""FeatureSpec: how audio becomes a network's input; travels inside the bundle."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

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

# One more window that reaches to the end of the track may overlap others by this share.
_SHARE_THAT_MAY_OVERLAP = 0.75


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

    With kind ``window`` a segment stands for itself: ``segment_frames`` hops of samples, mirrored
    at both ends, in frames of a fixed scale. That is what a backbone was trained on. With kind
    ``outputs`` the segment holds what the backbone puts out for such a window instead (see
    `genrebeam.model.backbones`).

    Parameters
    ----------
    sample_rate_hz : int
        Rate that audio is resampled to before the transform.
    n_fft, hop_length : int
        Length and hop of the transform, in samples at ``sample_rate_hz``.
    window_length : int, optional
        Samples under the transform's window, by default `n_fft`; the rest of `n_fft` is zeros.
    n_mels : int
        Mel bands from 0 Hz to `fmax_hz`.
    mel_scale : {"slaney", "kaldi"}
        Bands with Slaney's formula and norm, as librosa's; or triangles in mel with peaks of 1 and
        a symmetric window, as Kaldi's.
    fmax_hz : float, optional
        Edge of the highest band; by default half the sample rate.
    log_offset, log_centre, log_spread : float
        A window's values are ``(ln(mel + log_offset) - log_centre) / log_spread``.
    pre_emphasis : float
        ``y[n] - pre_emphasis * y[n - 1]`` is transformed.
    top_db : float
        Range below the track's loudest value that is kept, in dB, where scaled over it.
    frame_step, frame_offset : float
        Which STFT frames are kept (see above).
    segment_frames : int
        Kept frames in a segment; 1 for descriptors.
    kind : {"log_mel", "descriptors", "window", "outputs"}
        What describes a frame.
    least_share : float
        Share of a segment that a track has to fill to be judged.
    least_peak : float
        With windows, the least peak of a track, in parts of full scale. A quieter track is
        amplified to it, because backbones learned from music at the level of its masters.
    backbone, backbone_version : str
        Name of the pretrained network and hash of its weights; empty without one.
    n_outputs : int
        Numbers that the backbone puts out for a window.
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
    mel_scale: str = "slaney"
    log_offset: float = 0.0
    log_centre: float = 0.0
    log_spread: float = 1.0
    pre_emphasis: float = 0.0
    least_share: float = 0.5
    least_peak: float = 0.0
    backbone: str = ""
    backbone_version: str = ""
    n_outputs: int = 0

    @property
    def n_rows(self) -> int:
        """Numbers that describe a frame."""
        if self.kind == "outputs":
            return self.n_outputs
        return len(DESCRIPTORS) if self.kind == "descriptors" else self.n_mels

    @property
    def piece_samples(self) -> int:
        """Samples of a piece, for ``descriptors``."""
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
        if self.kind == "window":
            return n_samples // self.hop_length
        n_stft = 1 + n_samples // self.hop_length
        kept = max(0, math.ceil((n_stft - self.frame_offset) / self.frame_step) + 1)
        while kept and self.stft_frame(kept - 1) >= n_stft:
            kept -= 1
        return kept

    def segment_starts(
        self, n_frames: int, n_segments: int | None = None, *, contiguous: bool = False
    ) -> list[int]:
        """First kept frame of each segment analysed of a track.

        Parameters
        ----------
        n_frames : int
            Kept frames of the whole track.
        n_segments : int, optional
            Segments to spread evenly over the track; by default, and where the track
            has no more, every whole segment, one after the other. Windows may overlap a little
            then, so that they reach to the end.
        contiguous : bool
            Take `n_segments` one after the other from the middle of the track instead
            of spreading them.

        Returns
        -------
        list of int
            ``[0]`` for a track shorter than one segment.
        """
        if self.kind == "window":
            return self._window_starts(n_frames, n_segments)
        whole = n_frames // self.segment_frames
        if n_segments is None or n_segments >= whole:
            return [index * self.segment_frames for index in range(max(1, whole))]
        if contiguous:
            first = (n_frames - n_segments * self.segment_frames) // 2
            return [first + index * self.segment_frames for index in range(n_segments)]
        return self._spread(n_frames, n_segments)

    def _spread(self, n_frames: int, n_segments: int) -> list[int]:
        """Starts of segments whose middles are spread evenly."""
        room = n_frames - self.segment_frames
        return [
            min(max(0, round((i + 0.5) / n_segments * n_frames - self.segment_frames / 2)), room)
            for i in range(n_segments)
        ]

    def _window_starts(self, n_frames: int, n_segments: int | None) -> list[int]:
        most = max(1, int(n_frames / self.segment_frames + _SHARE_THAT_MAY_OVERLAP))
        if n_segments is not None and n_segments < most:
            return self._spread(n_frames, n_segments)
        room = max(0, n_frames - self.segment_frames)
        return [round(i * room / max(1, most - 1)) for i in range(most)]

    @property
    def frame_seconds(self) -> float:
        """Time from one kept frame to the next, in s."""
        return self.frame_step * self.hop_length / self.sample_rate_hz

    @property
    def outputs(self) -> FeatureSpec:
        """The spec as training keeps windows: with what the backbone puts out."""
        if self.kind != "window":
            return self
        step = float(self.segment_frames)
        return dataclasses.replace(self, kind="outputs", frame_step=step, segment_frames=1)

    @property
    def windows(self) -> FeatureSpec:
        """The spec as a backbone is given windows, the inverse of `outputs`."""
        if self.kind != "outputs":
            return self
        frames = round(self.frame_step)
        return dataclasses.replace(self, kind="window", frame_step=1.0, segment_frames=frames)

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
