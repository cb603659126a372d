"""Neutral rules to decisions about events. No I/O and no pySigma.

The definition: `text`, `record`, `atoms`, `plain` evaluate rule by rule. The engine that answers the same, in reading
order: `tree` (conditions over numbered atoms), `native` (in an event's own names), `patterns`, `needles`, `hyper`,
`required`,
`expressions` (finding many at once), `judge` (a value's atoms), `cover`, `guard` and `atlas` (what rules need of each
field),
`column` (verdicts by value), `whole` (keywords), `decision`, `route` (verdicts to rules), `kind` (a logsource's routes),
`memory` (the bound on all of it).
"""
