"""What each key and each event means, for the reference; everything else of it is in the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dotagent.core.model import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """A page's beginning, what stands above each table, and ``[table] key`` to its meaning."""

    intro: str
    keys: Mapping[str, str]
    tables: Mapping[str, str] = field(default_factory=dict)


_TRIES = {
    "max_retries": "the name in dotagent 0.1.x of `max_attempts`; 0 means 1",
    "max_attempts": "attempts in all; 3 if nothing is said",
    "retry_backoff_minutes": "the same as `retry_backoff`, in minutes",
    "retry_backoff": "how long to wait before each further try; the last one repeats",
    "stale_after_minutes": "the same as `stale_after`, in minutes",
    "stale_after": "how late an attempt may still start; then the run is given up",
}

MANIFEST = Meanings(
    intro="""\
# The manifest

`agent.toml`, beside the program that it runs. TOML 1.1. `dotagent doctor` names everything that
is wrong with one, with its line.
Durations are `250ms`, `5s`, `90m`, `2h`, `1d` and sums such as `1h30m`. An unknown key is a
warning.
""",
    tables={
        "[[schedules]]": "When it runs. One of `cron`, `daily`, `every`, or the keys of 0.1.x.\n",
        "[defaults]": "The same for all schedules of the agent that do not say it themselves.\n",
        "[[notifiers]]": "Who is told; each driver's own keys are on [its page](../drivers.md).\n",
        "[expect]": "What must be so after a success; else the attempt has failed.\n",
        "[[preflight]]": "Plugins that may block an attempt. `[[on_success]]` and `[[on_failure]]`"
        " have the same keys, but for `on_block`: the hooks of dotagent 0.1.x.\n",
    },
    keys={
        "[agent] name": "its name, which can be a file's",
        "[agent] description": "for people",
        "[agent] version": "for people",
        "[agent] monitor": "the name in dotagent 0.1.x of `enabled`",
        "[agent] enabled": "`false`: never scheduled",
        "[agent] timeout_seconds": "the same as `timeout`, in seconds",
        "[agent] timeout": "how long an attempt may run; `30m` if nothing is said",
        "[agent] inherit_notifiers": "`false`: the channels of `config.toml` do not apply",
        "[run] command": "the program; relative to the manifest's folder if it has a `/`",
        "[run] args": "its arguments",
        "[run] working_dir": "where it runs; the manifest's folder if nothing is said",
        "[run] success_codes": "exit codes that mean success; `[0]` if nothing is said",
        "[run] warn_codes": "success that says so",
        "[run] skip_codes": "not now: the run ends as skipped, and nothing failed",
        "[run] no_retry_codes": "failed, and trying again will not help",
        "[[schedules]] id": "its name; one of a kind in the manifest",
        "[[schedules]] args": "arguments after those of `[run]`",
        "[[schedules]] type": "implied by the key that says when",
        "[[schedules]] cron": "a cron expression of five fields, or `@daily` and the like",
        "[[schedules]] expression": "the same as `cron`",
        "[[schedules]] daily": "each day at this time",
        "[[schedules]] every": "an interval",
        "[[schedules]] interval_minutes": "the same as `every`, in minutes",
        "[[schedules]] weekdays": "0 and 7 are Sunday; every day if left out",
        "[[schedules]] hours": "every hour if left out",
        "[[schedules]] minute": "of those hours",
        "[[schedules]] run_at_start": "an interval's first run is at once",
        "[[schedules]] timezone": "such as `Europe/Berlin`; the machine's if left out",
        "[[schedules]] spread": "a stable offset of at most this, by the name",
        "[[schedules]] catch_up": "after downtime run the latest that was missed, or none",
        "[[schedules]] overlap": "while the last run goes on: skip the next, or let it wait",
        **{f"[[schedules]] {name}": said for name, said in _TRIES.items()},
        **{f"[defaults] {name}": said for name, said in _TRIES.items()},
        "[[notifiers]] driver": "what speaks to the service",
        "[[notifiers]] id": "a name, for commands and the record",
        "[[notifiers]] events": "which [events](events.md); all if left out",
        "[[notifiers]] enabled": "`false`: nothing is sent",
        "[[notifiers]] timeout_seconds": "for one try; 10 if nothing is said",
        "[[notifiers]] proxy": "for this channel alone",
        "[[notifiers]] ca_file": "certificates to trust for this channel",
        "[[notifiers]] rate_limit_minutes": "nothing less grave for so long after a message",
        "[[notifiers]] quiet_hours": "`{ from, to, events }`: held until they end; without"
        " `events` all but what is critical ([examples](../how-to/be-told.md))",
        "[[notifiers]] remind": "speak again while it fails; the last one repeats"
        " ([example](../how-to/be-told.md))",
        "[[notifiers]] collapse": "several events of one attempt go as one message",
        "[[notifiers]] template": "a Jinja text over the event's"
        " [fields](#the-fields-of-a-template) ([example](../how-to/be-told.md))",
        "[expect] output": "something was printed",
        "[expect] output_match": "a regular expression that the output's tail has",
        "[expect] output_not_match": "one that it has not",
        "[expect] file": "`{ path, newer, min_bytes }`: a file that was written meanwhile",
        "[expect] min_duration": "it took at least so long",
        "[env] inherit": "`false`: little more than HOME and PATH is handed on",
        "[env] extra": "variables besides",
        "[env] from_secrets": "names of secrets that the agent gets",
        "[limits] log_max_mb": "the log begins anew when it is so large",
        "[limits] output_tail_lines": "lines that are kept for messages; at most 64 KiB",
        "[security] allowed_commands": "what `command` may be",
        "[security] allowed_plugins": "which plugins its hooks may name",
        "[security] filesystem_writable": "where it may write",
        "[security] env_passthrough": "which variables it sees, besides the usual ones",
        "[security] network": "`deny`, or the hosts that it may reach",
        "[security] enforce": "what happens where this machine cannot enforce it",
        "[[preflight]] plugin": "its name, without `dotagent-plugin-`",
        "[[preflight]] config": "settings, handed to the plugin as they are",
        "[[preflight]] events": "which events; only of `on_success` and `on_failure`",
        "[[preflight]] timeout_seconds": "for one call",
        "[[preflight]] on_block": "a blocked run is tried again, or skipped",
    },
)

