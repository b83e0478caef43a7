"""Struct arrays: elements searched as rows, elements selected by a filter, rows searched by lists of vectors."""
