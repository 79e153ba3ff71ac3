-- The line: manifest -> schedule -> window -> attempt -> event -> delivery -> send -> record.
-- Instants are integers, milliseconds since the Unix epoch (docs/adr/0004). States are the words of
-- core/model.py. Partial unique indexes hold the invariants that must never depend on code alone.

-- One row. id distinguishes homes on the wire and in process markers; key makes fingerprints of
-- destinations that say nothing about the address (rules R16).
CREATE TABLE home (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  id       TEXT NOT NULL,
  key      BLOB NOT NULL,
  anchor   TEXT NOT NULL,   -- prev_hash of the first audit line: GENESIS, or an older log's head
  made_at  INTEGER NOT NULL
);
INSERT INTO home VALUES
  (1, lower(hex(randomblob(4))), randomblob(32), 'GENESIS',
   CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));

-- Who held the lock, one row a holder (rules R1). ended_at stays null after a crash.
CREATE TABLE holders (
  epoch         INTEGER PRIMARY KEY AUTOINCREMENT,
  role          TEXT NOT NULL,
  pid           INTEGER NOT NULL,
  started_ticks INTEGER NOT NULL,
  boot_id       TEXT NOT NULL,
  began_at      INTEGER NOT NULL,
  ended_at      INTEGER
);

-- When nobody could act: no daemon, or a machine that slept. `why` needs them.
CREATE TABLE spans (
  id      INTEGER PRIMARY KEY,
  from_at INTEGER NOT NULL,
  to_at   INTEGER NOT NULL,
  why     TEXT NOT NULL
);

CREATE TABLE roots (
  path        TEXT PRIMARY KEY,
  dev         INTEGER,                 -- an unmounted folder is still there, on another device
  vanished_at INTEGER
);

-- What lies on disk: one row a file found, with the stat that spares reading it again.
CREATE TABLE manifests (
  path     TEXT PRIMARY KEY,
  root     TEXT NOT NULL,
  dev      INTEGER NOT NULL,
  inode    INTEGER NOT NULL,
  size     INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  sha256   TEXT NOT NULL,
  agent    TEXT,                       -- null until the file was good once
  problems TEXT NOT NULL,              -- JSON; fatal ones mean the last good copy runs
  fatal    INTEGER NOT NULL,
  shadowed_by TEXT                     -- the file whose agent of the same name runs instead
);
CREATE INDEX manifests_agent ON manifests (agent);

-- What runs: one row an agent name. sha256 names its last good copy under state/manifests.
CREATE TABLE agents (
  name          TEXT PRIMARY KEY,
  path          TEXT NOT NULL,
  root          TEXT NOT NULL,
  sha256        TEXT NOT NULL,
  enabled       INTEGER NOT NULL,
  inherits      INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL,
  adopted_sha256 TEXT NOT NULL DEFAULT '',  -- as it was when it was first seen, and when its
  changed_at    INTEGER,                    -- manifest last became another: what doctor shows
  gone_at       INTEGER
);

-- Where manifests use plugins, and what these said of it (contract §10, validate): a restart asks
-- nothing again. fault: a warning for people, redacted; the agent runs all the same.
CREATE TABLE plugin_uses (
  agent    TEXT NOT NULL,
  place    TEXT NOT NULL,              -- its key path in the manifest
  plugin   TEXT NOT NULL,
  due      INTEGER NOT NULL DEFAULT 1, -- the manifest or the program is new: to be asked
  program  TEXT NOT NULL DEFAULT '',   -- the file that was found, with its stat; '': none
  question TEXT NOT NULL DEFAULT '',   -- HMAC of program and configuration; '': no answer to keep
  fault    TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (agent, place)
) WITHOUT ROWID;
CREATE INDEX plugin_uses_open ON plugin_uses (agent) WHERE due = 1 OR fault != '';
CREATE INDEX plugin_uses_question ON plugin_uses (question);
CREATE INDEX plugin_uses_program ON plugin_uses (plugin, program, due);

