"""Beam's questions about a graph, each answered once.

Beam 2.77 reads the signatures of all methods of a step five times, and makes a parser of options
whenever it compares two types: half of the CPU time of a short run. No answer can change.
"""

from __future__ import annotations

import functools
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import userstate


@functools.cache
def answer_once() -> None:
    """Let Beam keep its answers, in this process from now on."""
    ask_for_specs, ask_for_view = userstate.get_dofn_specs, PipelineOptions.view_as
    specs: dict[tuple[Any, ...], Any] = {}
    views: WeakKeyDictionary[PipelineOptions, dict[type, Any]] = WeakKeyDictionary()

    def get_dofn_specs(dofn: beam.DoFn) -> Any:
        methods = _methods_of(dofn)
        if methods not in specs:
            specs[methods] = ask_for_specs(dofn)
        return specs[methods]

    def view_as(options: PipelineOptions, kind: type) -> Any:
        known = views.setdefault(options, {})
        if kind not in known:
            known[kind] = ask_for_view(options, kind)
        return known[kind]

    userstate.get_dofn_specs = get_dofn_specs
    PipelineOptions.view_as = view_as  # type: ignore[assignment, method-assign]


def _methods_of(step: beam.DoFn) -> tuple[Any, ...]:
    """What decides a step's signatures: its class, and methods that only this one has."""
    own = (value.__func__ for value in vars(step).values() if isinstance(value, MethodType))
    return (type(step), *own)
