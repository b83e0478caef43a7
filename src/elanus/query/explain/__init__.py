"""What reads did and why.

``trace`` puts down what a search does while it runs and ``reasons`` why; ``search`` and ``filter`` make a ``report`` of
it. ``recall`` tells by an exact scan what was missed.
"""
