"""The correlator's room: events in, matches on the bus and in the store.

    soc.events ─▶ detect ─▶ soc.matches ─▶ forward ─▶ store: matches ─▶ soc.cases

Reading order: `syntax` (a rule as neutral values), `compile` and `modifiers` (Sigma files to that form; they alone import
pySigma, and run in a child process), `condition`, `text` and `evaluate` (that form to closures), `rules` (a rule set, and
which rules see an event), `flood`, then the two stages `detect` and `forward`.

The contract: an event is acknowledged to soc.events only after each of its matches is acknowledged by soc.matches, and
a match only after the store holds it and soc.cases carries it. Both hops are at least once; ids make them exact:
match id = hash(rule id, event id). An outage of the store is lag on soc.matches and never stops detection.
"""
