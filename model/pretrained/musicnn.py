"""musicnn: a CNN with musically motivated filters that knows 50 tags.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging"
(2019), after Pons et al., "End-to-end learning for music audio tagging at scale" (2018). Two
sets of weights by the Music Technology Group (Universitat Pompeu Fabra), ISC: one learned from
the Million Song Dataset with the tags of Last.fm, one from MagnaTagATune.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genrebeam.model.ear_sizes import EAR_SIZES
from genrebeam.model.feature_spec import FeatureSpec

if TYPE_CHECKING:
    import keras

# A patch is 187 frames, 3 s.
FRAMES = FeatureSpec(
    sample_rate_hz=16000,
    n_fft=512,
    hop_length=256,
    n_mels=96,
    scaling="log10",
    log_gain=10000.0,
    log_offset=1.0,
    segment_frames=187,
)
MSD_TAGS = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s"),
    *("alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists"),
    *("classic rock", "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill"),
    *("instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic"),
    *("experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country"),
    *("easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock"),
    *("60s", "rnb", "indie pop", "sad", "House", "happy"),
)
MTT_TAGS = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast"),
    *("piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male"),
    *("singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman"),
    *("male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice"),
    *("new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice"),
    *("weird", "country", "metal", "female voice", "choral"),
)
N_EMBEDDING = EAR_SIZES["musicnn_msd"].n_embedding

# Width in mel bands of the filters for timbre, length in frames of those for rhythm.
_TIMBRE, _RHYTHM = (38, 67), (128, 64, 32)
_N_TIMBRE, _N_RHYTHM, _N_MIDDLE = 204, 51, 64
_EPSILON = 1e-3
# Convolutions of which only the loudest band counts.
FRONT = ("timbre1", "timbre2", "rhythm1", "rhythm2", "rhythm3")


def build(name: str) -> keras.Model:
    """Build the network, without its weights.

    Parameters
    ----------
    name : str
        Of the model.

    Returns
    -------
    keras.Model
        From ``(n, 96, 187)`` log-mel patches to scores ``(n, 50)`` in 0..1 and embeddings
        ``(n, 200)``.
    """
    from keras import Input, Model, layers, ops

    def normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_norm")(x)

    def loudest_band(found: keras.KerasTensor, name: str) -> keras.KerasTensor:
        # The authors rectify and normalise every band, then take the largest. Both are
        # monotonic, so they are done once, behind the maximum; where normalisation falls, the
        # filter is stored with the other sign, and the sign is given back here.
        sign = layers.BatchNormalization(epsilon=0.0, center=False, name=f"{name}_sign")
        return normalised(ops.relu(sign(ops.max(found, axis=2))), name)

    patches = Input(FRAMES.shape, name="log_mel")
    x = layers.Permute((2, 1))(patches)
    x = normalised(layers.Reshape((*FRAMES.shape[::-1], 1))(x), "input")
    padded = layers.ZeroPadding2D((3, 0))(x)
    parts = []
    for number, width in enumerate(_TIMBRE, start=1):
        found = layers.Conv2D(_N_TIMBRE, (7, width), name=f"timbre{number}")(padded)
        parts.append(loudest_band(found, f"timbre{number}"))
    for number, length in enumerate(_RHYTHM, start=1):
        filters = layers.Conv2D(_N_RHYTHM, (length, 1), padding="same", name=f"rhythm{number}")
        parts.append(loudest_band(filters(x), f"rhythm{number}"))
    front = layers.Concatenate()(parts)
    course, courses = front, [front]
    for number in (1, 2, 3):
        filters = layers.Conv1D(
            _N_MIDDLE, 7, padding="same", activation="relu", name=f"middle{number}"
        )
        found = normalised(filters(course), f"middle{number}")
        course = found if number == 1 else layers.Add()([found, course])
        courses.append(course)
    every = layers.Concatenate()(courses)
    pooled = layers.Concatenate()([ops.max(every, axis=1), ops.mean(every, axis=1)])
    x = layers.Dense(N_EMBEDDING, activation="relu", name="dense")(normalised(pooled, "pooled"))
    embedding = normalised(x, "dense")
    scores = layers.Dense(len(MSD_TAGS), activation="sigmoid", name="scores")(embedding)
    return Model(patches, [scores, embedding], name=name)


def layer_variables() -> dict[str, str]:
    """Where the authors' checkpoints keep the weights of the network.

    Returns
    -------
    dict
        Layer and weight, such as ``timbre1/kernel``, to the variable's name.
    """
    found: dict[str, str] = {}
    convolutions = (*FRONT, "middle1", "middle2", "middle3")
    for number, layer in enumerate(convolutions):
        place = f"conv2d_{number}" if number else "conv2d"
        found |= {f"{layer}/{weight}": f"{place}/{weight}" for weight in ("kernel", "bias")}
    for layer, place in (("dense", "dense"), ("scores", "dense_1")):
        found |= {f"{layer}/{weight}": f"{place}/{weight}" for weight in ("kernel", "bias")}
    for number, layer in enumerate(("input", *convolutions, "pooled", "dense")):
        place = f"batch_normalization_{number}" if number else "batch_normalization"
        for weight in ("gamma", "beta", "moving_mean", "moving_variance"):
            found[f"{layer}_norm/{weight}"] = f"{place}/{weight}"
    return found
