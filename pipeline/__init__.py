"""What a person or a scheduler starts: the command line and the Beam graphs."""
