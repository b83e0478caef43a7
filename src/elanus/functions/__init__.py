"""Columns to columns: models that score rows, in services elsewhere or in files here."""
