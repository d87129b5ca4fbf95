"""The graphs of the two jobs, tagging and preparing; and what one machine finds out without a graph."""
