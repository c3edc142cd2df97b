-- What one reported event leaves, as a commit of its own: one row of a session's activity.
\set n random(1, 9000000000000000)
INSERT INTO session_events (log, session, n, at, received_at, kind, summary, detail, late)
    VALUES ('BENCH_0', 'ses_pgb' || lpad('' || :client_id, 23, '0'), :n, now(), now(), 'page', 'Opened: Authority control task list', '{"method": "GET", "path": "/admin/authority/tasks", "status": 200}', false);
