"""Who has which partitions, and who still lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.bus.base import Commit, TopicPartition
from soc.bus.groups import Group, Member, names, share
from soc.bus.processes import is_gone, this_process
from soc.errors import Abandon

_TOPICS = {"a": 4, "b": 4, "c": 1}
_MEMBERS = st.lists(
    st.builds(Member, st.uuids().map(str), st.just("p"), st.just(0.0), st.sets(st.sampled_from("abc")).map(tuple)),
    max_size=6,
    unique_by=lambda member: member.id,
)


@given(_MEMBERS)
def test_every_partition_that_is_read_has_one_owner(members: list[Member]) -> None:
    """Shares are disjoint, complete, go to readers of the topic only, and differ by one at most."""
    shares = share(members, _TOPICS)
    assert shares.keys() == {member.id for member in members}
    owned = [partition for each in shares.values() for partition in each]
    read = {topic for member in members for topic in member.topics}
    assert sorted(owned) == sorted(
        TopicPartition(t, n) for t, count in _TOPICS.items() if t in read for n in range(count)
    )
    for member in members:
        assert {partition.topic for partition in shares[member.id]} <= set(member.topics)
    for topic in read:
        counts = [sum(p.topic == topic for p in shares[m.id]) for m in members if topic in m.topics]
        assert max(counts) - min(counts) <= 1


def test_members_that_read_the_same_topics_have_the_same_numbers() -> None:
    """What belongs together by partition number stays together."""
    members = [Member(name, "p", 0.0, ("a", "b")) for name in "xyz"]
    for partitions in share(members, {"a": 4, "b": 4}).values():
        assert {p.partition for p in partitions if p.topic == "a"} == {
            p.partition for p in partitions if p.topic == "b"
        }


class TestGroup:
    """One group's file."""

    @pytest.fixture
    def group(self, tmp_path: Path) -> Group:
        Group.prepare(tmp_path, "notify/mail 1")
        return Group(tmp_path, "notify/mail 1", 1.0)

    def join(self, group: Group, name: str, beat: float, process: str = "") -> None:
        group.join(Member(name, process or this_process(), beat, ("a",)))

    def ids(self, group: Group) -> list[str]:
        return [member.id for member in group.members()[1]]

    def test_a_name_may_hold_anything(self, group: Group, tmp_path: Path) -> None:
        """Receivers' names become files' names."""
        group.close()
        assert list(names(tmp_path)) == ["notify/mail 1"]

    def test_the_generation_grows_with_every_change(self, group: Group) -> None:
        """Joining and leaving, but not leaving twice."""
        assert group.generation() == 0
        self.join(group, "x", 0)
        self.join(group, "y", 0)
        assert group.generation() == 2
        group.leave("x")
        group.leave("x")
        assert group.generation() == 3
        assert self.ids(group) == ["y"]

    def test_silence_ends_a_membership(self, group: Group) -> None:
        """After a session without a heartbeat; a heartbeat does not bring back who is out."""
        self.join(group, "x", 100.0)
        self.join(group, "y", 100.0)
        group.beat(["y"], 108.0)
        group.sweep([], 109.0, 10.0)
        assert self.ids(group) == ["x", "y"]
        group.sweep(["y"], 111.0, 10.0)
        assert self.ids(group) == ["y"]
        group.beat(["x"], 112.0)
        assert self.ids(group) == ["y"]
        assert group.generation() == 3

    def test_a_heartbeat_of_an_earlier_boot_is_none(self, group: Group) -> None:
        """The monotonic clock begins anew: a heartbeat far ahead of now is not alive for ever."""
        self.join(group, "x", 1_000_000.0)
        group.sweep([], 5.0, 10.0)
        assert self.ids(group) == []

    def test_nobody_ends_itself(self, group: Group) -> None:
        """However late our own heart beats: only others judge us."""
        self.join(group, "x", 0.0)
        group.sweep(["x"], 1000.0, 10.0)
        assert self.ids(group) == ["x"]

    def test_a_dead_process_is_noticed_at_once(self, group: Group) -> None:
        """Without waiting for the session's end."""
        self.join(group, "x", 100.0, this_process() + "1")
        group.sweep([], 100.0, 10.0)
        assert self.ids(group) == []

    def test_a_commit_of_another_generation_is_refused_whole(self, group: Group) -> None:
        """Nothing of it is stored."""
        self.join(group, "x", 0)
        group.commit(1, {TopicPartition("a", 0): Commit(5, "m")}, {"a": "log"}, 7)
        with pytest.raises(Abandon):
            group.commit(0, {TopicPartition("a", 0): Commit(9)}, {"a": "log"}, 8)
        assert group.positions("a", "log") == {0: Commit(5, "m")}
        assert group.last_commit("a") == 7

    def test_a_commit_belongs_to_a_log(self, group: Group) -> None:
        """A topic that was made anew has no commits yet."""
        group.commit(0, {TopicPartition("a", 0): Commit(5)}, {"a": "old"}, 7)
        assert group.positions("a", "new") == {}


def test_this_process_lives() -> None:
    """And its name tells it from every other."""
    assert not is_gone(this_process())
    assert f"/{os.getpid()}/" in this_process()


def test_a_process_that_ended_is_gone_even_before_it_is_buried() -> None:
    """A killed child is a zombie until its parent asks; a number that was given again is another process."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    world, _pid, _start = this_process().rsplit("/", 2)
    start = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    name = f"{world}/{process.pid}/{start}"
    assert not is_gone(name)
    assert is_gone(f"{world}/{process.pid}/{int(start) + 1}")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(name)
    process.communicate()
    assert is_gone(name)


def test_what_cannot_be_seen_is_not_called_gone() -> None:
    """Another container has process ids of its own; another boot has none."""
    boot, _slash, rest = this_process().partition("/")
    namespace, pid, start = rest.split("/")
    assert not is_gone(f"{boot}/{int(namespace) + 1}/{pid}/{start}")
    assert is_gone(f"other-boot/{namespace}/{pid}/{start}")
    assert not is_gone("/1/1")
