"""Bundles: what is saved is what is loaded, and what is no bundle is said to be none."""

import json
import shutil

import numpy as np
import pytest

from genrebeam.model.bundle import BUNDLES, BundleError, load_bundle


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle.path, tmp_path / "bundle")


def edit(folder, **changes):
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_loads_what_was_saved(tiny_bundle):
    assert load_bundle(tiny_bundle.path) == tiny_bundle


def test_it_is_shown_without_its_figures(tiny_bundle):
    assert repr(tiny_bundle).startswith("Bundle(path=")
    assert "metrics" not in repr(tiny_bundle)


def test_card_names_the_version(tiny_bundle, copied):
    assert (copied / "README.md").read_text() == f"card of {tiny_bundle.version}\n"


def test_reading_the_facts_does_not_import_tensorflow(copied):
    import subprocess
    import sys

    program = (
        "import sys; from genrebeam.model.bundle import load_bundle; load_bundle(sys.argv[1]);"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    subprocess.run([sys.executable, "-c", program, str(copied)], check=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 99}, "bundle format 99; this version reads 1"),
        ({"temperature": 3.0}, "do not belong together"),
        ({"temperature": 0}, "temperatures are not above 0"),
        ({"min_confidence": 7}, "a number out of range"),
        ({"n_segments": -4}, "a number out of range"),
        ({"genres": ["", "B", "C"]}, "an empty genre"),
        ({"labels": ["a"]}, "differ in number"),
        ({"features": {"no_such": 1}}, "does not fit this version"),
        ({"nll": 1}, "does not fit this version"),
    ],
)
def test_refuses_facts_that_do_not_fit(copied, change, reason):
    edit(copied, **change)
    with pytest.raises(BundleError, match=reason):
        load_bundle(copied)


def test_training_facts_do_not_change_the_version(copied, tiny_bundle):
    edit(copied, training={"note": "retold"})
    assert load_bundle(copied).version == tiny_bundle.version


def test_refuses_another_network(copied):
    with open(copied / "model.keras", "ab") as stream:
        stream.write(b"!")
    with pytest.raises(BundleError, match="do not belong together"):
        load_bundle(copied)


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"format": 1}'])
def test_refuses_what_is_no_bundle(tmp_path, content):
    if content is not None:
        (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(BundleError):
        load_bundle(tmp_path)


def test_refuses_a_bundle_without_its_network(copied):
    (copied / "model.keras").unlink()
    with pytest.raises(BundleError, match=r"model\.keras cannot be read"):
        load_bundle(copied)


def test_code_in_a_network_is_not_run_and_nobody_is_told_how_to(copied):
    import keras

    bundle = load_bundle(copied)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
    network.save(copied / "model.keras")
    with pytest.raises(BundleError, match="code of its own, which is not run") as caught:
        bundle.load_network()
    assert "unsafe" not in str(caught.value)


def test_refuses_a_network_that_is_none(copied):
    from genrebeam.model.bundle import _version

    (copied / "model.keras").write_bytes(b"no network")
    facts = json.loads((copied / "bundle.json").read_text())
    edit(copied, version=_version(copied / "model.keras", facts))
    with pytest.raises(BundleError, match="cannot be loaded"):
        load_bundle(copied).load_network()


@pytest.mark.parametrize("name", ["default", "gtzan"])
def test_a_shipped_bundle_is_small_and_complete(name):
    folder = BUNDLES / name
    bundle = load_bundle(folder)
    assert len(bundle.labels) >= 10
    assert bundle.version in (folder / "README.md").read_text()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000_000
    if bundle.features.backbone:
        head = bundle.load_head()
        outputs = head.logits(np.zeros((2, head.n_inputs), np.float32))
    else:
        outputs = bundle.load_network()(np.zeros((2, *bundle.features.shape)))
    assert outputs.shape == (2, len(bundle.labels))
