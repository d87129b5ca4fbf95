"""Corrections: what a page saves is read; anything else is one clear line."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrebeam.pipeline.runs import corrections
from genrebeam.pipeline.runs.corrections import Choice, CorrectionsError, read_corrections

CHOICE = {
    "uri": "/music/a.mp3",
    "run": "1",
    "choice": "corrected",
    "genres": ["Punk"],
    "in_file": ["Rock"],
}


@pytest.fixture
def read(tmp_path):
    """Read a file with this content: bytes, or anything that becomes JSON."""

    def read(content):
        path = tmp_path / "corrections.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_corrections(str(path))

    return read


def saved(*choices, **facts):
    return {"genrebeam_corrections": 1, "report": "/reports", "choices": [*choices], **facts}


def test_what_a_page_saves_is_read(read):
    found = read(saved(CHOICE, {**CHOICE, "uri": "/music/b.mp3", "choice": "accepted"}))
    assert found.report == "/reports"
    assert found.choices[0] == Choice("/music/a.mp3", "1", "corrected", ("Punk",), ("Rock",))
    assert [choice.kind for choice in found.choices] == ["corrected", "accepted"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "not corrections"),
        ({"choices": []}, "not corrections"),
        (saved(genrebeam_corrections=2), "version 2; this program knows version 1"),
        (saved(genrebeam_corrections=True), "version True"),
        (saved(report="reports"), '"report" is not the path'),
        (saved(report="/a\0b"), '"report" is not the path'),
        (saved(choices={}), '"choices" is not a list'),
        (saved("a"), "choice 1: not an object"),
        (saved({**CHOICE, "uri": 5}), 'choice 1: "uri" is not a text'),
        (saved({**CHOICE, "uri": "\ud800"}), 'choice 1: "uri" is not a text'),
        (saved({**CHOICE, "run": None}), 'choice 1: "run" is not a text'),
        (saved({**CHOICE, "choice": "deleted"}), '"choice" is neither corrected nor accepted'),
        (saved({**CHOICE, "choice": []}), '"choice" is neither corrected nor accepted'),
        (saved({**CHOICE, "genres": "Punk"}), '"genres" is not a list of genres'),
        (saved({**CHOICE, "in_file": [5]}), '"in_file" is not a list of genres'),
        (saved({**CHOICE, "genres": []}), "0 genres"),
        (saved({**CHOICE, "genres": ["a"] * 21}), "21 genres"),
        (saved({**CHOICE, "genres": [""]}), "a genre without a name"),
        (saved({**CHOICE, "genres": ["a\nb"]}), "characters that cannot be seen"),
        (saved({**CHOICE, "genres": ["\u202ekcoR"]}), "characters that cannot be seen"),
        (saved({**CHOICE, "genres": ["\ud800"]}), "characters that cannot be seen"),
        (saved({**CHOICE, "genres": ["17"]}), "another genre's number"),
        (saved({**CHOICE, "genres": ["x" * 201]}), "a genre of 201 characters"),
        (saved(CHOICE, CHOICE), "choice 2: a second one for /music/a.mp3"),
    ],
)
def test_anything_else_is_refused_with_the_reason(read, content, reason):
    with pytest.raises(CorrectionsError) as refused:
        read(content)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_missing_or_huge_is_refused(read, tmp_path, monkeypatch):
    with pytest.raises(CorrectionsError, match="No such file"):
        read_corrections(str(tmp_path / "none.json"))
    monkeypatch.setattr(corrections, "_MOST_BYTES", 2**20)
    with pytest.raises(CorrectionsError, match="larger than 1 MB"):
        read(b" " * 2**21)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from([*CHOICE]), JSON), st.lists(JSON, max_size=2))
def test_no_content_raises_anything_else(read, changes, others):
    try:
        found = read(saved({**CHOICE, **changes}, *others))
    except CorrectionsError:
        return
    assert all(isinstance(choice, Choice) for choice in found.choices)
