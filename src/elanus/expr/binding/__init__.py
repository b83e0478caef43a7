"""From names to fields: one rule a node of the tree, found in ``scope.RULES`` and, for calls, ``scope.CALLS``."""
