"""Rows and their visibility: growing and sealed segments, tombstones, and the view that readers pin."""
