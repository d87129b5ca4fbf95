"""World: excerpts of all families, read from one table."""

import pytest

from genrebeam.model.data.training_set import DatasetError
from genrebeam.model.vocabulary import FAMILIES
from tools.world import read_world

HEADER = "path,family,style,label,artist,source,also,sure\n"


def test_an_excerpt_has_its_families_the_likeliest_first(tmp_path):
    (tmp_path / "labels.csv").write_text(
        HEADER + 'a/b.opus,R&B,Soul,"Soul, old",k1,s1,Pop,yes\n' + "c/d.opus,Folk,,Folk,k2,s1,,\n"
    )
    first, second = read_world(tmp_path)
    assert first.path == tmp_path / "a/b.opus"
    assert (first.families, first.style, first.sure) == (("R&B", "Pop"), "Soul", True)
    assert (second.families, second.style, second.sure) == (("Folk",), "", False)
    assert (first.artist, first.source) == ("k1", "s1")


@pytest.mark.parametrize("content", [None, "path,family\na.opus,Pop\n"])
def test_a_folder_without_such_a_table_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(DatasetError, match=r"labels\.csv"):
        read_world(tmp_path)


def test_every_excerpt_at_hand_is_there_and_of_a_known_family(shared_data):
    excerpts = read_world(shared_data / "world")
    assert len(excerpts) == 1015
    assert all(excerpt.path.is_file() for excerpt in excerpts)
    assert {name for one in excerpts for name in one.families} <= set(FAMILIES.values())
