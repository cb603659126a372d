"""Sigma correlations on event time: what rules found, counted and put together. Values in, values out.

In reading order: `rule` (as written), `plan` (linked: who feeds whom), `feed` (a match of detection becomes hits), `hits`
(their form on soc.hits), `sliding` and `tumbling` (state of a rule), `clock`, `partition` (one partition of soc.hits),
`found` (what a correlation found becomes a match).
"""
