"""The Elasticsearch store keeps the port's promises on a real node, and those of its own: limits, answers, settings."""

import json
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from soc.alerts import Level, Match, Place
from soc.clock import DAY, SystemClock
from soc.errors import Retry, SettingsError
from soc.events import to_document
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect, searches
from soc.store.base import AlertQuery, Answer, MatchQuery, Store
from soc.store.elastic import ElasticStore
from soc.testing import NOW, ManualClock, make_alert, make_correlated, make_event, make_evidence, make_match
from tests.services.shared import ElasticAddress
from tests.soc.store.contract import CREATED, StoreContract, placed

pytestmark = [
    # A match of more than a mebibyte goes to the socket in one piece; it is one in a million.
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]


@pytest.fixture
def settings(elastic_service: ElasticAddress) -> Iterator[StoreSettings]:
    """Indices of the test's own, removed afterwards: a node has room for a thousand."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    yield StoreSettings(url=elastic_service.url, prefix=prefix, retention_days=90, timeout=60)
    names = indices_of(elastic_service.url, prefix)
    if names:
        call(elastic_service.url, "DELETE", "/" + ",".join(names))
    for kind in ("matches", "alerts", "keys"):
        with suppress(HTTPError):  # a test whose store never opened has none
            call(elastic_service.url, "DELETE", f"/_index_template/{prefix}-{kind}*")


def call(url: str, method: str, path: str, body: Any = None) -> Any:
    """Return the node's answer, without our client."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def indices_of(url: str, prefix: str) -> list[str]:
    """Return the names of the indices with that prefix."""
    return sorted(each["index"] for each in call(url, "GET", f"/_cat/indices/{prefix}-*?format=json"))


class TestElasticStore(StoreContract):
    """The contract."""


async def test_indices_are_one_a_month_behind_an_alias(store: Store, settings: StoreSettings) -> None:
    """Named for their month; people search them by one name."""
    await store.add_matches([placed(0), placed(1, time=NOW - 40 * DAY), placed(2, time=NOW - 900 * DAY)])
    await store.put_alerts([(make_alert(1), None)])
    names = ["alerts-2026.09", "matches-2026.08", "matches-2026.09", "matches-old"]
    assert indices_of(settings.url, settings.prefix) == [f"{settings.prefix}-{name}" for name in names]
    await store.refresh()
    found = call(settings.url, "GET", f"/{settings.prefix}-matches/_search?q=source.ip:203.0.113.7")
    assert found["hits"]["total"]["value"] == 3


async def test_no_log_adds_a_field_to_the_mapping(store: Store, settings: StoreSettings) -> None:
    """Whatever names a log invents, the mapping stays as the template has it."""
    await store.add_matches([placed(0)])
    before = call(settings.url, "GET", f"/{settings.prefix}-matches-2026.09/_mapping")
    fields = {f"invented{number}.{number}": {"deep": number} for number in range(2000)}
    answers = await store.add_matches([placed(1, event=to_document(make_event(1, fields=fields)))])
    assert answers == [CREATED]
    assert call(settings.url, "GET", f"/{settings.prefix}-matches-2026.09/_mapping") == before


async def test_fields_are_searchable_by_their_sigma_names(store: Store, settings: StoreSettings) -> None:
    """A field without an ECS name is found under vonggac.fields."""
    fields = {"OddField": "needle", "CommandLine": "rm -rf /", "User": "root", "SourcePort": "51514"}
    await store.add_matches([placed(0, event=to_document(make_event(0, fields=fields)))])
    await store.refresh()
    for query in (
        {"term": {"vonggac.fields.OddField": "needle"}},
        {"wildcard": {"process.command_line": "*-rf*"}},
        {"range": {"source.port": {"gt": 51513}}},
        {"term": {"threat.technique.id": "T1110"}},
    ):
        found = call(settings.url, "POST", f"/{settings.prefix}-matches/_search", {"query": query})
        assert found["hits"]["total"]["value"] == 1, query


async def test_a_correlation_is_searchable_and_adds_no_field(store: Store, settings: StoreSettings) -> None:
    """By group value, by the event of a contribution, by host; whatever the group's fields are called."""
    evidence = make_evidence(group=(("SourceIp", "203.0.113.7"), ("Odd.Name", "needle"), ("", "x")))
    await store.add_matches([make_correlated(1, evidence=evidence, place=Place("log", 0, 1), host="")])
    before = call(settings.url, "GET", f"/{settings.prefix}-matches-2026.09/_mapping")
    invented = tuple((f"invented{number}.{number}", "x") for number in range(100))
    await store.add_matches([make_correlated(2, evidence=make_evidence(group=invented), place=Place("log", 0, 2))])
    assert call(settings.url, "GET", f"/{settings.prefix}-matches-2026.09/_mapping") == before
    await store.refresh()
    for query in (
        {"term": {"vonggac.correlation.group.Odd.Name": "needle"}},
        {"term": {"source.ip": "203.0.113.0/24"}},
        {"term": {"vonggac.correlation.group.invented7.7": "x"}},
        {
            "bool": {
                "must": {"term": {"vonggac.correlation.events": evidence.contributions[4].event_id}},
                "must_not": {"exists": {"field": "host.name"}},
            }
        },
    ):
        found = call(settings.url, "POST", f"/{settings.prefix}-matches/_search", {"query": query})
        assert found["hits"]["total"]["value"] == 1, query


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
_NAMES = st.sampled_from(
    ["message", "SourceIp", "SourcePort", "CommandLine", "EventID", "sc-status", "pid", "User", "a.b", "a", ""]
) | st.text(max_size=20)


