"""The third executor: one SQL statement decides a topic for a whole population.

It is built from the same shard that the reference and the engine are asked by, over any source
that offers the columns of `needs`. `layers` stacks subqueries, `columns` reads what is stored,
`conditions` writes the rules, `places` computes time where customers live, `phases` draws the
conclusion, `statements` puts all of it together and `reading` turns rows into decisions.
"""
