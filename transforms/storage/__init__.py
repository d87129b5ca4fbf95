"""Storage: where music and reports are, on a disk or in a bucket."""
