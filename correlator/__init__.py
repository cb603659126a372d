"""The correlator's room: events in, matches on the bus and in the store.

    soc.events ─▶ detect ─▶ soc.matches ─▶ forward ─▶ store: matches ─▶ soc.cases

Reading order. Rules: `syntax` (a rule's detection part as neutral values), `source` (a rule around it), `compile`
with `translate`, `document`, `modifiers`, `condition` and `locate` (Sigma files to that form; these run in a child
process and are alone in importing pySigma). Evaluation: `text`, `record`, `atoms`, `evaluate` (that form to
closures), `limit` (its processor time), `rules` (a rule set, and which rules see an event). Stages: `matching` and
`flood` (an event to matches), `detect`, `forward`, and `stage`, which runs the two. All but the last three do no I/O,
besides reading rule files.

The contract: an event is acknowledged to soc.events only after each of its matches is acknowledged by soc.matches, and
a match only after the store holds it and soc.cases carries it. Both hops are at least once; ids make them exact:
match id = hash(rule id, event id). An outage of the store is lag on soc.matches and never stops detection.
"""
