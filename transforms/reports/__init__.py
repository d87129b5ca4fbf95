"""Reports: what became of every file, as Parquet."""
