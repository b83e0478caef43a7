"""Indexes over dense vectors: scans, inverted lists and graphs."""
