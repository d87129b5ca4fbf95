"""Ears without TensorFlow: ONNX Runtime runs their graphs on a CPU.

It is imported in 0.05 s of CPU, TensorFlow in 2.5 s, and hears a track in a tenth less. The
graphs beside the weights name what each weight is for (``benchmarks/ear_graphs.py`` makes them
from the Keras networks). The values come from the same files as those of Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.model.pretrained.ears import EARS, EarError


def open_ears(spec: FeatureSpec, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Open all ears of a spec, the counterpart of `load_ears` on a CPU.

    Parameters
    ----------
    spec : FeatureSpec
        Of kind ``ears``.
    threads : int
        Segments that are heard at a time, each in one thread.

    Returns
    -------
    callable
        From ``(n, *spec.shape)`` float16 or float32 segments to ``(n, n_outputs) float32``, see
        `load_ears`. What is found in a segment does not depend on the others.

    Raises
    ------
    EarError
        If the weights are not those that the spec was made with, or a graph is damaged.
    """
    import onnxruntime

    ears = []
    for one in spec.ears:
        ear = EARS[one.name]
        ear.check(one.version)
        options = onnxruntime.SessionOptions()
        # Threads that share an operation wait for each other in a busy loop, which takes the CPUs
        # from the decoders. Threads with a segment each wait for nothing.
        options.intra_op_num_threads = 1
        weights = ear.read_weights()
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
        try:
            session = onnxruntime.InferenceSession(
                str(ear.graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has classes of its own for each way to fail
            raise EarError(ear.graph, f"cannot be opened: {error}") from error
        ears.append((one, session))

    def hear(segment: np.ndarray) -> np.ndarray:
        parts, first = [], 0
        for one, session in ears:
            values = segment[first : first + one.n_values, 0].astype(np.float32)
            first += one.n_values
            patches = values.reshape(-1, *one.frames.shape)
            parts += [found.mean(axis=0) for found in session.run(None, {"patches": patches})]
        return np.concatenate(parts)

    at_a_time = ThreadPoolExecutor(threads, "ears")
    return lambda segments: np.stack(list(at_a_time.map(hear, segments)))
