"""What a commit's metadata keeps: all of it comes back, and no backend finds it too long."""

from hypothesis import given
from hypothesis import strategies as st

from correlator.remembered import name, read, write
from soc.bus.topics import MAX_METADATA

OFFSETS = st.integers(0, 2**53)
BEGINS = st.dictionaries(st.text(max_size=40), st.integers(0, 2**53), max_size=40)


@given(OFFSETS, BEGINS)
def test_what_is_written_is_read(lowest: int, begins: dict[str, int]) -> None:
    """The offset, and each version's begin under its name."""
    written = write(lowest, begins)
    found = read(written.metadata)
    assert written.forgotten == 0
    assert found is not None
    assert found.lowest == lowest
    assert found.begins == {name(version): begin for version, begin in begins.items()}


@given(st.integers(0, 2000), st.integers(1, 2000))
def test_it_is_never_too_long(number: int, reloads: int) -> None:
    """Those that find no room are counted; the first to come are kept. Of one reload some 480 have room."""
    begins = {f"version-{each}": 10**15 + each % reloads for each in range(number)}
    written = write(2**53, begins)
    found = read(written.metadata)
    assert len(written.metadata.encode()) <= MAX_METADATA
    assert found is not None
    assert len(found.begins) == number - written.forgotten
    assert written.forgotten == 0 or len(found.begins) > (480 if reloads == 1 else 100)
    assert all(found.begins[name(each)] == begins[each] for each in begins if name(each) in found.begins)


@given(st.text(max_size=50) | st.sampled_from(["", "{}", '{"m": 1}', '{"m": 1, "b": []}', '{"m": 1, "b": {"x": "y"}}']))
def test_what_nobody_wrote_is_nothing(metadata: str) -> None:
    """The state is begun without a replay then."""
    assert read(metadata) is None
