"""What a client of the server gets and what it costs the server; run by ``benchmarks/server.py``."""
