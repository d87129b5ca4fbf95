"""Head: a linear model of what a backbone puts out; levels, embeddings, what is no music."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import logit, logsumexp

from genrebeam.model.backbones.backbone import BACKBONES
from genrebeam.model.bundle import Bundle, BundleError, load_bundle, save_bundle
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.head import (
    Head,
    Sound,
    inputs_of,
    load_head,
    over_time,
    scores_of,
    sound_of,
    sounds_of,
)
from genrebeam.model.recipes.backbone import BACKBONE_FEATURES as SPEC
from genrebeam.model.training.linear import fit_head

PROJECTION = BACKBONES["mn04"].projection
N = PROJECTION.n_inputs
N_KEPT = len(PROJECTION.classes)
LABELS = BACKBONES["mn04"].read_labels()


def outputs(**scores: float) -> np.ndarray:
    """Outputs for one window in which these sounds are recognised, and else hardly anything."""
    found = np.full((1, SPEC.n_outputs), logit(1e-4), np.float32)
    for label, score in scores.items():
        found[0, LABELS.index(label)] = logit(score)
    return found


@pytest.fixture(scope="module")
def tracks() -> tuple[np.ndarray, np.ndarray]:
    """Inputs of tracks of three classes, and these classes."""
    chance = np.random.default_rng(0)
    inputs = chance.random((60, N)).astype(np.float32)
    classes = np.arange(60) % 3
    inputs[np.arange(60), N_KEPT + classes] += 10
    return inputs, classes


@pytest.fixture(scope="module")
def head(tracks) -> Head:
    inputs, classes = tracks
    return fit_head(inputs, np.eye(3)[classes], SPEC)


def two_levels(head: Head) -> Head:
    """Three families of which the first has two styles."""
    chance = np.random.default_rng(1)
    return dataclasses.replace(
        head,
        style_kernel=chance.normal(0, 0.1, (N, 4)).astype(np.float32),
        style_bias=np.zeros(4, np.float32),
        family_of=np.array([0, 0, 1, 2]),
    )


def test_inputs_are_means_over_the_windows():
    found = inputs_of(np.concatenate([outputs(Music=0.2), outputs(Music=0.6)]), SPEC)
    place = PROJECTION.classes.tolist().index(LABELS.index("Music"))
    assert found[place] == pytest.approx((logit(0.2) + logit(0.6)) / 2, abs=1 / 32)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_linear_model_finds_what_differs_and_leaves_logits_out(tracks, n_classes):
    inputs, classes = tracks
    chosen = classes < n_classes
    head = fit_head(inputs[chosen], np.eye(n_classes)[classes[chosen]], SPEC)
    assert (head.logits(inputs[chosen]).argmax(axis=1) == classes[chosen]).all()
    assert head.kernel.shape == (N, n_classes)
    assert not head.kernel[:N_KEPT].any()


def test_a_track_may_be_of_two_classes_and_count_little(tracks):
    inputs, classes = tracks
    both = np.full((60, 3), 1 / 3)
    assert np.ptp(fit_head(inputs, both, SPEC).logits(inputs), axis=1).max() < 0.01
    weights = np.where(classes == 0, 1e-6, 1.0)
    few = fit_head(inputs, np.eye(3)[classes], SPEC, weights=weights)
    assert few.logits(inputs)[:, 0].mean() < few.logits(inputs)[:, 1:].mean() - 2


def test_a_prior_is_not_learned_again(tracks):
    inputs, classes = tracks
    prior = 20.0 * np.eye(3)[classes]
    learned = fit_head(inputs, np.eye(3)[classes], SPEC, prior=prior)
    assert np.abs(learned.kernel).max() < 1e-3


def test_styles_share_the_logit_of_their_family(tracks, head):
    inputs, _ = tracks
    both = two_levels(head)
    found = both.logits(inputs)
    assert both.n_genres == 4
    families = np.stack([logsumexp(found[:, both.family_of == k], axis=1) for k in range(3)], 1)
    np.testing.assert_allclose(families, head.logits(inputs), atol=1e-4)


def test_a_head_may_compare_a_track_with_those_that_it_learned_from(tracks, head):
    inputs, classes = tracks
    kernel = np.eye(3, dtype=np.float32)[classes]
    near = Head(kernel, np.zeros(3), inputs[:, N_KEPT:], gamma=10.0)
    assert near.n_genres == 3
    np.testing.assert_allclose(near.logits(inputs), kernel, atol=0.01)
    np.testing.assert_allclose(near.logits(inputs + 100), 0, atol=1e-6)  # unlike all of them


@pytest.mark.parametrize("levels", [1, 2])
def test_a_head_is_saved_and_loaded(tmp_path, tracks, head, levels):
    head = head if levels == 1 else two_levels(head)
    head.save(tmp_path / "head.npz")
    loaded = load_head(tmp_path / "head.npz")
    np.testing.assert_array_equal(loaded.logits(tracks[0]), head.logits(tracks[0]))
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "head.npz").read_bytes()


def test_a_bundle_with_a_backbone_holds_a_head_and_no_network(tmp_path, head):
    (tmp_path / "model.keras").write_text("of the bundle before")
    names, families = ("a", "b", "c", "d"), ("a", "a", "c", "d")
    made = Bundle("", "w", "", names, names, SPEC, families=families, unchecked=("b",))
    saved = save_bundle(made, two_levels(head), tmp_path, "card {version}")
    assert {path.name for path in tmp_path.iterdir()} == {"head.npz", "bundle.json", "README.md"}
    assert load_bundle(tmp_path) == saved
    np.testing.assert_array_equal(saved.load_head().kernel, head.kernel)
    (tmp_path / "head.npz").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="do not belong together"):
        load_bundle(tmp_path)


def test_a_head_whose_weights_are_no_numbers_is_refused(tmp_path, head):
    made = Bundle("", "b", "", ("a", "b", "c", "d"), ("A", "B", "C", "D"), SPEC)
    broken = dataclasses.replace(head, bias=head.bias * np.nan)
    with pytest.raises(BundleError, match="weights that are no numbers"):
        save_bundle(made, broken, tmp_path, "").load_head()


def test_a_head_that_does_not_fit_is_refused(tmp_path, head):
    made = Bundle("", "b", "", ("a", "b"), ("A", "B"), SPEC)
    saved = save_bundle(made, head, tmp_path, "")
    with pytest.raises(BundleError, match="the bundle says"):
        saved.load_head()


@given(
    hnp.arrays(np.float64, (3, 6), elements=st.floats(-20, 20)),
    st.floats(0.05, 5),
    st.floats(0.05, 5),
)
def test_temperatures_change_no_order_of_families_nor_of_styles(logits, temperature, style):
    families = ["a", "a", "a", "b", "b", "c"]
    plain = probabilities_of(logits, 1.0, families)
    found = probabilities_of(logits, temperature, families, style)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    members = np.array([[family == name for name in "abc"] for family in families])
    before, after = plain @ members, found @ members
    for one, other in zip(before, after, strict=True):
        winner = one.argmax()
        assert other[winner] >= other.max() - 1e-6
    for row, other in zip(logits[:, :3], found[:, :3], strict=True):
        assert other[row.argmax()] >= other.max() - 1e-9


@pytest.mark.parametrize(
    ("music", "other", "is_music"),
    [(0.9, 0.01, True), (0.2, 0.02, True), (0.05, 0.01, False), (0.2, 0.9, False)],
)
def test_what_is_hardly_music_is_none(music, other, is_music):
    assert Sound(music, "Speech", other).is_music is is_music


def test_the_likeliest_sound_that_is_no_music_is_named():
    sound = sound_of(scores_of(outputs(Music=0.1, Speech=0.8, Piano=0.9, Singing=0.9), SPEC), SPEC)
    assert not sound.is_music
    assert sound.name == "Speech (0.80), music 0.10"


def test_sounds_come_the_likeliest_first():
    sounds = sounds_of(outputs(Reggae=0.5, Jazz=0.3), SPEC)
    assert [label for label, _ in sounds[:2]] == ["Reggae", "Jazz"]
    assert len(sounds) == len(LABELS)
    assert sounds_of(outputs(Reggae=0.5), SPEC, 1) == [("Reggae", pytest.approx(0.5, abs=1e-3))]


def test_over_time_averages_neighbours():
    course = np.arange(5, dtype=np.float32)[:, None]
    assert over_time(course, 1)[:, 0].tolist() == [0.5, 1, 2, 3, 3.5]
    assert over_time(course, 0) is course
