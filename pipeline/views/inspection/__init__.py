"""Inspection: one track, all that the model finds in it, as text, page or picture."""
