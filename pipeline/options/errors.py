"""What is wrong with a command line, a configuration file or a folder that it names."""


class UsageError(Exception):
    """A request that cannot be met; its message is one line for the user."""
