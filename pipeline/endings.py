"""How a track's way can end in a graph."""

from __future__ import annotations

import apache_beam as beam


def ends_or_goes_on(step: beam.DoFn) -> beam.PTransform:
    """A step in which a track's way can end: ``outcomes`` beside those that go on.

    Parameters
    ----------
    step : beam.DoFn

    Returns
    -------
    beam.PTransform
        Its result has the outputs ``goes_on`` and ``outcomes``.
    """
    return beam.ParDo(step).with_outputs("outcomes", main="goes_on")
