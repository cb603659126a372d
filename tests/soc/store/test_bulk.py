"""Bulk requests are cut by size, and each item's answer means the right thing."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.store import bulk
from soc.store.base import Answer, Version


def write(size: int = 10, version: Version | None = None, refused: Answer = Answer.EXISTS) -> bulk.Write:
    """Return a write of a source of that many bytes."""
    return bulk.Write("soc-matches-2026.11", "id", b"x" * size, version, refused)


@given(st.lists(st.integers(1, 700_000) | st.integers(1_000_000, 3_000_000), max_size=12))
def test_chunks_are_small_and_keep_the_order(sizes: list[int]) -> None:
    """No body is over the bound but that of a single document, and nothing is lost or moved."""
    writes = [write(size) for size in sizes]
    chunks = [list(chunk) for chunk in bulk.chunks(writes)]
    assert [each for chunk in chunks for each in chunk] == writes
    assert all(len(chunk) == 1 or sum(map(len, bulk.body(chunk))) <= bulk.MOST_BYTES for chunk in chunks)
    assert all(chunks)


def test_an_action_names_the_version_it_replaces() -> None:
    """Create where there is none; index with sequence number and term where there is one."""
    assert orjson.loads(bulk.body([write()])[0]) == {"create": {"_index": "soc-matches-2026.11", "_id": "id"}}
    replacing = orjson.loads(bulk.body([write(version=Version(7, 2))])[0])
    assert replacing["index"] == {"_index": "soc-matches-2026.11", "_id": "id", "if_seq_no": 7, "if_primary_term": 2}


@pytest.mark.parametrize(
    ("given_write", "outcome", "expected"),
    [
        (write(), {"status": 201}, Answer.CREATED),
        (write(version=Version(1, 1)), {"status": 200}, Answer.UPDATED),
        (write(), {"status": 409, "error": {}}, Answer.EXISTS),
        (write(refused=Answer.CONFLICT), {"status": 409, "error": {}}, Answer.CONFLICT),
        (write(), {"status": 400, "error": {"type": "document_parsing_exception", "reason": "no"}}, Answer.REJECTED),
        (write(), {"status": 400, "error": {"type": "validation_exception", "reason": "shards"}}, Answer.RETRY),
        (write(), {"status": 429, "error": {"type": "es_rejected_execution_exception"}}, Answer.RETRY),
        (write(), {"status": 403, "error": {"type": "cluster_block_exception"}}, Answer.RETRY),
        (write(), {"status": 404, "error": {"type": "index_not_found_exception"}}, Answer.RETRY),
        (write(), {"status": 503, "error": {"type": "unavailable_shards_exception"}}, Answer.RETRY),
    ],
)
def test_what_an_answer_means(given_write: bulk.Write, outcome: dict[str, Any], expected: Answer) -> None:
    """Only a document that can never be indexed is rejected."""
    written = bulk.answer(given_write, {"create": outcome})
    assert written.answer is expected
    assert bool(written.reason) == (expected in {Answer.REJECTED, Answer.RETRY})


def test_a_long_reason_is_cut() -> None:
    """A node repeats the document that it refuses; a dead letter does not."""
    error = {"type": "t", "reason": "x" * 100_000, "caused_by": {"reason": "y"}}
    assert len(bulk.answer(write(), {"create": {"status": 400, "error": error}}).reason) == 500
