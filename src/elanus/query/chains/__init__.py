"""Function chains: a search's hits as a table of columns that goes through operations one after the other.

``spec`` is what clients ask for, ``compile`` binds it to a collection, ``frame`` is the table, ``ops`` and
``functions`` are the registries of what can be done with it, ``stage`` runs a chain within a search, ``plan`` puts it
there.
"""
