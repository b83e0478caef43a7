"""Hits in groups.

``spec`` is what clients ask for, ``key`` what makes a group. ``groups`` numbers the groups of hits, ``search`` looks on
until there are enough of them, ``facets`` makes nested buckets of them.
"""
