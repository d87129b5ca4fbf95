"""Audio: from a file to what a network analyses of it."""
