"""Settings: options, where their values come from, and how they are checked."""
