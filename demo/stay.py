"""The service with a small world, until Ctrl-C: what to open, as whom to sign in, and a line that files a request."""

from __future__ import annotations

import json
import shlex
import time

from demo.browser import Browser
from demo.parties import ACCESS_REQUEST, CODE, enrol
from demo.stage import Stage, StageError, running

ENROLLED = "enrolled"


def stay(stage: Stage) -> int:
    """Serve until interrupted (0), or until a part ends by itself (1). Raises `StageError`, `PartFailed`."""
    with running(stage) as parts:
        _enrol_once(stage)
        print(_welcome(stage), flush=True)
        try:
            while all(part.process.poll() is None for part in parts):
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("\nStopping.", flush=True)
            return 0
    over = next(part for part in parts if part.process.poll() is not None)
    print(f"{over.process.args!r} ended by itself:\n{''.join(over.tail)}", flush=True)
    return 1


def _enrol_once(stage: Stage) -> None:
    """Let the first admin confirm the code, as nothing can be asked of an institution before."""
    mark = stage.folder / ENROLLED
    if mark.exists():
        return
    with Browser() as browser:
        page = enrol(browser, stage, stage.enrolment_codes()[CODE])
    if page.status != 200:
        raise StageError(f"the first admin could not enrol: {page.url} answered {page.status}")
    mark.touch()


def _curl(stage: Stage) -> str:
    """One line that gets a token and files a request."""
    secret = stage.secret_of("support-console")
    token = f"curl -s -u support-console:{secret} -d grant_type=client_credentials {stage.base_url}/oauth2/token"
    bearer = f"""$({token} | sed 's/.*"access_token" *: *"\\([^"]*\\)".*/\\1/')"""
    body = shlex.quote(json.dumps(ACCESS_REQUEST))
    return (
        f'curl -s {stage.base_url}/v1/access-requests -H "Authorization: Bearer {bearer}" '
        f"-H 'Content-Type: application/json' -d {body}"
    )


def _welcome(stage: Stage) -> str:
    """What people need to know."""
    codes = stage.enrolment_codes()
    people = "\n".join(
        f"  {person['email']:<24} {', '.join(person['roles']):<18} {party['name']}"
        for party in stage.world["institutions"]
        for person in party["people"]
    )
    return f"""
Countersign is up. Ctrl-C stops it; what happened is kept in {stage.folder}.

Pages
  {stage.base_url}/requests           requests of Example University Library, for its people
  {stage.base_url}/enrol/01NUL_INST   enrol New University Library yourself: code {codes["01NUL_INST"]}
  {stage.mail_url}/                   the mails that were sent

Sign in as (any password)
{people}
Somebody who may approve has their first sign-in confirmed by an admin, at {stage.base_url}/settings/people.

Example University Library ({CODE}) was enrolled by its first admin with the code {codes[CODE]}.

File a request, then open the mail at {stage.mail_url}/ and follow its link:

{_curl(stage)}
"""
