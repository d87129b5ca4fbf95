"""What others may use: it is there, and the package costs nothing until it is asked for."""

import subprocess
import sys

import genrebeam


def test_every_public_name_is_there():
    assert [name for name in genrebeam.__all__ if getattr(genrebeam, name, None) is None] == []
    assert set(genrebeam.__all__) <= set(dir(genrebeam))
    assert set(genrebeam.__all__) == set(genrebeam._MODULES)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(genrebeam, "TagLibary")


def test_the_package_is_imported_without_any_other():
    code = "import sys, genrebeam; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"numpy", "apache_beam", "genrebeam.model", "genrebeam.pipeline"} & set(loaded)
