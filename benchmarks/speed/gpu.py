#!/usr/bin/env python3
"""How many segments a GPU classifies, and what it takes to feed it.

    KERAS_BACKEND=jax python benchmarks/speed/gpu.py --analyse-ms 45

Needs Keras and JAX (with CUDA), not TensorFlow; reads a bundle's network as it is. For
each batch size: segments/s with the features on the GPU already, segments/s when each batch comes
from memory as float16 as in the pipeline, and the share of that time in which the GPU computes.
From the CPU time that a track's decoding and features take (``--analyse-ms``, from `speed.py
profile`) follow the processes that feed the GPU and the cost of a million tracks. Without a GPU
it runs on the CPU and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from genrebeam.model.bundle import BUNDLES, load_bundle  # noqa: E402

_SECONDS = 2.0


def compiled(network: keras.Model) -> Callable[[Any], Any]:
    """The network as one program, from float16 segments to logits."""
    trained = [weight.value for weight in network.trainable_variables]
    observed = [weight.value for weight in network.non_trainable_variables]

    @jax.jit
    def classify(segments: Any) -> Any:
        segments = segments.astype(jnp.float32)
        return network.stateless_call(trained, observed, segments, training=False)[0]

    return classify


def per_second(step: Callable[[], Any]) -> float:
    """How often a step runs in a second, waiting for each result."""
    step()
    step()
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < _SECONDS:
        step()
        count += 1
    return count / spent


def measure(
    classify: Callable[[Any], Any], shape: tuple[int, ...], size: int
) -> dict[str, float | int]:
    """Segments/s of one batch size."""
    batch = np.random.default_rng(0).random((size, *shape)).astype(np.float16)
    there = jax.device_put(batch)
    computing = per_second(lambda: classify(there).block_until_ready())
    whole = per_second(lambda: np.asarray(classify(batch)))
    return {
        "batch_segments": size,
        "segments_per_s_on_device": round(size * computing),
        "segments_per_s_from_memory": round(size * whole),
        "share_of_time_computing": round(whole / computing, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--batches", default="64,256,1024,4096")
    parser.add_argument("--analyse-ms", type=float, required=True, help="CPU ms a track")
    parser.add_argument("--bundle", default="default", help="default or gtzan")
    parser.add_argument(
        "--segments", type=int, help="analysed of a track; default: the model's own"
    )
    parser.add_argument("--vcpu-price", type=float, default=0.06, help="of a vCPU hour with memory")
    parser.add_argument("--gpu-price", type=float, default=0.8, help="of a GPU hour")
    arguments = parser.parse_args()
    bundle = load_bundle(BUNDLES / arguments.bundle)
    classify = compiled(bundle.load_network())
    sizes = map(int, arguments.batches.split(","))
    rows = [measure(classify, bundle.features.shape, size) for size in sizes]
    n_segments = arguments.segments or bundle.n_segments
    tracks = max(row["segments_per_s_from_memory"] for row in rows) / n_segments
    feeders = tracks * arguments.analyse_ms / 1e3
    hours = 1e6 / tracks / 3600
    price = hours * (arguments.gpu_price + feeders * arguments.vcpu_price)
    device = jax.devices()[0]
    if device.platform == "cpu":
        print("no GPU here: these are the CPU's figures", file=sys.stderr)
    result = {
        "device": str(device.device_kind),
        "batches": rows,
        "tracks_per_s": round(tracks, 1),
        "processes_that_feed_it": round(feeders, 1),
        "hours_for_a_million_tracks": round(hours, 3),
        "price_of_a_million_tracks": round(price, 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
