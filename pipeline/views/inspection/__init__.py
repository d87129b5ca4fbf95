"""Inspection: one track, all that the model hears in it, as text, page or picture."""
