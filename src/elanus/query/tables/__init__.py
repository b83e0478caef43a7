"""Query aggregation: a table with a row for each group of rows.

``aggregates`` reads what queries name, ``plan`` binds it to a schema, ``tabulate`` makes the table.
"""
