"""Kafka, through aiokafka: this room alone knows it.

aiokafka 0.14 leaves these to us (each was measured): a refused batch stops its partition for an idempotent producer,
and so do 2^31 records, so the producer is replaced and what was not acknowledged is sent again; while the broker is
away its futures never fail, so every wait here has a deadline; its commits carry whatever generation is current when
they leave, so ours carry that under which the records were read; its Metadata request knows no topic ids, so ours asks.

Kafka forgets the offsets of a group that was empty for offsets.retention.minutes (7 days by default): a stage that is
stopped for longer begins at the earliest record, and ids make the repetition harmless.

To slow down when the slowest group nears retention, a publisher's principal needs Describe on our groups and
DescribeConfigs on the topics that it writes to; without the first it never slows down, without the second it goes by
our settings.
"""

from soc.bus.kafka.bus import KafkaBus

__all__ = ["KafkaBus"]
