"""Data: labelled music, its splits, and training sets."""
