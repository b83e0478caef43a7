"""What ``ann.py`` is made of: data, engines (ours and peers), works, timing, report.

An engine runs in a process of its own, under an interpreter that has its package; nothing here but
``elanus_engines`` imports Elanus, so that the same files run under both interpreters.
"""
