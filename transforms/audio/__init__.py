"""Audio: from a file to the input of a network."""
