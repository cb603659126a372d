"""The alerting room: matches in; alerts, notifications, the console and the National SOC's messages out.

    soc.cases ─▶ group ─▶ store: alerts ─▶ soc.alerts ─┬▶ notify (a group a receiver) ─▶ mail, webhook
                                                       └▶ report ─▶ soc.national ─▶ push ─▶ National SOC

Reading order: `cases` (what soc.cases carries), `grouping` (the fold from cases to alerts, without I/O) and `group` (the
stage around it); `told` and `facts` (which changes people outside are told of, and what), `notify` with `mail` and
`webhook`; `national`, `report` and `push`; `stage`, which runs them all. `outside` keeps what a stage with effects outside
has seen; `post` is the one HTTP client; `visible` makes log content inert. `mock/` is the National SOC's other end and
knows nothing of the rest.

The contract: a case is acknowledged to soc.cases only after the store holds its alert and soc.alerts its change, and a
change only after the receiver's or the National SOC's receipt. Repetitions end at ids: place, (alert, revision), content.
"""
