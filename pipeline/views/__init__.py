"""Views: what a person sees, on a terminal and as a page."""
