"""Bound filters over columns: every rule works on whole columns, no loop visits a row."""
