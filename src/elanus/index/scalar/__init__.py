"""Indexes over scalar fields."""
