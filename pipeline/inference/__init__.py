"""Inference: what owns the decoding processes and the network, for all who need no graph."""
