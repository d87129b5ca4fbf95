"""Ears: ports of published networks, fed by our own features, say what the originals say."""

import dataclasses
import json

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from genrebeam.model.bundle import DEFAULT_BUNDLE, Bundle, BundleError, load_bundle
from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.pretrained.convert import yamnet_weights
from genrebeam.model.pretrained.ears import EARS, EarError, load_ears, outputs_of
from genrebeam.model.pretrained.sessions import open_ears
from genrebeam.model.recipes.ears import EARS_FEATURES, N_SEGMENTS
from genrebeam.transforms.audio.features import TooShort, hear
from genrebeam.transforms.audio.mel import log_mel, mel_bands
from genrebeam.transforms.genre.classify import Classifier
from tests.conftest import tone

# What expected.json calls them, the most patches it heard of a track, and how exactly they
# agree: the published YAMNet file computes its spectrogram with weights of 8 bits.
ORIGINALS = {
    "yamnet": ("yamnet", 24, 5e-3),
    "musicnn_msd": ("musicnn_MSD", 16, 1e-3),
    "musicnn_mtt": ("musicnn_MTT", 16, 1e-3),
}


def alone(name: str, samples: int) -> FeatureSpec:
    """One ear with one patch a segment, a segment every so many samples."""
    return dataclasses.replace(
        EARS_FEATURES,
        hop_length=1,
        frame_step=samples,
        ears=(EARS[name].hears(),),
        least_share=0.9,
        least_peak=0.0,
    )


# Patches that follow one another: of the file itself, and of the authors' frames.
SPECS = {
    "yamnet": alone("yamnet", 15600),
    "musicnn_msd": alone("musicnn_msd", 187 * 256),
    "musicnn_mtt": alone("musicnn_mtt", 187 * 256),
}


def patches_of(segments: np.ndarray, spec: FeatureSpec) -> dict[str, np.ndarray]:
    """What each ear gets: ``(n_segments, n_patches, n_mels, segment_frames)``."""
    found, first = {}, 0
    for ear in spec.ears:
        shape = (len(segments), len(ear.patches), *ear.frames.shape)
        found[ear.name] = segments[:, first : first + ear.n_values, 0].reshape(shape)
        first += ear.n_values
    return found


@pytest.mark.parametrize("name", ORIGINALS)
def test_a_port_says_of_real_music_what_the_original_says(name, shared_data):
    key, most, tolerance = ORIGINALS[name]
    expected = json.loads((shared_data.parent / "weights" / "expected.json").read_text())
    assert len(expected) == 15
    network = EARS[name].load()
    for place, said in expected.items():
        path = shared_data / place
        heard = hear(str(path), path.suffix[1:], SPECS[name]).log_mel
        patches = patches_of(heard, SPECS[name])[name][:, 0].astype(np.float32)
        chosen = np.linspace(0, len(patches) - 1, min(most, len(patches))).astype(int)
        scores = network.predict(patches[chosen], verbose=0)[0].mean(axis=0)
        found = dict(zip(EARS[name].words, scores, strict=True))
        assert {word: found[word] for word in said[key]} == pytest.approx(
            said[key], abs=tolerance
        ), place


def test_shipped_weights_are_those_of_the_published_file(shared_data):
    weights = yamnet_weights(shared_data.parent / "weights" / "yamnet.tflite")
    with np.load(EARS["yamnet"].weights) as shipped:
        assert set(shipped.files) == set(weights)
        for name, values in weights.items():
            np.testing.assert_array_equal(shipped[name], values)


@pytest.mark.parametrize("name", EARS)
def test_an_ear_has_a_word_for_every_score(name):
    ear = EARS[name]
    assert len(ear.words) == len(set(ear.words)) == ear.n_words
    network = ear.build()
    assert [tuple(out.shape[1:]) for out in network.outputs] == [(ear.n_words,), (ear.n_embedding,)]


