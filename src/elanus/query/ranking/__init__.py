"""Scores in place of distances.

``bind`` binds rerank functions to a collection; ``boost`` scores the hits of a segment, ``fusion`` those of routes;
``normalize`` and ``decay`` are what both make scores of.
"""
