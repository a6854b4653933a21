// An authorization server after RFC 6749 whose refresh tokens are good once, and an API behind it that speaks HTTP/2
// alone. A refresh token that comes again ends its whole family (RFC 9700 §4.14.2); with each refresh the access
// token from before is dead. The only argument is JSON: journal, certificate and key are files, client and secret are
// the app's, seed is the first refresh token, life that of access tokens in seconds.
//
// The journal has "rotated FAMILY", "revoked FAMILY" and "dead TOKEN-ENDING" beside what the application records.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { answerer, opened, watchResets } from './application.mjs';

const options = JSON.parse(process.argv[2]);
const record = opened(options.journal);
const answer = answerer(record);
const tls = { cert: readFileSync(options.certificate), key: readFileSync(options.key) };

const family = { name: 'first', revoked: false, access: null, ends: 0 };
const refreshTokens = new Map([[options.seed, { family, spent: false }]]);
const accessTokens = new Map();

function issue(family) {
  const [access, refresh] = [randomBytes(24).toString('base64url'), randomBytes(40).toString('hex')];
  accessTokens.delete(family.access);
  family.access = access;
  accessTokens.set(access, { family, ends: Date.now() + options.life * 1000 });
  refreshTokens.set(refresh, { family, spent: false });
  return { token_type: 'Bearer', expires_in: options.life, access_token: access, refresh_token: refresh };
}

function lives(token) {
  const found = accessTokens.get(token);
  return found !== undefined && !found.family.revoked && Date.now() < found.ends;
}

const same = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

// Status and JSON for a request to the token endpoint: RFC 6749 §5 and §6.
function exchange(request, form) {
  const refuse = (status, error) => [status, { error, error_description: error }];
  if (request.method !== 'POST') return refuse(405, 'invalid_request');
  if (!(request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')) {
    return refuse(400, 'invalid_request');
  }
  const names = [...form.keys()];
  if (new Set(names).size !== names.length) return refuse(400, 'invalid_request');
  if (!same(form.get('client_id') ?? '', options.client) || !same(form.get('client_secret') ?? '', options.secret)) {
    return refuse(401, 'invalid_client');
  }
  if (form.get('grant_type') !== 'refresh_token') return refuse(400, 'unsupported_grant_type');
  if (!form.get('refresh_token')) return refuse(400, 'invalid_request');
  const presented = refreshTokens.get(form.get('refresh_token'));
  if (presented === undefined || presented.family.revoked) return refuse(400, 'invalid_grant');
  if (presented.spent) {
    presented.family.revoked = true;
    record('revoked', presented.family.name);
    return refuse(400, 'invalid_grant');
  }
  presented.spent = true;
  record('rotated', presented.family.name);
  return [200, issue(presented.family)];
}

const tokens = https.createServer(tls, (request, response) => {
  let text = '';
  request.setEncoding('latin1');
  request.on('data', (part) => { text += part; });
  request.on('end', () => {
    const [status, body] = exchange(request, new URLSearchParams(text));
    response.writeHead(status, {
      'content-type': 'application/json;charset=UTF-8', 'cache-control': 'no-store', pragma: 'no-cache',
    });
    response.end(JSON.stringify(body));
  });
});

const api = http2.createSecureServer({ ...tls, allowHTTP1: false }, (request, response) => {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (scheme === 'Bearer' && lives(token)) {
    answer(request, response);
    return;
  }
  record('dead', (token ?? '').slice(-4));
  response.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': 'Bearer error="invalid_token"' });
  response.end('{"success":false,"message":"Unauthorized. Please provide a valid Bearer token."}');
});
api.on('session', (session) => watchResets(session, record));
api.on('sessionError', () => {});

const ports = {};
for (const [name, server] of Object.entries({ tokens, api })) {
  server.listen(0, '127.0.0.1', () => {
    ports[name] = server.address().port;
    if (Object.keys(ports).length === 2) console.log(JSON.stringify(ports));
  });
}
