"""A database in a folder, without a server to run: pymilvus' clients on a private server process.

The process serves one folder on a Unix socket. Whoever opens the folder first starts it, everybody else attaches to
it, from this process or another; when the last connection has gone it writes its files and ends.
"""
