"""Training: from labelled music to a bundle."""
