// The pages of the demo's identity provider. They load nothing: no fonts, no scripts.

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => escapes[character]);

const page = (title, body) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 4rem auto; padding: 0 1rem; }
  label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
  input, button { margin: .25rem 0 1rem; padding: .5rem; }
</style>
<h1>${escape(title)}</h1>
${body}
`;

export const signInPage = ({ name, action, client, accounts, login, wrong }) => page(`Sign in at ${name}`, `
<p>to go on to ${escape(client)}</p>
${wrong ? `<p role="alert">There is no account “${escape(login)}”.</p>` : ''}
<form method="post" action="${escape(action)}">
  <label for="login">Account</label>
  <input id="login" name="login" list="accounts" value="${escape(login)}" autocomplete="username" required autofocus>
  <datalist id="accounts">${accounts.map(({ email }) => `<option value="${escape(email)}">`).join('')}</datalist>
  <label for="password">Password (any, this provider is for demonstration)</label>
  <input id="password" name="password" type="password" value="demo" autocomplete="current-password" required>
  <button type="submit">Sign in</button>
  <button type="submit" name="cancel" value="yes" formnovalidate>Cancel</button>
</form>`);

export const signOutPage = (form) => page('Sign out?', `${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
<button type="submit" form="op.logoutForm">Stay signed in</button>`);

export const signedOutPage = () => page('Signed out', '<p>You may close this window.</p>');

export const errorPage = (out) => page('This cannot go on', `<dl>${Object.entries(out)
  .map(([term, text]) => `<dt>${escape(term)}</dt><dd>${escape(text)}</dd>`).join('')}</dl>`);
