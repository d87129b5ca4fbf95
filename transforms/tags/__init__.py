"""Tags: a file's genre is read, written and restored."""
