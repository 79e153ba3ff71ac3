"""``dotagent status``: how everything is. Answered by ``cli/hot.py``; here is its help.

With ``--json``, one object. Instants are ISO 8601 in local time; what is not known is null.

* ``at``, ``home``, ``verdict``; ``daemon``: null, or its ``pid`` and ``since``;
  ``hindrance``: what keeps whoever acts from starting anything, ``full`` (its disk), ``stopped``
  (by a signal) or null; ``waiting_daemon``: the pid of one that waits for a command to end;
  ``last_tick``
* ``counts``: ``agents``, ``notifiers``, ``bad_manifests``, ``schedules``; and of these ``failing``,
  ``degraded``, ``new``, ``skipped``, ``held``, and ``unstarted`` (due, nothing keeps it, and nobody
  has begun with it)
* ``schedules``: ``agent``, ``schedule``; ``health`` (``ok``, ``degraded``, ``failing``, ``stale``,
  ``skipped`` (and nothing else yet), ``new``, ``off``) and its ``reason``; ``held`` since,
  ``held_for`` a vanished folder; of the open outage ``failing_since``, ``failed_attempts``,
  ``lost_runs``, ``acked``, ``acked_why``; ``silenced_until``, ``silenced_why``;
  ``paused_until``, ``paused_how`` (``pause``; ``skip``: of the next run alone), ``paused_by``,
  ``paused_why``; ``last_started``, ``last_ended``, ``last_result``, ``last_success``, ``next_due``,
  ``unplanned`` (1 before a daemon or a tick has seen it); of the run under way ``run``
  (``waiting``, ``running``), ``expected``, ``attempts`` made, ``max_attempts``, ``next_try``,
  ``deadline``; of the attempt that runs ``attempt`` (``window``, ``manual``, ``trial``),
  ``attempt_number``, ``attempt_started``, ``timeout`` (when its time is up), ``usual_ms`` (how long
  such a run takes: the median of the last that succeeded)
* ``other_runs``: what runs without a schedule here: ``agent``, ``schedule``, ``attempt``,
  ``attempt_number``, ``max_attempts`` (null: not known any more), ``attempt_started``, ``timeout``,
  ``usual_ms``
* ``channels`` with undelivered messages: ``name``, ``driver``, ``agent`` (empty: global; null:
  several or none), ``waiting``, ``lost``, ``waiting_since``, ``reason``, ``parked`` since,
  ``parked_why``, ``next_try``, ``last_sent``
* ``manifests`` that are not right: ``path``, ``agent``, ``shadowed_by``, ``running`` (its last good
  copy runs), ``problem_count``, ``first_problem``, and ``problems``, each with ``path``,
  ``message``, ``line``, ``hint``
* ``plugins`` that are missing, or speak against how they are used: ``agent`` (empty: by
  config.toml), ``path``, ``place``, ``plugin``, ``why``
* ``troubles`` of the home: ``what`` (``config.toml``, ``secrets``, ``record``, ``deadman``)
  and ``why``
"""

from __future__ import annotations

import click

from dotagent.cli import hot


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(as_json: bool) -> int:
    """How everything is: one verdict, then what fails and why.

    \b
    Example:
      dotagent status
      dotagent status --json | jq '.schedules[] | select(.health == "failing")'
    """
    return hot.status(as_json=as_json)
