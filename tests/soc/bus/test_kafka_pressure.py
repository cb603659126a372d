"""How far behind a group is, by what a cluster answers."""

from soc.bus.base import Commit, Ends, TopicPartition
from soc.bus.kafka.pressure import Backlog, backlog

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def test_the_fullest_partition_counts() -> None:
    """Retention by size is a partition's."""
    assert backlog({A: Ends(0, 10), B: Ends(0, 50)}, {A: Commit(2), B: Commit(45)}, {}) == Backlog(8, False)


def test_a_partition_without_a_commit_is_unread_from_its_oldest_record() -> None:
    """The group will begin there."""
    assert backlog({A: Ends(3, 10), B: Ends(0, 1)}, {B: Commit(1)}, {}).records == 7


def test_a_position_that_retention_has_overtaken_is_the_oldest_record() -> None:
    """What is gone is no backlog."""
    assert backlog({A: Ends(8, 10)}, {A: Commit(2)}, {A: 8}) == Backlog(2, False)


def test_a_position_before_the_first_young_record_is_old() -> None:
    """Not so where everything is read, however old the last record is."""
    ends = {A: Ends(0, 10)}
    assert backlog(ends, {A: Commit(4)}, {A: 5}).is_old
    assert not backlog(ends, {A: Commit(5)}, {A: 5}).is_old
    assert not backlog(ends, {A: Commit(10)}, {A: 10}).is_old
    assert not backlog(ends, {A: Commit(10)}, {A: 12}).is_old