def test_musicnn_frames_are_those_of_librosa():
    samples = tone(4, rate=16000)[:, 0].astype(np.float32)
    frames = EARS["musicnn_msd"].frames
    power = librosa.feature.melspectrogram(
        y=samples, sr=16000, n_fft=512, hop_length=256, n_mels=96
    )
    padded = np.concatenate([np.zeros(256, np.float32), samples])
    found = log_mel(mel_bands(padded[: 186 * 256 + 512], frames), frames)
    np.testing.assert_allclose(found, np.log10(10000 * power[:, :187] + 1), atol=1e-4)


def test_yamnet_frames_are_those_of_tensorflow():
    import tensorflow as tf

    samples = tone(1, rate=16000)[:15600, 0].astype(np.float32)
    magnitude = tf.abs(tf.signal.stft(samples, 400, 160, 512))
    bands = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
    expected = np.log(tf.matmul(magnitude, bands).numpy() + 0.001).T
    frames = EARS["yamnet"].frames
    np.testing.assert_allclose(log_mel(mel_bands(samples, frames), frames), expected, atol=2e-4)


def test_patches_lie_where_the_spec_says(tmp_path):
    samples = 2 * tone(20, rate=16000)[:, 0].astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples, 16000, subtype="PCM_24")
    heard = hear(str(tmp_path / "a.flac"), "flac", EARS_FEATURES).log_mel
    assert heard.shape == (3, *EARS_FEATURES.shape)
    assert heard.dtype == np.float16
    patches = patches_of(heard, EARS_FEATURES)
    for ear in EARS_FEATURES.ears:
        for number, place in enumerate(ear.patches):
            begin = EARS_FEATURES.piece_samples + place - ear.lead_samples
            expected = mel_bands(samples[begin : begin + ear.patch_samples], ear.frames)
            expected = log_mel(expected, ear.frames)
            np.testing.assert_allclose(patches[ear.name][1, number], expected, atol=5e-3)


def test_a_quiet_track_sounds_as_if_it_were_louder_and_a_loud_one_as_it_is(tmp_path):
    sound = tone(12, rate=16000)
    sound *= 0.8 / np.abs(sound).max()

    def heard(gain: float) -> np.ndarray:
        soundfile.write(tmp_path / "a.flac", gain * sound, 16000, subtype="PCM_24")
        return hear(str(tmp_path / "a.flac"), "flac", EARS_FEATURES).log_mel

    whole, half, quiet = heard(1), heard(0.625), heard(0.03)
    np.testing.assert_allclose(quiet, half, atol=0.01)  # both peak at half of full scale now
    assert np.abs(whole - half).max() > 0.1
    assert heard(1e-4).max() < half.max()  # not without end


def test_less_than_a_segment_is_too_short_to_judge(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(5, rate=16000), 16000)
    with pytest.raises(TooShort, match="at least"):
        hear(str(tmp_path / "a.wav"), "wav", EARS_FEATURES)


@given(st.integers(0, 10_000_000), st.one_of(st.none(), st.integers(1, 20)))
def test_every_segment_that_is_heard_lies_within_the_track(n_samples, n_segments):
    n_frames = EARS_FEATURES.count_frames(n_samples)
    starts = EARS_FEATURES.segment_starts(n_frames, n_segments)
    assert starts == sorted(set(starts))
    if n_frames:
        assert (starts[-1] + 1) * EARS_FEATURES.piece_samples <= n_samples
        assert len(starts) == min(n_frames, n_segments or n_frames)


def test_a_spec_with_ears_survives_json():
    facts = json.loads(json.dumps(dataclasses.asdict(EARS_FEATURES)))
    assert FeatureSpec.from_facts(facts) == EARS_FEATURES
    assert EARS_FEATURES.outputs.patches == EARS_FEATURES


