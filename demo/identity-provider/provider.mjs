// An OpenID provider for the demo and the tests: the certified `oidc-provider`, with accounts anybody may sign in to.
//
//   COUNTERSIGN_DEVELOPMENT=true node provider.mjs [CONFIG.json]        (without a file: JSON on standard input)
//
//   { "port": 0,                             0: any free one; it listens on 127.0.0.1 only
//     "name": "Example University",          stands on its pages
//     "accounts": [{ "sub", "email", "name", "groups": [], "email_verified": true, "acr": "any of acr_values" }],
//     "clients": [{ "client_id", "client_secret", "redirect_uris", "post_logout_redirect_uris", … }],
//     "acr_values": ["urn:example:mfa"],     what a sign-in here can satisfy
//     "jwks": { "keys": [private JWKs] },    left out: an RS256 and an ES256 key, new at each start
//     "session_s": 3600 }
//
// Says `ready ISSUER` in one line on standard output. Consent is taken as given; PKCE (S256) is demanded.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

import Provider, { interactionPolicy } from 'oidc-provider';

import { errorPage, signedOutPage, signInPage, signOutPage } from './pages.mjs';

const HOST = '127.0.0.1';
const MAX_FORM = 8192;

export function refuseOutsideDevelopment(env) {
  if (env.NODE_ENV === 'production' || !['1', 'true'].includes(env.COUNTERSIGN_DEVELOPMENT)) {
    throw new Error('this provider signs anybody in: it starts only with COUNTERSIGN_DEVELOPMENT=true and never in production');
  }
}

function newKeys() {
  const keys = [
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ];
  return { keys: keys.map(([alg, { privateKey }]) => ({ ...privateKey.export({ format: 'jwk' }), alg, use: 'sig' })) };
}

// A session signed in at a lower level than asked for signs in again.
function policy() {
  const { Check, base } = interactionPolicy;
  const prompts = base();
  prompts.get('login').checks.push(new Check('acr_values', 'a sign-in of another level is needed', ({ oidc }) => {
    const asked = oidc.params.acr_values?.split(' ');
    return Boolean(asked) && !oidc.result?.login && !asked.includes(oidc.session.acr);
  }));
  return prompts;
}

async function grantEverything({ oidc }) {
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(' '));
  grant.addOIDCClaims([...oidc.requestParamClaims]);
  await grant.save();
  return grant;
}

function claimsOf({ sub, email, name, groups, email_verified = true }) {
  return { sub, email, email_verified, name, groups };
}

export function configuration(config) {
  const session = config.session_s ?? 3600;
  return {
    acrValues: config.acr_values ?? [],
    claims: {
      // As many providers do, groups come with every ID token; a scope `groups` is understood as well.
      openid: ['sub', 'groups'],
      groups: ['groups'],
      email: ['email', 'email_verified'],
      profile: ['name'],
    },
    clients: config.clients,
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('hex')] },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
    features: {
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => { ctx.body = signOutPage(form); },
        postLogoutSuccessSource: (ctx) => { ctx.body = signedOutPage(); },
      },
    },
    // Its clients live on this machine, so calls to them (back-channel logout) may go to loopback.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    findAccount: (_ctx, id) => {
      const account = config.accounts.find(({ sub }) => sub === id);
      return account && { accountId: id, claims: () => claimsOf(account) };
    },
    interactions: { policy: policy(), url: (_ctx, { uid }) => `/interaction/${uid}` },
    jwks: config.jwks ?? newKeys(),
    loadExistingGrant: grantEverything,
    pkce: { required: () => true },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = errorPage(out);
    },
    subjectTypes: ['public'],
    ttl: { AccessToken: session, AuthorizationCode: 60, Grant: session, IdToken: 3600, Interaction: 3600, Session: session },
  };
}

async function readForm(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > MAX_FORM) throw new Error('form too long');
  }
  return new URLSearchParams(body);
}

function outcome(config, account, { prompt, params }, form) {
  if (form.get('cancel')) return { error: 'access_denied', error_description: 'the person cancelled' };
  if (prompt.name === 'consent') return { consent: {} };
  if (!account || !form.get('password')) return undefined;
  const able = account.acr ?? config.acr_values ?? [];
  const acr = params.acr_values?.split(' ').find((value) => able.includes(value));
  return { login: { accountId: account.sub, acr, amr: acr ? ['pwd', 'mfa'] : ['pwd'] } };
}

async function interact(provider, config, request, response) {
  const details = await provider.interactionDetails(request, response);
  const form = request.method === 'POST' ? await readForm(request) : new URLSearchParams();
  const login = form.get('login') ?? details.params.login_hint ?? config.accounts[0].email;
  const account = config.accounts.find(({ email, sub }) => [email, sub].includes(login));
  if (request.method === 'POST' || details.prompt.name === 'consent') {
    const result = outcome(config, account, details, form);
    if (result) return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  }
  const { name = 'the demo provider', accounts } = config;
  response.writeHead(request.method === 'POST' ? 401 : 200, {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'content-type': 'text/html; charset=utf-8',
  });
  return response.end(signInPage({
    name, accounts, login, action: request.url, client: details.params.client_id, wrong: request.method === 'POST',
  }));
}

export async function start(config) {
  const server = createServer().listen(config.port ?? 0, HOST);
  await once(server, 'listening');
  const issuer = `http://${HOST}:${server.address().port}`;
  const provider = new Provider(issuer, configuration(config));
  provider.on('server_error', (_ctx, error) => console.error(error));
  const protocol = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) return protocol(request, response);
    return interact(provider, config, request, response).catch((error) => {
      response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' });
      response.end(errorPage({ error: error.message }));
    });
  });
  return { issuer, server };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    refuseOutsideDevelopment(process.env);
    // Its notices go where its complaints go: standard output is for the line that is waited for.
    console.info = console.error;
    const { issuer, server } = await start(JSON.parse(readFileSync(process.argv[2] ?? 0, 'utf8')));
    console.log(`ready ${issuer}`);
    process.on('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections());
  } catch (error) {
    console.error(`identity provider: ${error.message}`);
    process.exit(2);
  }
}
