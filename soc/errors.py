"""Every exception that crosses a module boundary. A type names the caller's next act.

VonggacError
├── Retry            transient: the same call, later, may succeed
│   └── SlowDown     the other side is full: wait `after` seconds first
├── DeadLetter       this input can never succeed: dead-letter it with the reason
├── Conflict         somebody else wrote first: read again and start afresh
├── Abandon          our partitions were given away: drop the batch in hand, poll again
└── Stop             cannot go on: end the process and say why
    ├── SettingsError   a wrong or unknown setting; names it
    ├── RulesError      no usable rule; names the file
    ├── AlreadyRunning  another process holds what only one may hold; says the remedy
    └── Lost            retention has overtaken a position: records are gone unread
"""


class VonggacError(Exception):
    """The root: everything that Vonggac raises on purpose."""


class Retry(VonggacError):
    """Transient: nothing is known to be done; the same call may succeed later."""


class SlowDown(Retry):
    """The other side is full. `after`: seconds to wait before the next try."""

    def __init__(self, reason: str, after: float = 1.0) -> None:
        """Say why, and how many seconds to wait."""
        super().__init__(reason)
        self.after = after


class DeadLetter(VonggacError):
    """The input can never be processed. `reason`: short, stable, safe to use as a metric label."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """`reason` is one of few words (`malformed_json`); `detail` is for a person."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Conflict(VonggacError):
    """A document changed since it was read: read again and start afresh."""


class Abandon(VonggacError):
    """The consumer no longer owns what it read: drop the batch, commit nothing, poll again."""


class Stop(VonggacError):
    """The process cannot go on. The message says what is wrong and what to do."""


class SettingsError(Stop):
    """A setting is unknown or wrong; the message names it and the remedy."""


class RulesError(Stop):
    """No usable rule set; the message names the file or folder."""


class AlreadyRunning(Stop):
    """Another process holds what only one may hold; the message says the remedy."""


class Lost(Stop):
    """Records `first` up to, but not including, `last` were removed before they were read."""

    def __init__(self, topic: str, partition: int, first: int, last: int) -> None:
        """Name the gap: offsets `first` <= o < `last` of one partition."""
        super().__init__(
            f"{topic}[{partition}]: records {first} to {last - 1} were removed by retention before they were read. "
            "Set bus.on_lost = 'continue' to go on behind the gap."
        )
        self.topic = topic
        self.partition = partition
        self.first = first
        self.last = last
