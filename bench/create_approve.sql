-- One pair of request and approval as PostgreSQL alone would do it: the inserts, updates and deletes of the service's
-- six transactions, with rows of the same sizes, and the lock of the head row that gives leaves their index.
-- No statement that only reads, no JSON to make, no hash chain, nothing judged. `bench/README.md` tells how it was
-- derived; the benchmark compares what both wrote, table by table.
\set institution :client_id + :clients * random(0, :institutions / :clients - 1)

-- 1. The request is filed.
BEGIN;
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at \gset
INSERT INTO idempotency (client, key, fingerprint, expires_at)
    VALUES (repeat('c', 30), 'k' || lpad('' || :at || '-' || :client_id, 31, '0'), decode(repeat('ab', 32), 'hex'), now() + interval '1 day')
    ON CONFLICT (client, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
        headers = excluded.headers, body = excluded.body, expires_at = excluded.expires_at WHERE idempotency.expires_at <= now();
SELECT size FROM logs WHERE log = ('PGB_' || :institution) FOR UPDATE \gset
INSERT INTO request_numbers (log, year, last) VALUES (('PGB_' || :institution), 2026, 1)
    ON CONFLICT (log, year) DO UPDATE SET last = request_numbers.last + 1 RETURNING last AS number \gset
WITH new_leaves AS (
    INSERT INTO leaves (log, idx, leaf, leaf_hash, type, subject, request) VALUES
        (('PGB_' || :institution), :size, decode(repeat('ab', 669), 'hex'), decode(repeat('ab', 32), 'hex'), 'request.created', 'req_' || lpad('' || :at || :client_id, 26, '0'), 'req_' || lpad('' || :at || :client_id, 26, '0')),
        (('PGB_' || :institution), :size + 1, decode(repeat('ab', 391), 'hex'), decode(repeat('ab', 32), 'hex'), 'mail.queued', ('PGB_' || :institution), 'req_' || lpad('' || :at || :client_id, 26, '0'))
), new_parts AS (
    INSERT INTO private_parts (log, idx, part) VALUES (('PGB_' || :institution), :size, decode(repeat('ab', 435), 'hex'))
), new_changes AS (
    INSERT INTO changes (log, idx, request, event, type, at) VALUES
        (('PGB_' || :institution), :size, 'req_' || lpad('' || :at || :client_id, 26, '0'), 'evt_' || lpad('' || :at || :client_id || '4', 26, '0'), 'request.created', now())
) UPDATE logs SET size = :size + 2, edge = decode(repeat('ab', 128), 'hex'), last_at = now() WHERE log = ('PGB_' || :institution);
INSERT INTO outbox (log, id, kind, about, payload, rendered, status, attempts, created_at, due_at, lease, error)
    VALUES (('PGB_' || :institution), 'evt_' || lpad('' || :at || :client_id || '1', 26, '0'), 'mail', 'req_' || lpad('' || :at || :client_id, 26, '0'), ('{"facts":"' || repeat('x', 1056) || '"}')::json, NULL, 'waiting', 0, now(), now(), NULL, NULL);
INSERT INTO requests (log, id, number, short, client, status, created_index, decide_by, due_at, environment, case_number, engineer_id, created_at, updated_at, version, state)
    VALUES (('PGB_' || :institution), 'req_' || lpad('' || :at || :client_id, 26, '0'), '2026-' || lpad(:number::text, 4, '0'), substr(md5('' || :at || '-' || :client_id), 1, 12), repeat('c', 30), 'pending', :size, now() + interval '3 days', now() + interval '4 hours', 'alma-production', '06543215', 'e1234', now(), now(), 1, ('{"state":"' || repeat('x', 713) || '"}')::json);
UPDATE idempotency SET status = 201, headers = ('{"ETag":"' || repeat('x', 77) || '"}')::json, body = decode(repeat('ab', 1145), 'hex')
    WHERE client = repeat('c', 30) AND key = 'k' || lpad('' || :at || '-' || :client_id, 31, '0');
COMMIT;

-- 2. The approver's answer becomes a draft.
BEGIN;
SELECT size FROM logs WHERE log = ('PGB_' || :institution) FOR UPDATE \gset
INSERT INTO drafts (log, id, kind, subject, person, session, statement, details, created_at, used_at)
    VALUES (('PGB_' || :institution), 'dft_' || lpad('' || :at || :client_id, 26, '0'), 'approve', 'req_' || lpad('' || :at || :client_id, 26, '0'), repeat('p', 30), decode(repeat('ab', 32), 'hex'), decode(repeat('ab', 930), 'hex'), ('{"details":"' || repeat('x', 180) || '"}')::json, now(), NULL);
COMMIT;

-- 3. The browser leaves for the provider.
BEGIN;
INSERT INTO sign_in_flows (state, log, browser, details, created_at)
    VALUES (sha256(convert_to('' || :at || '-' || :client_id, 'UTF8')), ('PGB_' || :institution), decode(repeat('ab', 32), 'hex'), ('{"details":"' || repeat('x', 246) || '"}')::json, now());
COMMIT;

-- 4. It is back, once.
BEGIN;
DELETE FROM sign_in_flows WHERE state = sha256(convert_to('' || :at || '-' || :client_id, 'UTF8'));
COMMIT;

-- 5. The countersigned approval.
BEGIN;
SELECT size FROM logs WHERE log = ('PGB_' || :institution) FOR UPDATE \gset
UPDATE drafts SET used_at = now() WHERE log = ('PGB_' || :institution) AND id = 'dft_' || lpad('' || :at || :client_id, 26, '0') AND used_at IS NULL;
INSERT INTO evidence (log, digest, blob)
    VALUES (('PGB_' || :institution), 'sha256:' || encode(sha256(convert_to('' || :at || '-' || :client_id, 'UTF8')), 'hex'), decode(repeat('ab', 1614), 'hex')) ON CONFLICT DO NOTHING;
WITH new_leaves AS (
    INSERT INTO leaves (log, idx, leaf, leaf_hash, type, subject, request) VALUES
        (('PGB_' || :institution), :size, decode(repeat('ab', 617), 'hex'), decode(repeat('ab', 32), 'hex'), 'decision.made', 'req_' || lpad('' || :at || :client_id, 26, '0'), 'req_' || lpad('' || :at || :client_id, 26, '0')),
        (('PGB_' || :institution), :size + 1, decode(repeat('ab', 505), 'hex'), decode(repeat('ab', 32), 'hex'), 'request.approved', 'req_' || lpad('' || :at || :client_id, 26, '0'), 'req_' || lpad('' || :at || :client_id, 26, '0')),
        (('PGB_' || :institution), :size + 2, decode(repeat('ab', 280), 'hex'), decode(repeat('ab', 32), 'hex'), 'request.activated', 'req_' || lpad('' || :at || :client_id, 26, '0'), 'req_' || lpad('' || :at || :client_id, 26, '0')),
        (('PGB_' || :institution), :size + 3, decode(repeat('ab', 391), 'hex'), decode(repeat('ab', 32), 'hex'), 'mail.queued', ('PGB_' || :institution), 'req_' || lpad('' || :at || :client_id, 26, '0')),
        (('PGB_' || :institution), :size + 4, decode(repeat('ab', 366), 'hex'), decode(repeat('ab', 32), 'hex'), 'mail.queued', ('PGB_' || :institution), 'req_' || lpad('' || :at || :client_id, 26, '0'))
), new_parts AS (
    INSERT INTO private_parts (log, idx, part) VALUES (('PGB_' || :institution), :size, decode(repeat('ab', 77), 'hex'))
), new_changes AS (
    INSERT INTO changes (log, idx, request, event, type, at) VALUES
        (('PGB_' || :institution), :size, 'req_' || lpad('' || :at || :client_id, 26, '0'), 'evt_' || lpad('' || :at || :client_id || '5', 26, '0'), 'decision.made', now()),
        (('PGB_' || :institution), :size + 1, 'req_' || lpad('' || :at || :client_id, 26, '0'), 'evt_' || lpad('' || :at || :client_id || '6', 26, '0'), 'request.approved', now()),
        (('PGB_' || :institution), :size + 2, 'req_' || lpad('' || :at || :client_id, 26, '0'), 'evt_' || lpad('' || :at || :client_id || '7', 26, '0'), 'request.activated', now())
) UPDATE logs SET size = :size + 5, edge = decode(repeat('ab', 96), 'hex'), last_at = now() WHERE log = ('PGB_' || :institution);
INSERT INTO outbox (log, id, kind, about, payload, rendered, status, attempts, created_at, due_at, lease, error)
    VALUES (('PGB_' || :institution), 'evt_' || lpad('' || :at || :client_id || '2', 26, '0'), 'mail', 'req_' || lpad('' || :at || :client_id, 26, '0'), ('{"facts":"' || repeat('x', 1284) || '"}')::json, NULL, 'waiting', 0, now(), now(), NULL, NULL);
INSERT INTO outbox (log, id, kind, about, payload, rendered, status, attempts, created_at, due_at, lease, error)
    VALUES (('PGB_' || :institution), 'evt_' || lpad('' || :at || :client_id || '3', 26, '0'), 'mail', 'req_' || lpad('' || :at || :client_id, 26, '0'), ('{"facts":"' || repeat('x', 1237) || '"}')::json, NULL, 'waiting', 0, now(), now(), NULL, NULL);
INSERT INTO grants (log, id, request, environment, account, engineer_id, not_before, not_after, roles, ended_at, ended_because, mac)
    VALUES (('PGB_' || :institution), 'grt_' || lpad('' || :at || :client_id, 26, '0'), 'req_' || lpad('' || :at || :client_id, 26, '0'), 'alma-production', 'exl_impl', 'e1234', now(), now() + interval '4 hours', ('["' || repeat('x', 56) || '"]')::json, NULL, NULL, decode(repeat('ab', 32), 'hex'));
UPDATE requests SET status = 'active', due_at = now() + interval '4 hours', updated_at = now(), version = 2, state = ('{"state":"' || repeat('x', 1313) || '"}')::json
    WHERE log = ('PGB_' || :institution) AND id = 'req_' || lpad('' || :at || :client_id, 26, '0') AND version = 1;
COMMIT;

-- 6. The browser session gets another id.
BEGIN;
UPDATE web_sessions SET token = sha256(convert_to(('PGB_' || :institution) || '/' || (:size + 5), 'UTF8')) WHERE token = sha256(convert_to(('PGB_' || :institution) || '/' || (:size - 2), 'UTF8'));
COMMIT;
