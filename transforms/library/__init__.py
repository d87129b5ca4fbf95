"""Library: which files there are, and which of them need work."""
