"""Inference: what decodes, loads the network and decides, without a graph."""
