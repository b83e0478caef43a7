"""The Milvus gRPC protocol: a table of RPCs, a module a family, and the codecs between wire and columns."""
