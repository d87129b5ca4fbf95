"""Commands for those who work on this project; no part of what is installed."""
