"""ExternalJoin: the same groups in memory and in files."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrebeam.transforms.library import external_join
from genrebeam.transforms.library.external_join import ExternalJoin

NAMES = st.text(st.characters(codec=None), max_size=3)
VALUES = st.lists(st.tuples(st.sampled_from(["listed", "earlier"]), NAMES, st.integers()))


@pytest.fixture(params=[1, 7, 100_000])
def held(request, monkeypatch) -> int:
    """Values that stay in memory."""
    monkeypatch.setattr(external_join, "_MOST_IN_MEMORY", request.param)
    return request.param


@given(VALUES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_is_in_the_group_of_its_key(held, tmp_path, values):
    expected: dict[str, dict[str, list]] = defaultdict(lambda: {"listed": [], "earlier": []})
    with ExternalJoin(("listed", "earlier"), str(tmp_path)) as found:
        for source, key, value in values:
            found.add(source, key, value)
            expected[key][source].append(value)
        assert dict(found.groups()) == expected


def test_values_that_fit_into_memory_keep_their_order_and_leave_the_disk_alone(tmp_path):
    with ExternalJoin(("listed",), str(tmp_path / "no such folder")) as found:
        for key in ("c", "a", "b"):
            found.add("listed", key, key)
        assert [key for key, _ in found.groups()] == ["c", "a", "b"]


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(external_join, "_MOST_IN_MEMORY", 1)
    with ExternalJoin(("listed",), str(tmp_path)) as found:
        found.add("listed", "a", 1)
    assert list(tmp_path.iterdir()) == []
