"""The correlator's section of the settings: which rules, from where, and the site's own word on them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from soc.settings.base import LevelName, Section

Status = Literal["stable", "test", "experimental", "deprecated", "unsupported"]


class WithoutSettings(Section):
    """Rules that are left out: those of which any of these is true."""

    levels: tuple[LevelName, ...] = ()
    """Of one of these levels, as the site sets them (correlate.levels)."""
    statuses: tuple[Status, ...] = ()
    """Of one of these statuses: stable, test, experimental, deprecated, unsupported."""
    tags: tuple[str, ...] = ()
    """With one of these tags; `*` stands for anything: "attack.t1059*"."""
    logsources: tuple[str, ...] = ()
    """Of one of these: PRODUCT/CATEGORY/SERVICE, `*` for any, the end may be left out: "windows", "*/process_creation"."""
    authors: tuple[str, ...] = ()
    """Whose author contains one of these, in any case."""


class OnlySettings(WithoutSettings):
    """Rules that are evaluated: those of which all that is set here is true; nothing set: all."""

    min_level: LevelName | None = None
    """Of this level or a higher one."""


class CorrelateSettings(Section):
    """The correlator."""

    rules: tuple[Path, ...] = ()
    """Files and folders of Sigma rules; none: those that come with Vonggac."""
    only: OnlySettings = OnlySettings()
    without: WithoutSettings = WithoutSettings()
    disabled: tuple[str, ...] = ()
    """Rules that are not evaluated here: by id, by title, or by file name."""
    levels: dict[str, LevelName] = Field(default_factory=dict)
    """The site's own levels: rule id to level."""
    placeholders: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values for `expand`: placeholder name to values."""
    placeholder_files: dict[str, Path] = Field(default_factory=dict)
    """More values for `expand`: placeholder name to a text file of one value a line; # begins a line of comment."""
    pipelines: tuple[Path, ...] = ()
    """YAML files of pySigma processing pipelines, which every rule goes through before it is compiled."""
    lateness_seconds: Annotated[float, Field(ge=1)] = 60.0
    """Correlations: how late an event may arrive after its own time and still be in time for every window."""
    clock_difference_seconds: Annotated[float, Field(ge=0)] = 2.0
    """Correlations: how far the brokers' clocks may be apart."""
    max_timespan_hours: Annotated[int, Field(ge=1)] = 168
    """Correlations: the longest timespan; a rule with a longer one is refused. soc.hits keeps what it needs."""
    max_groups: Annotated[int, Field(ge=1)] = 100_000
    """Correlations: groups that a rule remembers on one partition of soc.hits."""
    max_hits: Annotated[int, Field(ge=1)] = 1_000_000
    """Correlations: hits, and so distinct values, that a rule remembers on one partition of soc.hits."""
    max_group_hits: Annotated[int, Field(ge=10)] = 20_000
    """Correlations: hits that a rule remembers of one group; a rule that needs more is refused."""
    cache: str = "data/rules"
    """Folder where compiled rules are kept, so that the next start is quicker. Empty: they are not."""
    reload_seconds: Annotated[float, Field(ge=0)] = 5.0
    """How often the files are looked at for changes, which reload the rules; 0: never, SIGHUP reloads them."""
    rule_budget_percent: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Share of one processor that a rule may take, in the mean of a minute; beyond it the log and a metric name it."""
    flood_per_minute: Annotated[int, Field(ge=1)] = 5000
    """Matches of one rule in a minute beyond which only samples are stored in full."""
    flood_samples: Annotated[int, Field(ge=1)] = 100
    """Full matches that are kept of each minute of a flood."""

    @property
    def cache_folder(self) -> Path | None:
        """The folder of the cache, or None where there is to be none."""
        return Path(self.cache) if self.cache else None
