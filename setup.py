"""Package metadata; Dataflow workers install from it (``--setup_file``)."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def _version() -> str:
    text = (HERE / "pipeline" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'__version__ = "(.+)"', text).group(1)


def _requirements() -> list[str]:
    lines = (HERE / "requirements" / "runtime.in").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name="genrebeam",
    version=_version(),
    description="Listens to a music library and writes genres into the files' tags",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.14",
    packages=["pipeline", "pipeline.commands", "transforms", "model", "model.recipes"],
    package_data={"model": ["bundles/*/*", "templates/*"], "pipeline": ["templates/*"]},
    install_requires=_requirements(),
    extras_require={"gcp": ["google-cloud-storage"]},
    entry_points={"console_scripts": ["genrebeam = pipeline.cli:main"]},
)
