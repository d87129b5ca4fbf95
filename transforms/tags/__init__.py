"""Tags: a file's genre read, written and given back."""
