"""Beam's questions about a graph, each answered once."""

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, TypeOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import userstate

from genrebeam.pipeline.graphs.introspection import answer_once

_SEEN = beam.DoFn.StateParam(userstate.ReadModifyWriteStateSpec("seen", VarIntCoder()))


class _Count(beam.DoFn):
    def process(self, element, seen=_SEEN):
        seen.write((seen.read() or 0) + 1)
        yield element[0], seen.read()


class _Plain(beam.DoFn):
    def process(self, element):
        yield element


def test_steps_with_and_without_state_are_told_apart():
    answer_once()
    assert [userstate.is_stateful_dofn(step()) for step in (_Count, _Plain, _Count, _Plain)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_method_that_only_one_step_has_counts():
    answer_once()
    plain, special = _Plain(), _Plain()
    special.process = _Count().process
    assert not userstate.is_stateful_dofn(plain)
    assert userstate.is_stateful_dofn(special)


def test_an_option_that_is_set_later_is_seen_by_all_views():
    answer_once()
    options = PipelineOptions(["--runner=FnApiRunner"])
    assert options.view_as(TypeOptions) is options.view_as(TypeOptions)
    options.view_as(StandardOptions).streaming = True
    assert options.view_as(StandardOptions).streaming
    assert not PipelineOptions([]).view_as(StandardOptions).streaming


def test_two_pipelines_with_state_and_options_of_their_own_run():
    answer_once()
    for kind in ("FnApiRunner", "FnApiRunner"):
        with beam.Pipeline(kind) as pipeline:
            counted = (
                pipeline
                | beam.Create([("a", 1), ("a", 1), ("b", 1)])
                | beam.ParDo(_Count())
                | beam.CombinePerKey(max)
            )
            assert_that(counted, equal_to([("a", 2), ("b", 1)]))
