"""Indexes over sparse vectors."""
