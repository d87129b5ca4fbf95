"""Labelled music, for training and evaluation."""
