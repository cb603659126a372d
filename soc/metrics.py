"""Every metric that Vonggac exports, named once: vonggac_<what>_<unit>[_total].

One instance a process, made by soc.app and handed down; a test makes its own.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)


class Metrics:
    """The process's metrics, in a registry of their own. Labels are in the order of the names given here."""

    def __init__(self) -> None:
        """Declare them all."""
        self.registry = CollectorRegistry()
        # ---- collectors
        self.messages_received = self._counter(
            "messages_received", "Messages taken from a source, before parsing", "transport"
        )
        self.bytes_received = self._counter("bytes_received", "Bytes of those messages", "transport")
        self.events_published = self._counter("events_published", "Events acknowledged by the bus", "transport")
        self.messages_dropped = self._counter(
            "messages_dropped", "Messages lost where the protocol cannot slow its sender down", "transport", "cause"
        )
        self.bytes_unread = self._counter(
            "bytes_unread", "Bytes that lay unread in the kernel when a connection was closed", "transport"
        )
        self.connections = self._gauge("connections_open", "Open connections of senders", "transport")
        self.connections_refused = self._counter(
            "connections_refused", "Connections closed at once because there were too many", "transport"
        )
        self.pending_messages = self._gauge("pending_messages", "Messages received and not yet acknowledged by the bus")
        self.clock_replaced = self._counter(
            "event_times_replaced", "Events whose own time was missing, unreadable or in the future", "cause"
        )
        # ---- bus
        self.bus_published_records = self._counter("bus_published_records", "Records acknowledged by the bus", "topic")
        self.bus_published_bytes = self._counter("bus_published_bytes", "Bytes of their values", "topic")
        self.bus_polled_records = self._counter("bus_polled_records", "Records read by a group", "topic", "group")
        self.bus_lost_records = self._counter(
            "bus_lost_records", "Records that retention removed before they were read", "topic", "stage"
        )
        self.bus_producers_replaced = self._counter(
            "bus_producers_replaced", "Producers replaced after an error that stops a partition, or at their limit"
        )
        self.bus_lag = self._gauge("bus_lag_records", "Records that a group has still to commit", "group", "topic")
        self.stage_retries = self._counter("stage_retries", "Batches that a stage had to begin again", "stage")
        self.deadletters = self._counter("deadletters", "Inputs put on soc.deadletter", "stage", "reason")
        # ---- correlator
        self.rules_loaded = self._gauge("rules_loaded", "Rules and correlations that are evaluated")
        self.rules_failed = self._gauge("rules_failed", "Rules that could not be compiled and are not evaluated")
        self.rules_disabled = self._gauge("rules_disabled", "Rules that the settings leave out")
        self.rules_silenced = self._gauge(
            "rules_silenced", "1 for each rule that makes no matches of its own, by which correlation", "rule", "by"
        )
        self.rule_filters = self._gauge("rule_filters", "Filters: applied, unused, expired, failed", "state")
        self.rules_reloads = self._counter("rules_reloads", "Reloads of the rules: done, failed", "outcome")
        self.rules_stale = self._gauge(
            "rules_stale", "1 since a reload failed: the rules before it are still evaluated"
        )
        self.rules_load_time = self._gauge(
            "rules_load_timestamp_seconds", "When the rules that are evaluated were loaded, since the epoch"
        )
        self.rules_load_seconds = self._gauge("rules_load_seconds", "What their load took")
        self.events_evaluated = self._counter("events_evaluated", "Events that the rules were evaluated on")
        self.events_undecided = self._counter(
            "events_undecided", "Those whose values had not come together before, so that rules were evaluated"
        )
        self.values_judged = self._counter("values_judged", "Values of events that were not remembered")
        self.memory_resets = self._counter("memory_resets", "How often everything remembered of values was forgotten")
        self.rule_evaluations = self._counter("rule_evaluations", "Evaluations of a rule's condition", "rule")
        self.rule_cost = self._counter("rule_cost_seconds", "Time that a rule took, on the clock", "rule")
        self.rule_slow = self._counter(
            "rule_slow", "Minutes in which a rule took more than its share of the processor", "rule"
        )
        self.rule_matches = self._counter("rule_matches", "Matches, a rule", "rule")
        self.rule_errors = self._counter("rule_errors", "Evaluations that failed; the rule did not match", "rule")
        self.rule_floods = self._counter("rule_floods", "Minutes in which a rule matched beyond its bound", "rule")
        self.detect_delay = self._histogram("detect_delay_seconds", "From an event's append to its matches' append")
        self._correlations()
        # ---- store
        self.store_writes = self._counter(
            "store_writes", "Answers to writes: created, exists, updated, conflict, retry, rejected", "kind", "answer"
        )
        self.store_up = self._gauge("store_up", "1 while the store answers")
        # ---- alerting
        self.alert_changes = self._counter("alert_changes", "Changes of alerts", "kind")
        self.alert_delay = self._histogram("alert_delay_seconds", "From an event's receipt to its alert's write")
        self.notifications = self._counter(
            "notifications", "Notifications: sent, failed, refused", "receiver", "outcome"
        )
        self.national_messages = self._counter(
            "national_messages", "Messages to the National SOC: accepted, failed, refused", "stream", "outcome"
        )
        self.national_last_number = self._gauge(
            "national_last_number", "The last number acknowledged by the National SOC", "stream"
        )
        self.console_requests = self._counter("console_requests", "Requests to console and API", "status")

    def _correlations(self) -> None:
        """Declare those of what correlations are fed, and of the correlate stage."""
        self.hits_fed = self._counter("hits_fed", "Hits of detection rules given to a correlation", "rule")
        self.hits_refused = self._counter(
            "hits_refused",
            "Those not given: ungrouped (a field of group-by is missing), too_large, early (before the rule was in force)",
            "rule",
            "cause",
        )
        self.hits_valueless = self._counter(
            "hits_valueless", "Those given without a value that the condition can look at", "rule"
        )
        self.correlate_delay = self._histogram(
            "correlate_delay_seconds", "From an event's append to the append of matches judged at its hits"
        )
        self.correlate_clock_delay = self._gauge(
            "correlate_clock_delay_seconds", "How far the clock of the correlations of a level is behind now", "level"
        )
        self.correlate_standing = self._gauge(
            "correlate_sources_standing", "Sources of the clock that said nothing for a minute: windows wait for them"
        )
        self.correlate_replayed = self._counter(
            "correlate_replayed_records", "Records of soc.hits read again to have the state as it was"
        )
        self.correlate_unknown = self._counter(
            "correlate_unknown_hits", "Hits of correlations that are not in force here"
        )
        self.correlate_groups = self._gauge("correlate_groups", "Groups that a correlation remembers", "rule")
        self.correlate_hits = self._gauge("correlate_hits", "Hits that a correlation remembers", "rule")
        self.correlate_windows = self._gauge("correlate_windows", "Windows still to be judged", "rule")
        self.correlate_late = self._counter(
            "correlate_late_hits", "Hits that came too late for a window that is judged once", "rule"
        )
        self.correlate_evicted = self._counter(
            "correlate_evicted", "Groups or hits that a correlation forgot before their time, at its bounds", "rule"
        )
        self.correlate_refused = self._counter(
            "correlate_refused", "Hits that a correlation at its bounds did not take into a window", "rule"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"vonggac_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"vonggac_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"vonggac_{name}", text, labels, registry=self.registry, buckets=LATENCY_BUCKETS)
