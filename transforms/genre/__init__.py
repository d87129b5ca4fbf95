"""Genre: what the network says, and what is made of it."""
