"""The write path: check and complete a batch, route it to shards, log it, append it, flush it to files."""
