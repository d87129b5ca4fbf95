"""By ear: what the embeddings in the reports tell of a library: similar tracks, duplicates."""
