"""How a track can leave the graph early."""

from __future__ import annotations

import apache_beam as beam


def split_outcomes(step: beam.DoFn) -> beam.PTransform:
    """Apply a step in which some tracks end: they come out as ``outcomes``.

    Returns
    -------
    beam.PTransform
        Its result has the outputs ``passed`` and ``outcomes``.
    """
    return beam.ParDo(step).with_outputs("outcomes", main="passed")