def test_all_ears_together_say_what_each_says_alone():
    segments = np.random.default_rng(0).normal(size=(2, *EARS_FEATURES.shape)).astype(np.float32)
    outputs = load_ears(EARS_FEATURES).predict(segments, verbose=0)
    assert outputs.shape == (2, EARS_FEATURES.outputs.n_rows)
    patches = patches_of(segments, EARS_FEATURES)
    for of in outputs_of(EARS_FEATURES):
        heard = patches[of.ear.name]
        alone = of.ear.load().predict(heard.reshape(-1, *heard.shape[2:]), verbose=0)
        for place, found in zip((of.scores, of.embedding), alone, strict=True):
            means = found.reshape(2, -1, found.shape[-1]).mean(axis=1)
            np.testing.assert_allclose(outputs[:, place], means, atol=1e-4)


def test_ears_with_other_weights_than_a_model_was_made_with_are_refused():
    ears = tuple(dataclasses.replace(ear, version="0" * 12) for ear in EARS_FEATURES.ears)
    spec = dataclasses.replace(EARS_FEATURES, ears=ears)
    with pytest.raises(EarError, match="is version"):
        load_ears(spec)
    with pytest.raises(BundleError, match="the model needs 000000000000"):
        Bundle("b", "b", "", (), (), spec).load_network()


def test_a_track_gets_the_same_judgement_in_any_company():
    bundle = load_bundle(DEFAULT_BUNDLE)
    assert bundle.n_segments == N_SEGMENTS
    classifier = Classifier(bundle, embeddings=True)
    chance = np.random.default_rng(0)
    tracks = [
        chance.normal(size=(count, *bundle.features.shape)).astype(np.float16)
        for count in (1, 3, 9)
    ]
    together = classifier.of_tracks(tracks)
    for segments, judgement in zip(tracks, together, strict=True):
        (by_itself,) = classifier.of_tracks([segments])
        np.testing.assert_allclose(judgement.overall, by_itself.overall, atol=1e-5)
        assert judgement.probabilities.shape == (len(segments), len(bundle.genres))
        np.testing.assert_allclose(judgement.probabilities.sum(axis=1), 1, atol=1e-5)
        assert judgement.overall.sum() == pytest.approx(1, abs=1e-5)
        assert judgement.embedding.shape == (1224,)
        assert np.linalg.norm(judgement.embedding) == pytest.approx(2**0.5, abs=1e-5)


@pytest.mark.parametrize("name", sorted(EARS))
def test_an_ear_says_the_same_in_onnx_runtime_and_in_keras(name):
    ear = EARS[name]
    hears = ear.hears((0, 8000))
    spec = dataclasses.replace(EARS_FEATURES, ears=(hears,))
    segments = np.random.default_rng(0).normal(size=(3, *spec.shape)).astype(np.float32)
    found = open_ears(spec, threads=1)(segments)
    expected = load_ears(spec).predict(segments, verbose=0)
    assert found.shape == expected.shape == (3, ear.n_words + ear.n_embedding)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_is_heard_of_a_segment_depends_on_no_other_and_on_no_thread():
    spec = dataclasses.replace(EARS_FEATURES, ears=(EARS["yamnet"].hears((0, 8000)),))
    segments = np.random.default_rng(0).normal(size=(5, *spec.shape)).astype(np.float16)
    together = open_ears(spec, threads=3)(segments)
    hear = open_ears(spec, threads=1)
    alone = np.concatenate([hear(segment[None]) for segment in segments])
    np.testing.assert_array_equal(together, alone)


def test_a_graph_that_is_damaged_is_named(monkeypatch, tmp_path):
    broken = tmp_path / "yamnet.onnx"
    broken.write_bytes(b"no graph")
    monkeypatch.setattr(type(EARS["yamnet"]), "graph", broken)
    with pytest.raises(EarError, match=r"yamnet\.onnx: cannot be opened"):
        open_ears(dataclasses.replace(EARS_FEATURES, ears=(EARS["yamnet"].hears(),)), threads=1)
