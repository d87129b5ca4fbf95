"""Backbones: networks that others trained on far more music than we have.

Each module builds one from its paper. A script in ``tools/`` made the files in ``weights/`` from
what the authors published; their licences lie beside them.
"""
