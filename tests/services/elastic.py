"""A real Elasticsearch node, without TLS or passwords.

It lacks the modules that are not in the package registry: `GET /`, scripts, data streams, lifecycle policies, update
and delete by query, reindex, async search, security.
"""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.services import jars
from tests.services.process import Service

_SETTINGS = {
    "cluster.name": "vonggac-test",
    "node.name": "test",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "transport.port": "0",
    "cluster.routing.allocation.disk.threshold_enabled": "false",  # a developer's disk may be nearly full
}
_ANSWER_SECONDS = 5.0


class Elastic(Service):
    """A node at `url`. Snapshots may be written under `snapshots`; `settings` are node settings over the defaults."""

    name = "elasticsearch"

    def __init__(self, work: Path, settings: Mapping[str, str] | None = None, *, quick: bool = True) -> None:
        """Reserve its port; nothing is written before `start`."""
        super().__init__(work, quick=quick)
        self.snapshots = self.work / "snapshots"
        self._settings = dict(settings or {})

    @property
    def url(self) -> str:
        """The address that clients use, "http://127.0.0.1:PORT"."""
        return f"http://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        home = jars.elastic_home()
        temporary = self.work / "tmp"
        temporary.mkdir(exist_ok=True)
        settings = _SETTINGS | {
            "path.home": str(home),
            "path.data": str(self.work / "elasticsearch"),
            "path.logs": str(self.work),
            "path.repo": str(self.snapshots),
            "http.port": str(self.port),
        }
        return [
            *(jars.JAVA, *self._options, f"-Djava.io.tmpdir={temporary}"),
            *("--module-path", str(home / "lib"), "--add-modules", "ALL-MODULE-PATH"),
            *("--add-modules", "jdk.net,jdk.management.agent"),
            "--enable-native-access=org.elasticsearch.nativeaccess,org.apache.lucene.core",
            *("-cp", str(home / "launcher"), "EsNode"),
            *(f"{key}={value}" for key, value in (settings | self._settings).items()),
        ]

    def _answers(self) -> bool:
        """Tell whether the cluster's health is yellow or green, which means that every primary shard serves."""
        address = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s"
        with urllib.request.urlopen(address, timeout=_ANSWER_SECONDS) as answer:
            return json.load(answer)["status"] in {"yellow", "green"}
