"""Beam knows the type of every element: a graph that is wired wrongly fails when it is built."""

import apache_beam as beam
import pytest
from apache_beam.pipeline import PipelineVisitor
from apache_beam.typehints.decorators import TypeCheckError
from apache_beam.typehints.typehints import Any

from genrebeam.model.feature_spec import FeatureSpec
from genrebeam.pipeline.graphs import prepare
from genrebeam.pipeline.graphs.tag import TagLibrary
from genrebeam.pipeline.options.job import check_job
from genrebeam.pipeline.options.tagging import TaggingOptions
from genrebeam.pipeline.runs.run import start_run
from genrebeam.pipeline.training.datasets import dataset_named
from genrebeam.transforms.audio.ptransforms import ExtractFeatures
from genrebeam.transforms.genre.ptransforms import ClassifyTracks
from genrebeam.transforms.in_flight import never
from genrebeam.transforms.outcomes import split_outcomes
from genrebeam.transforms.records import Decision, Features, Outcome, Track
from genrebeam.transforms.reports.ptransforms import WriteReport
from genrebeam.transforms.reports.write import RunFacts
from genrebeam.transforms.tags.ptransforms import ReadTags, WriteTags
from genrebeam.transforms.tags.tag import TagPolicy


class Types(PipelineVisitor):
    """The type of each PCollection that a step of ours makes, by the step's name."""

    def __init__(self) -> None:
        self.found: dict[str, object] = {}

    def visit_transform(self, node) -> None:
        self._note(node)

    def enter_composite_transform(self, node) -> None:
        self._note(node)

    def _note(self, node) -> None:
        # What Beam's own composites do inside is theirs.
        if node.parent and type(node.parent.transform).__module__.startswith("apache_beam."):
            return
        for tag, made in node.outputs.items():
            self.found[f"{node.full_label} {tag}"] = getattr(made, "element_type", None)


def untyped(pipeline: beam.Pipeline) -> list[str]:
    types = Types()
    pipeline.visit(types)
    return [f"{name}: {type}" for name, type in types.found.items() if "Any" in str(type)]


@pytest.mark.parametrize(
    "options",
    [{}, {"incremental": False}, {"retry_failed": True}, {"consistent": "album", "bundle": None}],
)
def test_every_element_of_the_tagging_graph_has_a_type(tmp_path, tiny_bundle, options):
    library, reports = tmp_path / "music", str(tmp_path / "reports")
    library.mkdir()
    options = {"bundle": tiny_bundle.path, "report": reports, **options}
    job = check_job(str(library), TaggingOptions(**options))
    for _ in range(2):  # the second run looks up the first
        run = start_run(reports)
        run.write_manifest(
            {
                "library": str(library),
                "started_at": "2026",
                "state": "interrupted",
                "options": job.options.recorded(),
            }
        )
    pipeline = beam.Pipeline()
    _ = pipeline | TagLibrary(job, start_run(reports), closes_itself=True)
    assert untyped(pipeline) == []


@pytest.mark.parametrize("kind", ["log_mel", "outputs"])
def test_every_element_of_the_preparing_graph_has_a_type(tmp_path, kind):
    from genrebeam.model.bundle import load_bundle

    spec = FeatureSpec() if kind == "log_mel" else load_bundle().features
    pipeline = beam.Pipeline()
    labelling = dataset_named("folders").labelling(str(tmp_path))
    prepare.build(pipeline, [str(tmp_path)], labelling, spec, str(tmp_path / "out"), 1)
    assert untyped(pipeline) == []


def steps(bundle) -> dict[str, tuple[type, beam.PTransform]]:
    return {
        "read tags": (Track, split_outcomes(ReadTags(TagPolicy(), never))),
        "extract": (Track, ExtractFeatures(bundle.features, 1, processes=1)),
        "classify": (Features, ClassifyTracks(bundle)),
        "write": (Decision, WriteTags(TagPolicy(), [].append)),
    }


@pytest.mark.parametrize("name", ["read tags", "extract", "classify", "write"])
@pytest.mark.parametrize("given", [Track, Features, Decision, Outcome])
def test_a_step_takes_elements_of_its_type_alone(tiny_bundle, name, given):
    wanted, step = steps(tiny_bundle)[name]
    elements = beam.Pipeline() | beam.Create([]).with_output_types(given)
    if given is wanted:
        _ = elements | name >> step
    else:
        with pytest.raises(TypeCheckError):
            _ = elements | name >> step


def test_a_report_takes_outcomes_alone(tiny_bundle):
    tracks = beam.Pipeline() | beam.Create([]).with_output_types(Track)
    with pytest.raises(TypeCheckError):
        _ = {"tagged": tracks} | WriteReport("/reports", "/tmp", RunFacts(tiny_bundle, ""))


def test_what_has_no_type_is_found():
    pipeline = beam.Pipeline()
    _ = pipeline | beam.Create([1]) | "any" >> beam.Map(lambda x: x).with_output_types(Any)
    assert [name.split()[0] for name in untyped(pipeline)] == ["any"]
