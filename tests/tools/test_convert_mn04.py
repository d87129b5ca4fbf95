"""The converter reads tensors and nothing else, and makes the weights that are shipped."""

import collections
import io
import pickle
import zipfile

import numpy as np
import pytest

from genrebeam.model.backbones.backbone import BACKBONES
from tools.convert_mn04 import keras_weights, read_checkpoint


def checkpoint(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return stream.getvalue()


@pytest.mark.parametrize("harmful", [print, eval, zipfile.ZipFile, np.ndarray])
def test_a_checkpoint_that_holds_more_than_tensors_is_refused(harmful):
    content = pickle.dumps(collections.OrderedDict(a=harmful), protocol=2)
    with pytest.raises(pickle.UnpicklingError, match="no part of a tensor"):
        read_checkpoint(checkpoint(content))


def test_shipped_weights_are_those_of_the_published_checkpoint(shared_data):
    published = shared_data.parent / "weights" / "efficientat_mn04_as.pt"
    weights = keras_weights(read_checkpoint(published.read_bytes()))
    shipped = BACKBONES["mn04"].read_weights()
    assert list(weights) == list(shipped)
    for name, values in weights.items():
        np.testing.assert_array_equal(values, shipped[name])