CREATE TABLE schedules (
  agent            TEXT NOT NULL,
  id               TEXT NOT NULL,
  slug             TEXT NOT NULL,
  definition       TEXT NOT NULL,      -- the keys that say when (rules R3), canonical JSON
  run_at_start     INTEGER NOT NULL,   -- looked at once, when the schedule is first seen
  catch_up         TEXT NOT NULL,
  overlap          TEXT NOT NULL,
  stale_after_ms   INTEGER NOT NULL,
  stale_is_default INTEGER NOT NULL,
  max_attempts     INTEGER NOT NULL,
  backoff          TEXT NOT NULL,      -- JSON array of ms
  first_seen_at    INTEGER NOT NULL,
  anchor_at        INTEGER NOT NULL,   -- of an interval's grid
  planned_through  INTEGER,            -- the cursor: it alone decides what is new (rules R3);
                                       -- null: first seen, nothing planned yet
  planned_as       TEXT,               -- the definition the cursor was made for, after an edit
  was_away         INTEGER NOT NULL DEFAULT 0,  -- back after removal or disabling, not yet planned
  plan_epoch       INTEGER NOT NULL DEFAULT 0,
  next_due_at      INTEGER,            -- null: nothing to plan (gone, disabled, held, never fires)
  held_at          INTEGER,            -- its root vanished (rules R9)
  gone_at          INTEGER,            -- no longer wanted (rules R9), and why: removed, disabled
  gone_why         TEXT,
  health           TEXT NOT NULL DEFAULT 'new',
  reason           TEXT NOT NULL DEFAULT '',
  last_started_at  INTEGER,
  last_ended_at    INTEGER,
  last_success_at  INTEGER,
  last_result      TEXT,               -- the last attempt's end in words
  -- Overdue without a failure (rules R13). The last success or first sight, later by the time that
  -- did not count; the windows after watched_at count; null: as the next planning pass finds it.
  sound_at         INTEGER,
  watched_at       INTEGER,
  ready_at         INTEGER,            -- when, since then, the first late window could be tried
  frozen_at        INTEGER,            -- since when time does not count: paused or held
  stale_at         INTEGER,            -- when it is overdue; null while frozen, and once told
  PRIMARY KEY (agent, id)
);
CREATE INDEX schedules_due ON schedules (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX schedules_stale ON schedules (stale_at) WHERE stale_at IS NOT NULL;

-- A person's say: what falls due before until_at is skipped. schedule '': all of the agent's.
CREATE TABLE pauses (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  agent     TEXT NOT NULL,
  schedule  TEXT NOT NULL,
  kind      TEXT NOT NULL,             -- pause; skip: of the next run alone
  from_at   INTEGER NOT NULL,
  until_at  INTEGER NOT NULL,
  by        TEXT NOT NULL,
  reason    TEXT NOT NULL,
  ended_at  INTEGER,
  ended_why TEXT
);
CREATE INDEX pauses_open ON pauses (agent, schedule) WHERE ended_at IS NULL;
CREATE INDEX pauses_until ON pauses (until_at) WHERE ended_at IS NULL;

CREATE TABLE windows (
  id          INTEGER PRIMARY KEY,
  agent       TEXT NOT NULL,
  schedule    TEXT NOT NULL,
  plan_epoch  INTEGER NOT NULL,
  expected_at INTEGER NOT NULL,
  expected_to INTEGER,                 -- a range row: the last instant it stands for
  count       INTEGER NOT NULL DEFAULT 1,
  exact       INTEGER NOT NULL DEFAULT 1,
  planned_at  INTEGER NOT NULL,
  late        INTEGER NOT NULL DEFAULT 0,
  caught_up   INTEGER NOT NULL DEFAULT 0,  -- older windows that this one stands in for
  deadline_at INTEGER NOT NULL,        -- bounds starting attempts, never a running one
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL DEFAULT '',
  attempts    INTEGER NOT NULL DEFAULT 0,
  losses      INTEGER NOT NULL DEFAULT 0,
  next_at     INTEGER,
  closed_at   INTEGER,
  UNIQUE (agent, schedule, plan_epoch, expected_at)
);
CREATE UNIQUE INDEX windows_live ON windows (agent, schedule)
  WHERE state IN ('waiting', 'running');
CREATE INDEX windows_waiting ON windows (next_at) WHERE state = 'waiting';
CREATE INDEX windows_late ON windows (planned_at) WHERE (late = 1 OR caught_up > 0);
CREATE INDEX windows_closed ON windows (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE attempts (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  agent           TEXT NOT NULL,
  schedule        TEXT NOT NULL,
  window_id       INTEGER REFERENCES windows (id),
  number          INTEGER NOT NULL,
  kind            TEXT NOT NULL,
  request_id      INTEGER,
  epoch           INTEGER NOT NULL,
  manifest_sha256 TEXT NOT NULL,
  claimed_at      INTEGER NOT NULL,
  spawned_at      INTEGER,
  pid             INTEGER,
  started_ticks   INTEGER,
  timeout_at      INTEGER,             -- when its timeout ends it, from the spawn on
  ended_at        INTEGER,
  lasted_ms       INTEGER,             -- by a clock that nobody sets, where that is known
  verdict         TEXT,                -- succeeded, warned, skipped, failed, interrupted
  exit            TEXT,                -- JSON of core/exits.py
  words           TEXT,                -- the exit in words
  stdout_tail     TEXT NOT NULL DEFAULT '',
  stderr_tail     TEXT NOT NULL DEFAULT '',
  dropped         TEXT NOT NULL DEFAULT '[0,0]',
  result          TEXT NOT NULL DEFAULT '{}',
  remarks         TEXT NOT NULL DEFAULT '[]'  -- what went wrong beside it, in words
);
-- An interrupted attempt is as if it had not been (rules R11): its number is given again.
CREATE UNIQUE INDEX attempts_number ON attempts (window_id, number)
  WHERE window_id IS NOT NULL AND coalesce(verdict, '') != 'interrupted';
-- The run lock (rules R6): no two attempts of one schedule overlap.
CREATE UNIQUE INDEX attempts_open ON attempts (agent, schedule) WHERE ended_at IS NULL;
CREATE INDEX attempts_window ON attempts (window_id);
CREATE INDEX attempts_history ON attempts (agent, schedule, id);
CREATE INDEX attempts_manual ON attempts (id) WHERE kind = 'manual';

CREATE TABLE outages (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  agent     TEXT NOT NULL,
  schedule  TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  opened_by TEXT NOT NULL,
  failures  INTEGER NOT NULL DEFAULT 0,  -- attempts that failed
  windows   INTEGER NOT NULL DEFAULT 0,  -- windows given up or missed
  told      INTEGER NOT NULL DEFAULT 0,  -- a given_up or missed of it exists
  acked_at  INTEGER,                     -- a person knows: no reminders until it ends
  acked_why TEXT,
  closed_at INTEGER,
  closed_by TEXT
);
CREATE UNIQUE INDEX outages_open ON outages (agent, schedule) WHERE closed_at IS NULL;
CREATE INDEX outages_past ON outages (agent, schedule, id);

-- The next reminder of an outage for one notifier (product §6).
CREATE TABLE reminders (
  outage_id INTEGER NOT NULL REFERENCES outages (id),
  scope     TEXT NOT NULL,
  notifier  TEXT NOT NULL,
  step      INTEGER NOT NULL,
  due_at    INTEGER NOT NULL,
  PRIMARY KEY (outage_id, scope, notifier)
);
CREATE INDEX reminders_due ON reminders (due_at);

CREATE TABLE events (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT NOT NULL,
  severity   TEXT NOT NULL,
  at         INTEGER NOT NULL,
  agent      TEXT NOT NULL,
  schedule   TEXT NOT NULL,
  window_id  INTEGER,
  attempt_id INTEGER,
  outage_id  INTEGER,
  about      TEXT,
  facts      TEXT NOT NULL
);
CREATE INDEX events_schedule ON events (agent, schedule, seq);
CREATE INDEX events_outage ON events (outage_id, kind) WHERE outage_id IS NOT NULL;
CREATE INDEX events_attempt ON events (attempt_id) WHERE attempt_id IS NOT NULL;

-- What a person wants held back, and until when at the latest (product §6, rules R15).
CREATE TABLE silences (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  agent    TEXT NOT NULL,
  schedule TEXT,                       -- null: all of the agent's
  made_at  INTEGER NOT NULL,
  until_at INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  ended_at INTEGER,
  ended_by TEXT
);
CREATE INDEX silences_open ON silences (agent) WHERE ended_at IS NULL;
CREATE INDEX silences_until ON silences (until_at) WHERE ended_at IS NULL;

-- The last good routing (rules R16): who asks for what. No address and no secret.
CREATE TABLE routing (
  scope       TEXT NOT NULL,           -- agent name; '' for the global notifiers of config.toml
  notifier    TEXT NOT NULL,           -- the notifier's key
  name        TEXT NOT NULL,           -- what people call it
  driver      TEXT NOT NULL,
  events      TEXT NOT NULL,           -- JSON array of kinds; empty = all
  remind      TEXT NOT NULL,           -- JSON array of ms; empty = none
  quiet_hours TEXT NOT NULL DEFAULT 'null',   -- JSON of core/manifest_notifier.py
  rate_limit_ms INTEGER NOT NULL DEFAULT 0,
  collapse    INTEGER NOT NULL DEFAULT 0,
  folds       INTEGER NOT NULL DEFAULT 1,     -- may get several messages as one (docs/adr/0009)
  fingerprint TEXT NOT NULL,
  position    INTEGER NOT NULL,        -- order in the file: deliveries are made in this order
  PRIMARY KEY (scope, notifier)
);
CREATE INDEX routing_limited ON routing (fingerprint) WHERE rate_limit_ms > 0;

CREATE TABLE destinations (
  fingerprint TEXT PRIMARY KEY,
  driver      TEXT NOT NULL,
  name        TEXT NOT NULL,
  burst       INTEGER NOT NULL,
  every_ms    INTEGER NOT NULL,
  parallel    INTEGER NOT NULL,
  paced_at    INTEGER NOT NULL DEFAULT 0,  -- GCRA's theoretical arrival time
  failures    INTEGER NOT NULL DEFAULT 0,  -- in a row; one probe at a time while > 0
  down_until  INTEGER NOT NULL DEFAULT 0,
  told_until  INTEGER NOT NULL DEFAULT 0,  -- the service itself asked for silence until then
  back_at     INTEGER,                     -- when it was last found alive after a failure
  parked_at   INTEGER,
  parked_why  TEXT,
  unsupported INTEGER NOT NULL DEFAULT 0,  -- parked because this machine cannot: probed at start
  episode_at  INTEGER,                     -- announced since; closed by a sent (rules R21)
  dead        INTEGER NOT NULL DEFAULT 0,  -- dead letters of the episode
  sent_at     INTEGER
);

CREATE INDEX destinations_parked ON destinations (fingerprint) WHERE parked_at IS NOT NULL;
CREATE INDEX destinations_sick ON destinations (fingerprint) WHERE failures > 0;

-- When a recipient was last told of a schedule, by gravity: what the rate limit asks (rules R22).
CREATE TABLE said (
  fingerprint TEXT NOT NULL,
  agent       TEXT NOT NULL,
  schedule    TEXT NOT NULL,
  gravity     INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, agent, schedule, gravity)
) WITHOUT ROWID;

-- A still_failing that a notifier gets once its rate limit ends, if the outage lasts (rules R22).
CREATE TABLE owed (
  outage_id INTEGER NOT NULL REFERENCES outages (id),
  scope     TEXT NOT NULL,
  notifier  TEXT NOT NULL,
  due_at    INTEGER NOT NULL,
  PRIMARY KEY (outage_id, scope, notifier)
);
CREATE INDEX owed_due ON owed (due_at);

CREATE TABLE deliveries (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  event_seq   INTEGER NOT NULL REFERENCES events (seq),
  scope       TEXT NOT NULL,
  notifier    TEXT NOT NULL,
  name        TEXT NOT NULL,
  driver      TEXT NOT NULL,
  order_key   TEXT NOT NULL,           -- (scope, notifier, agent, schedule): promise P4
  fingerprint TEXT NOT NULL,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL DEFAULT '',
  turn        INTEGER NOT NULL,        -- 1: no earlier delivery of its order key is unsettled
  gravity     INTEGER NOT NULL,        -- of its event (core/fold.py)
  urgency     INTEGER NOT NULL,        -- where it has its turn: the most of it and what is behind
  created_at  INTEGER NOT NULL,
  hold_until  INTEGER NOT NULL DEFAULT 0,
  expires_at  INTEGER NOT NULL,
  epoch       INTEGER,                 -- the holder that is sending it
  tries       INTEGER NOT NULL DEFAULT 0,
  suspect     INTEGER NOT NULL DEFAULT 0,  -- found sending after a crash (rules R17)
  crashes     INTEGER NOT NULL DEFAULT 0,  -- crashes in which it was the only suspect
  doubtful    INTEGER NOT NULL DEFAULT 0,  -- an answer was lost: it may have arrived already
  plain       INTEGER NOT NULL DEFAULT 0,
  arrived     TEXT NOT NULL DEFAULT '',    -- fingerprints of the recipients that have it already
  led_by      INTEGER,                     -- the delivery in whose message it went or goes
  folded      TEXT NOT NULL DEFAULT '',    -- with how many others, and why
  apart       INTEGER NOT NULL DEFAULT 0,  -- refused or found suspect together: now by itself
  resend_of   INTEGER,
  silence     INTEGER,                 -- the silence that held it back (rules R15)
  ended_at    INTEGER
);
CREATE UNIQUE INDEX deliveries_once ON deliveries (event_seq, scope, notifier)
  WHERE resend_of IS NULL;
CREATE INDEX deliveries_free ON deliveries (fingerprint, urgency, hold_until, id)
  WHERE state = 'pending' AND turn = 1;
CREATE INDEX deliveries_order ON deliveries (order_key, id)
  WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_sending ON deliveries (fingerprint)
  WHERE state = 'sending' AND led_by IS NULL;
CREATE INDEX deliveries_suspect ON deliveries (state) WHERE suspect > 0;
CREATE INDEX deliveries_led ON deliveries (led_by) WHERE led_by IS NOT NULL;
CREATE INDEX deliveries_resent ON deliveries (resend_of) WHERE resend_of IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (order_key, hold_until)
  WHERE state = 'pending' AND hold_until > 0;
CREATE INDEX deliveries_overdue ON deliveries (fingerprint, expires_at) WHERE state = 'pending';
CREATE INDEX deliveries_state ON deliveries (state, id);
CREATE INDEX deliveries_receipt ON deliveries (order_key, id)
  WHERE state = 'sent' AND reason != '';
CREATE INDEX deliveries_event ON deliveries (event_seq);
CREATE INDEX deliveries_silenced ON deliveries (silence) WHERE silence IS NOT NULL;
CREATE INDEX deliveries_to_plugins ON deliveries (event_seq)
  WHERE driver = 'plugin' AND state IN ('pending', 'sending');

-- The ledger: one row a try, inserted at claim, its outcome filled at settle (rules R17).
CREATE TABLE sends (
  delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
  number      INTEGER NOT NULL,
  epoch       INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  started_at  INTEGER NOT NULL,
  ended_at    INTEGER,
  outcome     TEXT,
  why         TEXT,
  may_repeat  INTEGER NOT NULL DEFAULT 0,
  led_by      INTEGER,                     -- the delivery in whose message it went
  PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

-- What metrics count: only ever more, whatever retention removes. Kept by triggers, so that no way to
-- end an attempt, a message or a try is forgotten. what: attempt, message, send.
CREATE TABLE tallies (
  what    TEXT NOT NULL,
  one     TEXT NOT NULL,
  two     TEXT NOT NULL,
  three   TEXT NOT NULL,
  count   INTEGER NOT NULL,
  span_ms INTEGER NOT NULL,
  PRIMARY KEY (what, one, two, three)
) WITHOUT ROWID;
CREATE TRIGGER tally_attempts AFTER UPDATE OF verdict ON attempts
WHEN NEW.verdict IS NOT NULL AND OLD.verdict IS NULL AND NEW.kind != 'trial'
BEGIN
  INSERT INTO tallies VALUES ('attempt', NEW.agent, NEW.schedule, NEW.verdict, 1,
    CASE WHEN NEW.spawned_at IS NULL THEN 0 ELSE NEW.lasted_ms END)
  ON CONFLICT DO UPDATE SET count = count + 1, span_ms = span_ms + excluded.span_ms;
END;
CREATE TRIGGER tally_messages AFTER UPDATE OF state ON deliveries
WHEN NEW.state NOT IN ('pending', 'sending') AND OLD.state IN ('pending', 'sending')
BEGIN
  INSERT INTO tallies VALUES ('message', NEW.driver, NEW.state, '', 1, 0)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER tally_quiet AFTER INSERT ON deliveries WHEN NEW.state = 'suppressed'
BEGIN
  INSERT INTO tallies VALUES ('message', NEW.driver, NEW.state, '', 1, 0)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER tally_sends AFTER UPDATE OF outcome ON sends
WHEN NEW.outcome IS NOT NULL AND OLD.outcome IS NULL AND NEW.led_by IS NULL
BEGIN
  INSERT INTO tallies SELECT 'send', driver, NEW.outcome, '', 1,
    max(NEW.ended_at - NEW.started_at, 0) FROM deliveries WHERE id = NEW.delivery_id
  ON CONFLICT DO UPDATE SET count = count + 1, span_ms = span_ms + excluded.span_ms;
END;

-- What other processes ask the holder to do (rules R2).
CREATE TABLE requests (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT NOT NULL,
  args       TEXT NOT NULL,
  state      TEXT NOT NULL,            -- waiting, running, done
  created_at INTEGER NOT NULL,
  epoch      INTEGER,
  note       TEXT NOT NULL DEFAULT '', -- what it waits for, for the person who follows it
  answer     TEXT,                     -- JSON, once done
  ended_at   INTEGER
);
CREATE INDEX requests_open ON requests (state, id) WHERE state != 'done';

-- The record's truth; state/audit.jsonl is written from it after commit.
CREATE TABLE audit (
  seq  INTEGER PRIMARY KEY,
  line BLOB NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_hash ON audit (hash);

-- Single remembered facts: what was told last of config.toml and the secrets file, and the like.
CREATE TABLE facts (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
