// An authorization server that is not ours: oidc-provider, with one app and one account, whose pages are
// answered at once. Prints its issuer as JSON, and goes on until it is stopped.
//
// GET /switch?deny=1|0 decides what the person does; GET /switch?code_ttl=SECONDS how long a code lives.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const redirectUris = JSON.parse(process.env.REDIRECT_URIS);
const person = { deny: false };
const lives = { code: 60 };

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'app',
    client_secret: 'a-secret-of-the-app',
    redirect_uris: redirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
    // One that is sent to http on this host is a native one.
    application_type: 'native',
  }],
  scopes: ['read', 'write', 'offline_access'],
  features: { devInteractions: { enabled: false }, userinfo: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  pkce: { required: () => true },
  // As RFC 9700 has it: each refresh token is good once, and reuse ends the grant.
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  ttl: { AuthorizationCode: () => lives.code, AccessToken: 3600 },
  interactions: { url: (_, interaction) => `/person/${interaction.uid}` },
});
const callback = provider.callback();

async function decide(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (person.deny) {
    const result = { error: 'access_denied', error_description: 'the person said no' };
    return provider.interactionFinished(request, response, result);
  }
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'person-42' } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { consent: { grantId } });
}

server.on('request', (request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === '/switch') {
    if (url.searchParams.has('deny')) person.deny = url.searchParams.get('deny') === '1';
    if (url.searchParams.has('code_ttl')) lives.code = Number(url.searchParams.get('code_ttl'));
    return response.end('ok');
  }
  if (url.pathname.startsWith('/api/')) {
    // The API behind the sidecar: it takes what was issued here, and nothing else.
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    return provider.AccessToken.find(token).then((found) => {
      response.statusCode = found ? 200 : 401;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ success: Boolean(found), data: found ? [{ name: 'Elsewhere Ltd' }] : null }));
    });
  }
  if (url.pathname.startsWith('/person/')) {
    return decide(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  }
  return callback(request, response);
});

console.log(JSON.stringify({ issuer }));
