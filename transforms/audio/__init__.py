"""Audio: from a file to what a network hears of it."""
