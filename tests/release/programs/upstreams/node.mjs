// Node's own servers with the application of application.mjs. The only argument is JSON: journal, certificate and
// key are files, protocol is h1 or h2, and the rest is optional.
//
//   streams    MAX_CONCURRENT_STREAMS
//   ends       requests after which a connection ends
//   code       error code of the GOAWAY that ends it (default 0)
//   refuses    each stream with a number divisible by this is reset with REFUSED_STREAM
//   requiresHttp1   each stream is reset with HTTP_1_1_REQUIRED
//   shrinks    the number of streams at which a connection announces a limit of 2 at a time
//   leaves     each session with a number divisible by this is ended at once, by a GOAWAY that covers no stream
//   cuts       each request with a number divisible by this is answered in part: "head" breaks right after the head,
//   cut        "content" within the content, with NO_ERROR over HTTP/2
//
// SIGHUP restarts it: the old worker finishes its requests while a new one accepts.
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { answerer, opened, watchResets } from './application.mjs';

const options = JSON.parse(process.argv[2]);
const record = opened(options.journal);
const answer = answerer(record);
const { constants } = http2;

let count = 0;

function end(session) {
  if (session.destroyed) return;
  if (options.code) session.goaway(options.code);
  session.close();
}

function watch(session, sessions) {
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
  watchResets(session, record);
  count += 1;
  if (options.leaves && count % options.leaves === 0) {
    session.goaway(constants.NGHTTP2_INTERNAL_ERROR);
    session.close();
    return;
  }
  let streams = 0;
  session.on('stream', () => {
    streams += 1;
    if (streams === options.shrinks) session.settings({ maxConcurrentStreams: 2 });
    // Not at once: Node 20 corrupts its heap now and then when a session is ended within this event.
    if (streams === options.ends) setImmediate(end, session);
  });
}

function reset(stream, code) {
  stream.ours = true;
  stream.close(code);
}

function cut(request, response) {
  record('processed', new URL(request.url, 'http://localhost').searchParams.get('id'));
  const stop = () => {
    if (response.stream) reset(response.stream, options.cut === 'head' ? constants.NGHTTP2_INTERNAL_ERROR : 0);
    else request.socket.destroy();
  };
  response.writeHead(200);
  if (options.cut === 'head') {
    response.flushHeaders?.();
    stop();
  } else {
    response.write('a part', () => setImmediate(stop));
  }
}

let requests = 0;

// Whether the request is one of those that are cut.
function isCut() {
  requests += 1;
  return options.cuts && requests % options.cuts === 0;
}

function server() {
  const tls = { cert: readFileSync(options.certificate), key: readFileSync(options.key) };
  if (options.protocol === 'h1') {
    const server = https.createServer(tls, (request, response) => (isCut() ? cut : answer)(request, response));
    server.maxRequestsPerSocket = options.ends ?? 0;
    return { server, end: () => {} };
  }
  const sessions = new Set();
  const server = http2.createSecureServer({
    ...tls,
    allowHTTP1: options.requiresHttp1 ?? false,
    settings: options.streams ? { maxConcurrentStreams: options.streams } : {},
  });
  server.on('session', (session) => watch(session, sessions));
  server.on('sessionError', () => {});
  let count = 0;
  server.on('request', (request, response) => {
    count += 1;
    if (request.httpVersion === '2.0') {
      if (options.requiresHttp1) return reset(response.stream, constants.NGHTTP2_HTTP_1_1_REQUIRED);
      if (options.refuses && count % options.refuses === 0) {
        return reset(response.stream, constants.NGHTTP2_REFUSED_STREAM);
      }
    }
    (isCut() ? cut : answer)(request, response);
  });
  return { server, end: () => sessions.forEach((session) => session.close()) };
}

function work() {
  const { server: current, end } = server();
  current.listen(0, '127.0.0.1');
  process.on('message', () => {
    current.close(() => process.exit());
    end();
  });
}

function lead() {
  let worker = cluster.fork();
  worker.once('listening', ({ port }) => console.log(`listening on ${port}`));
  process.on('SIGHUP', () => {
    const old = worker;
    worker = cluster.fork();
    worker.once('listening', () => old.send('end'));
  });
  process.on('SIGTERM', () => process.exit());
}

if (cluster.isPrimary) lead();
else work();
