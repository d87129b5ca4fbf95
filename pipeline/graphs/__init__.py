"""The graphs of the two jobs, tagging and preparing, and the walk and skip of one machine."""
