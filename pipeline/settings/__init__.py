"""Settings: where every option comes from."""
