"""What a person or a scheduler starts: the command line and the Beam graphs."""

__version__ = "0.1.0"
