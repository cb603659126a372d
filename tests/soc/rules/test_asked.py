"""What the running service says of itself: where it is asked, and what its page of metrics says."""

import pytest

from soc.errors import Stop
from soc.rules import asked
from soc.settings import Settings

PAGE = """\
# TYPE a_total counter
a_total{rule="x",cause="one"} 1.0
a_total{rule="x",cause="two"} 2.0
a_total{rule="y",cause="one"} 4.0
a_created{rule="x",cause="one"} 1.7e+09
# TYPE b gauge
b 5.0
# TYPE c histogram
c_bucket{le="+Inf"} 3.0
c_count 3.0
c_sum 6.0
"""


def test_samples_that_differ_in_other_labels_are_added_up() -> None:
    """By the label that is asked for; when a counter was made is no count."""
    assert asked.values(PAGE, ["a"], "rule") == {"a": {"x": 3.0, "y": 4.0}}
    assert asked.values(PAGE, ["a"], "cause") == {"a": {"one": 5.0, "two": 2.0}}
    assert asked.values(PAGE, ["b", "missing"]) == {"b": {"": 5.0}}
    assert asked.values(PAGE, ["a"], "rule", only={"cause": "two"}) == {"a": {"x": 2.0}}


@pytest.mark.parametrize("text", ["<html>", 'a{rule="x" 1', "# TYPE a gauge\na{} x\n"])
def test_what_is_no_page_of_metrics_is_refused(text: str) -> None:
    """Whoever answered there is somebody else."""
    with pytest.raises(Stop, match="no page of metrics"):
        asked.values(text, ["a"])


def test_a_label_that_is_not_there_is_refused() -> None:
    """The page is of another service, or of another version."""
    with pytest.raises(Stop, match="no page of metrics"):
        asked.values(PAGE, ["b"], "rule")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9102/metrics"),
        ("0.0.0.0", "http://127.0.0.1:9102/metrics"),
        ("::", "http://127.0.0.1:9102/metrics"),
        ("::1", "http://[::1]:9102/metrics"),
        ("10.0.0.5", "http://10.0.0.5:9102/metrics"),
    ],
)
def test_ones_own_service_is_where_the_settings_say(host: str, url: str) -> None:
    """On this machine where it listens everywhere."""
    assert asked.own(Settings.model_validate({"health": {"host": host, "correlate": 9102}})) == url


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "x"])
def test_only_http_is_asked(url: str) -> None:
    """A file of this machine is no page of metrics."""
    with pytest.raises(Stop, match="want http"):
        asked.page(url)


def test_nobody_there_is_said_with_the_remedy() -> None:
    """Another place may be named."""
    with pytest.raises(Stop, match=r"soc correlate.*--url"):
        asked.page("http://127.0.0.1:1/metrics")
