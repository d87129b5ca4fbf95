"""Inference: what decodes, loads the network and decides, for all who need more or less than a graph."""
