"""An alert about ourselves: records that retention removed before a stage had read them."""

import orjson
import structlog

from soc.alerts import Level, Match, Reason, RuleRef
from soc.bus.base import MATCHES, Bus, Message
from soc.clock import Clock
from soc.errors import Lost, Retry
from soc.events import digest

LOST_RULE = "0d0c3d0e-33a5-4c55-9d0c-5a4b1f0e7c02"
"""The id of the built-in rule."""

log = structlog.get_logger()


def lost_match(gap: Lost, stage: str, now: int) -> Match:
    """Return the match of the built-in rule: one a gap and stage, however often it is found."""
    event_id = digest(stage, gap.topic, gap.partition, gap.first)
    return Match(
        id=digest(LOST_RULE, event_id),
        rule=RuleRef(
            LOST_RULE,
            f"Records lost before {stage} read them",
            Level.CRITICAL,
            (),
            "Retention removed records of the bus before a stage had read them: what they said was not examined. "
            "Find what held the stage up, and give the bus more room (bus.retention_hours, bus.retention_bytes).",
        ),
        time=now,
        received=now,
        site="",
        host="",
        alert_key=f"{LOST_RULE}|{stage}|{gap.topic}",
        event_id=event_id,
        reasons=(Reason("retention", gap.topic, f"partition {gap.partition}: offsets {gap.first} to {gap.last - 1}"),),
    )


async def tell(bus: Bus, gap: Lost, stage: str, clock: Clock) -> None:
    """Put the alert on its way. A bus that is away now does not keep the stage: the metric and the log have it too."""
    match = lost_match(gap, stage, clock.now())
    try:
        await bus.publish(MATCHES, [Message(match.alert_key.encode(), orjson.dumps(match.to_document()))])
    except Retry as error:
        log.warning("the alert about lost records was not published", reason=str(error))
