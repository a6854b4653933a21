// The application of application.go for Node's servers.
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';

// Records an event in the journal, whose name is given.
export function opened(name) {
  const journal = openSync(name, 'a', 0o600);
  return (event, what) => writeSync(journal, `${event} ${what}\n`);
}

// The handler of requests, with this journal.
export function answerer(record) {
  const answer = (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const number = (name) => Number(url.searchParams.get(name) ?? 0);
    const id = url.searchParams.get('id');
    const early = url.pathname.match(/^\/api\/v2\/early\/(\d+)$/);
    if (early) {
      record('processed', id);
      response.writeHead(Number(early[1]));
      response.end(`early ${id}\n`);
      return;
    }
    if (url.pathname !== '/api/v2/echo') {
      response.end('{}\n');
      return;
    }
    record('begun', id);
    const digest = createHash('sha256');
    let length = 0;
    let whole = false;
    request.on('data', (bytes) => {
      digest.update(bytes);
      length += bytes.length;
    });
    request.on('close', () => whole || record('cut', id));
    request.on('error', () => {});
    request.on('end', () => {
      whole = true;
      const slow = number('slow');
      setTimeout(() => {
        record('processed', id);
        const line = `${id} ${length} ${digest.digest('hex')}\n`;
        const filler = id.repeat(Math.ceil(number('answer') / id.length)).slice(0, number('answer'));
        const text = line + filler;
        if (!number('stream')) {
          response.setHeader('content-length', text.length);
          response.end(text);
          return;
        }
        const half = text.length >> 1;
        response.write(text.slice(0, half));
        setTimeout(() => response.end(text.slice(half)), slow / 2);
      }, slow);
    });
  };
  return answer;
}

// Records the streams that the peer of a session has reset; what this server resets itself is marked as `ours`.
export function watchResets(session, record) {
  session.on('error', () => {});
  session.on('goaway', (code) => code === 0 || record('goaway', code));
  session.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.on('close', () => stream.rstCode && !stream.ours && record('reset', stream.rstCode));
  });
}
