"""Bytes that last: object store, write-ahead log, manifests, Parquet columns. Formats are written in docs/formats."""
