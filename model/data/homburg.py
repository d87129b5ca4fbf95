"""Homburg: its genres."""

from __future__ import annotations

# Homburg, Mierswa, Moeller, Morik and Wurst, "A Benchmark Dataset for Audio
# Classification and Clustering" (2005).
HOMBURG_GENRES = {
    "alternative": "Alternative",
    "blues": "Blues",
    "electronic": "Electronic",
    "folkcountry": "Folk & Country",
    "funksoulrnb": "Funk, Soul & R&B",
    "jazz": "Jazz",
    "pop": "Pop",
    "raphiphop": "Rap & Hip-Hop",
    "rock": "Rock",
}
