"""Similarity search by the embeddings in reports: similar tracks, playlists, duplicates, map."""
