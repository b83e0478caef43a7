"""One port: bytes from the network in, a command to the engine, bytes out."""
