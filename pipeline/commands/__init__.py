"""One module per subcommand: its arguments, and a small function that runs it."""
