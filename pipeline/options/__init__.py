"""Options: each declared once, where their values come from, and how they are checked."""