@pytest.fixture
def random_matches() -> list[Match]:
    """Matches on events of any shape."""
    found: list[Match] = []

    @examples(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        fields=st.dictionaries(_NAMES, _VALUES, max_size=6),
        texts=st.lists(st.text(max_size=40), min_size=4, max_size=4),
        times=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, NOW), min_size=2, max_size=2),
        logsource=_VALUES,
    )
    def make(fields: dict[str, Any], texts: list[str], times: list[int], logsource: Any) -> None:
        host, site, key, title = texts
        event = {**to_document(make_event(0, fields=fields, raw=title)), "logsource": {"product": logsource}}
        rule = replace(make_match().rule, title=title, description=key, tags=(host, "attack.t1059.001"))
        changes: dict[str, Any] = {"rule": rule, "site": site, "host": host, "alert_key": key, "event": event}
        number = len(found)
        found.append(placed(number, id=f"{number:032x}", time=min(times), received=max(times), **changes))

    make()
    return found


async def test_no_event_is_refused_by_elasticsearch(store: Store, random_matches: list[Match]) -> None:
    """Any fields, texts and times: the node takes every one of them, and gives it back as it was."""
    answers = await store.add_matches(random_matches)
    reasons = {answer.reason for answer in answers if answer != CREATED}
    assert not {reason for reason in reasons if not reason.startswith(("no month", "time is more"))}
    await store.refresh()
    stored: dict[str, Match] = {}
    cursor = ""
    while True:
        page = await store.find_matches(MatchQuery(limit=200, cursor=cursor))
        stored.update((match.id, match) for match in page.items)
        if not (cursor := page.cursor):
            break
    created = [match for match, answer in zip(random_matches, answers, strict=True) if answer == CREATED]
    assert len(created) > len(random_matches) / 3
    assert [stored[match.id] for match in created] == created


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"url": "http://127.0.0.1"}, "store.url"),
        ({"url": "http://elastic.example:9200", "api_key": "secret"}, "https"),
        ({"url": "https://soc:secret@elastic.example:9200"}, "store.username"),
        ({"url": "https://127.0.0.1:9200", "ca_file": "/nowhere/ca.pem"}, "store.ca_file"),
    ],
    ids=["no port", "a secret in the clear", "a secret in the URL", "no such file"],
)
async def test_wrong_settings_are_named(changes: dict[str, Any], names: str) -> None:
    """And a secret is never in the message."""
    with pytest.raises(SettingsError, match=names) as caught:
        await connect(StoreSettings(**changes), Metrics(), SystemClock()).open()
    assert "secret" not in str(caught.value)


async def test_an_absent_elasticsearch_is_retry(metrics: Metrics, clock: ManualClock) -> None:
    """At the start: nobody listens there, yet."""
    store = connect(StoreSettings(url="http://127.0.0.1:1", timeout=5), metrics, clock)
    with pytest.raises(Retry, match="Connection"):
        await store.open()
    assert [sample.value for metric in metrics.store_up.collect() for sample in metric.samples] == [0]


async def test_text_is_escaped_for_wildcards() -> None:
    """The signs of the wildcard query have no meaning in a text."""
    request = searches.find_alerts(AlertQuery(text="a*b?c\\D", levels=(Level.LOW,)), None)
    assert {"wildcard": {"vonggac.text": {"value": r"*a\*b\?c\\d*"}}} in request["query"]["bool"]["filter"]


async def test_answers_that_may_change_are_retry(store: ElasticStore, settings: StoreSettings) -> None:
    """An index that takes no writes (a full disk, an administrator) keeps the match for later."""
    await store.add_matches([placed(0)])
    index = f"/{settings.prefix}-matches-2026.09/_settings"
    call(settings.url, "PUT", index, {"index.blocks.write": True})
    (answer,) = await store.add_matches([placed(1)])
    assert answer.answer is Answer.RETRY
    assert "block" in answer.reason
    call(settings.url, "PUT", index, {"index.blocks.write": False})
    assert await store.add_matches([placed(1)]) == [CREATED]
