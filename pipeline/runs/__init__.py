"""Runs: what a run leaves, who is at work, what was changed and when."""
