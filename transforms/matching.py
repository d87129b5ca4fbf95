"""Matching: what shares a key comes together, and Beam knows its types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.typehints.native_type_compatibility import convert_to_beam_type

from genrebeam.transforms.records import Track


class MatchByKey(beam.PTransform):
    """Beam's CoGroupByKey, which forgets the types where its inputs are of several."""

    def __init__(self, type: Any) -> None:
        super().__init__()
        self.type = convert_to_beam_type(type)

    def expand(self, collections: dict[str, PCollection]) -> PCollection:
        matched = collections | beam.CoGroupByKey()
        matched.element_type = self.type
        return matched


def keyed(key: Callable[..., str], *arguments: str) -> beam.PTransform:
    """Key tracks: Track -> (str, Track)."""
    # Beam's own `WithKeys` does not know the type of the key.
    return beam.Map(lambda track: (key(track, *arguments), track)).with_output_types(
        tuple[str, Track]
    )
