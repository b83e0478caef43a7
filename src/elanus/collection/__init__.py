"""The life of a collection: its manifest, its shards, its view, its background jobs."""
