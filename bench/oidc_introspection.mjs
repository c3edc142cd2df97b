// What introspection is measured beside: the certified `oidc-provider`, opaque tokens, its own memory, one process.
//
// Says `ready PORT` in one line on standard output.

import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider from '../demo/identity-provider/node_modules/oidc-provider/lib/index.js';

const client = {
  client_id: 'gateway',
  client_secret: process.env.CLIENT_SECRET,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
};
const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
  },
});
server.on('request', provider.callback());
console.log(`ready ${port}`);
