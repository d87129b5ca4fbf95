"""What all web pages have in common: their frame, colours, policy, and first script."""
