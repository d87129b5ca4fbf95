"""Head: a linear model of what ears say; words, opinions, levels, and what is no music."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genrebeam.model.bundle import Bundle, BundleError, load_bundle, save_bundle
from genrebeam.model.calibration import probabilities_of
from genrebeam.model.head import Head, Sound, inputs_of, load_head, over_time, sound_of, words_of
from genrebeam.model.pretrained.ears import outputs_of
from genrebeam.model.recipes.ears import EARS_FEATURES
from genrebeam.model.training.linear import fit_linear
from genrebeam.model.training.world_head import GROUPS, fit_world_head
from genrebeam.model.vocabulary import GENRES

SPEC = EARS_FEATURES.outputs
N = SPEC.n_rows


def said(**words: float) -> np.ndarray:
    """Outputs of one segment in which these words are said, and else hardly anything."""
    outputs = np.full((1, N), 1e-4, np.float32)
    for of in outputs_of(SPEC):
        for word, score in words.items():
            word = word.replace("_", " ")
            if word in of.ear.words:
                outputs[0, of.scores.start + of.ear.words.index(word)] = score
    return outputs


@pytest.fixture(scope="module")
def tracks() -> tuple[np.ndarray, list[str]]:
    """Tracks of three groups whose embeddings differ, with few words said."""
    chance = np.random.default_rng(0)
    inputs = np.zeros((60, N), np.float32)
    groups = [GROUPS[number % 3] for number in range(60)]
    for of in outputs_of(SPEC):
        inputs[:, of.scores] = chance.normal(-6, 1, (60, of.scores.stop - of.scores.start))
        width = of.embedding.stop - of.embedding.start
        inputs[:, of.embedding] = chance.random((60, width))
        inputs[np.arange(60), of.embedding.start + np.arange(60) % 3] += 3
    return inputs, groups


def test_inputs_are_means_and_log_odds():
    outputs = np.concatenate([said(Music=0.2), said(Music=0.6)])
    inputs = inputs_of(outputs, SPEC)
    first = next(outputs_of(SPEC))
    music = first.scores.start + first.ear.words.index("Music")
    assert inputs[music] == pytest.approx(np.log(0.4 / 0.6), abs=1e-5)
    np.testing.assert_allclose(inputs[first.embedding], 1e-4)
    np.testing.assert_array_equal(inputs_of(outputs[None], SPEC)[0], inputs)


def test_a_linear_model_ignores_scores_and_finds_what_differs(tracks):
    inputs, groups = tracks
    targets = np.array([GROUPS.index(group) for group in groups])
    head = Head(*fit_linear(inputs, targets, SPEC))
    assert (head.logits(inputs).argmax(axis=1) == targets).all()
    for of in outputs_of(SPEC):
        assert not head.kernel[of.scores].any()
    two = targets < 2
    head = Head(*fit_linear(inputs[two], targets[two], SPEC))
    assert head.kernel.shape == (N, 2)
    assert (head.logits(inputs[two]).argmax(axis=1) == targets[two]).all()


def test_a_genre_is_known_by_its_words(tracks):
    head = fit_world_head(*tracks, SPEC)
    names = [genre.name for genre in GENRES]
    plain = inputs_of(said(), SPEC)
    for genre in GENRES:
        words = dict.fromkeys((*genre.sounds, *genre.tags), 0.4)
        heard = inputs_of(said(**words), SPEC)
        before, after = head.logits(np.stack([plain, heard]))
        gain = dict(zip(names, after - before, strict=True))
        assert gain[genre.name] > 1, genre.name
        # Others share words with it, but none gains more by them.
        assert gain[genre.name] >= max(gain.values()) - 1e-4, genre.name


def test_an_opinion_moves_its_groups_and_nothing_else(tracks):
    inputs, groups = tracks
    head = fit_world_head(inputs, groups, SPEC)
    without = dataclasses.replace(head, opinion_into=None)
    change = head.logits(inputs) - without.logits(inputs)
    for column, genre in enumerate(GENRES):
        if genre.family not in GROUPS:
            assert not change[:, column].any()
        else:
            own = np.array([group == genre.family for group in groups])
            assert change[own, column].mean() > 0 > change[~own, column].mean()


def test_a_head_is_saved_and_loaded(tmp_path, tracks):
    head = fit_world_head(*tracks, SPEC)
    head.save(tmp_path / "head.npz")
    loaded = load_head(tmp_path / "head.npz")
    np.testing.assert_array_equal(loaded.logits(tracks[0]), head.logits(tracks[0]))
    (tmp_path / "again.npz").write_bytes(b"")
    head.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "head.npz").read_bytes()


def test_a_bundle_with_ears_holds_a_head_and_no_network(tmp_path, tracks):
    (tmp_path / "model.keras").write_text("of the bundle before")
    head = fit_world_head(*tracks, SPEC)
    names = tuple(genre.name for genre in GENRES)
    families = tuple(genre.family for genre in GENRES)
    made = Bundle("", "w", "", names, names, EARS_FEATURES, families=families)
    saved = save_bundle(made, head, tmp_path, "card {version}")
    assert {path.name for path in tmp_path.iterdir()} == {"head.npz", "bundle.json", "README.md"}
    assert load_bundle(tmp_path) == saved
    np.testing.assert_array_equal(saved.load_head().kernel, head.kernel)
    (tmp_path / "head.npz").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="do not belong together"):
        load_bundle(tmp_path)


def test_a_head_that_does_not_fit_is_refused(tmp_path):
    head = Head(np.zeros((N, 3), np.float32), np.zeros(3, np.float32))
    saved = save_bundle(
        Bundle("", "b", "", ("a", "b"), ("A", "B"), EARS_FEATURES), head, tmp_path, ""
    )
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
    sound = sound_of(said(Music=0.1, Speech=0.8, Piano=0.9, Singing=0.9), SPEC)
    assert not sound.is_music
    assert sound.name == "Speech (0.80), music 0.10"


def test_words_come_ear_by_ear_likeliest_first():
    words = words_of(said(Reggae=0.5, Jazz=0.3, jazz=0.4), SPEC)
    assert words[0][:2] == ("yamnet", "Reggae")
    assert words[1][:2] == ("yamnet", "Jazz")
    assert next(word for word in words if word[0] == "musicnn_msd")[1] == "jazz"
    assert len(words) == sum(of.ear.n_words for of in outputs_of(SPEC))


def test_over_time_averages_neighbours():
    course = np.arange(5, dtype=np.float32)[:, None]
    assert over_time(course, 1)[:, 0].tolist() == [0.5, 1, 2, 3, 3.5]
    assert over_time(course, 0) is course
