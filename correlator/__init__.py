"""The correlator's room: events in, matches on the bus and in the store.

    soc.events ─▶ detect ─▶ soc.matches ─▶ forward ─▶ store: matches ─▶ soc.cases

Reading order. Rules: `syntax` (a rule's detection part as neutral values), `source` (a rule around it), `choice` (which
rules), `compiler/` (Sigma files to that form; it runs in a child process and is alone in importing pySigma), `cache` and
`load`. Evaluation: `engine/` (that form to decisions), `limit` (its processor time), `rules` (a rule set, and which rules
see an event), `statistics` and `costs` (what they take). Stages: `matching` and `flood` (an event to matches), `detect`,
`forward`, `reload`, and `stage`, which runs the two. `tools/` is what the commands tell about rules.

The contract: an event is acknowledged to soc.events only after each of its matches is acknowledged by soc.matches, and
a match only after the store holds it and soc.cases carries it. Both hops are at least once; ids make them exact:
match id = hash(rule id, event id). An outage of the store is lag on soc.matches and never stops detection.
"""