CONFIG = Meanings(
    intro="""\
# config.toml

In your home, for all agents. Everything may be left out. A change takes effect when you save;
while the file is wrong the last good one
stays in force, and `config_invalid` is told. `[[notifiers]]` are written as in a
[manifest](manifest.md), and are told of every agent
that does not say otherwise; they remind after `1h`, `6h` and `24h` unless `remind` says something
else.
""",
    keys={
        "[daemon] max_running": "attempts at once; four for each processor, at least 16",
        "[daemon] stop_grace": "what runs may finish within this when the daemon is stopped",
        "[summary] enabled": "how everything stands, once a day",
        "[summary] at": "when",
        "[summary] grace": "how late it may still come, after sleep or downtime",
        "[summary] notifiers": "ids of who gets it; all that ask for it if left out",
        "[deadman] url": "an address outside that is asked again and again",
        "[deadman] every": "how often",
        "[retention] history": "how long runs are kept",
        "[retention] messages": "how long events and messages are kept",
        "[metrics] listen": "where Prometheus may ask; an address of this machine alone",
        "[metrics] textfile": "a file to write, for the node exporter",
        "[metrics] every": "how often the file is written",
        "[storm] waiting": "more messages that wait for one channel become one",
        "[logging] level": "`trace`, `debug`, `info`, `warn`, `error` or `off`",
        "[logging] format": "`json`, else text for people",
        "[logging] retention_days": "of the daemon's log",
        "[logging] per_agent_retention_days": "of the agents' logs",
        "[logging] compress_after_days": "of both",
        "[telemetry] otlp_endpoint": "read as in dotagent 0.1.x; nothing is sent",
        "[telemetry] protocol": "the same",
        "[telemetry] service_name": "the same",
        "[telemetry] resource": "the same",
        "[telemetry] headers": "the same",
        "[secrets] file": "an absolute path; `secrets.env` in your home if left out",
    },
)

EVENTS: Mapping[str, str] = {
    Kind.ATTEMPT_FAILED: "an attempt ended badly, or could not start; the last one too",
    Kind.TIMED_OUT: "an attempt exceeded its timeout",
    Kind.PREFLIGHT: "a plugin blocked an attempt",
    Kind.GIVEN_UP: "a run is closed without success, after at least one attempt",
    Kind.RECOVERED: "the first success after that; `success` comes too",
    Kind.SUCCESS: "every success",
    Kind.MISSED: "runs that nothing could start and that will not be caught up; one event a gap",
    Kind.STILL_FAILING: "a reminder while it fails or is overdue",
    Kind.DAILY_SUMMARY: "how everything stands; for the channels of `config.toml`",
    Kind.MANIFEST_INVALID: "a manifest is not right; the last good one goes on",
    Kind.ROOT_VANISHED: "a whole folder of agents is not there; their schedules are held",
    Kind.CONFIG_INVALID: "`config.toml` is not right; the last good one goes on",
    Kind.AUDIT_CHAIN_BROKEN: "the record was changed from outside",
    Kind.SECRETS_REFUSED: "the secrets file is not used, or a secret cannot be fetched",
    Kind.DESTINATION_PARKED: "a channel accepts no messages",
    Kind.DELIVERY_EXPIRED: "messages could not be delivered",
    Kind.PROCESS_ESCAPED: "a process could not be killed",
    Kind.STORE_ERROR: "the database is damaged, gone, or takes nothing",
    Kind.MANIFEST_DRIFT_DETECTED: "a manifest was changed",
    Kind.PHANTOM_AGENT_DETECTED: "an agent is new",
    Kind.DAEMON_UNCLEAN_RESTART: "the daemon before this one ended without a word",
    Kind.CLOCK_CHANGED: "the clock was set",
    Kind.AWAY_SUMMARY: "what sleep or downtime made late",
    Kind.TEST: "a person tries a channel (`dotagent notify test`); no `events` can name it",
}
