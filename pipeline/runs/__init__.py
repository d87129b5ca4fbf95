"""Runs: what a run leaves behind, which run is at work, what was changed and when."""
