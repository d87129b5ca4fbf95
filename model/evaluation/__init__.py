"""Evaluation: how good a model is, in figures and as a page."""
