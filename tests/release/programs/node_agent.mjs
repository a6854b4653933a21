// Node's http module, with an agent that keeps connections or does not.

import assert from "node:assert/strict";
import http from "node:http";

const [api, mode] = process.argv.slice(2);
const echo = `${api}/_simulator/echo`;
const JSON_TEXT = JSON.stringify({ title: "größer", n: 1 });
const CONTENT = Buffer.from(new Uint8Array(10 << 20).map((_, at) => at % 251));
const agent = new http.Agent({ keepAlive: mode === "keep-alive", maxSockets: 1 });

function ask(method, url, { headers = {}, write = (request) => request.end() } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, agent, headers, timeout: 60_000 }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("error", reject);
      answer.on("end", () => {
        const content = Buffer.concat(pieces);
        assert.equal(answer.statusCode, 200, `${method} ${url} ${content.subarray(0, 500)}`);
        resolve({ content, headers: answer.headers, reused: request.reusedSocket });
      });
    });
    request.on("timeout", () => request.destroy(new Error(`${method} ${url}: no answer`)));
    request.on("error", reject);
    write(request);
  });
}
const same = ({ content }) => assert.ok(content.equals(CONTENT), "the content has changed");

for (let i = 0; i < 3; i++) {
  const { content, reused } = await ask("GET", `${api}/workspaces`);
  assert.equal(JSON.parse(content).success, true);
  assert.equal(reused, i > 0 && mode === "keep-alive");
}
for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
  const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(JSON_TEXT) };
  const answer = await ask(method, echo, { headers, write: (request) => request.end(JSON_TEXT) });
  assert.equal(answer.headers["x-echo-method"], method);
  assert.equal(answer.content.toString(), JSON_TEXT);
}
assert.equal((await ask("HEAD", `${api}/workspaces`)).content.length, 0);
same(await ask("GET", `${api}/_simulator/bytes?n=${CONTENT.length}`));
same(await ask("GET", `${api}/_simulator/bytes?n=${CONTENT.length}&chunked=1`));
same(await ask("POST", echo, { headers: { "Content-Length": CONTENT.length }, write: (r) => r.end(CONTENT) }));
// In pieces, without a length.
const inPieces = (request) => {
  for (let at = 0; at < CONTENT.length; at += 50_000) request.write(CONTENT.subarray(at, at + 50_000));
  request.end();
};
same(await ask("POST", echo, { write: inPieces }));
// Content that waits until it is asked for.
const whenTold = (request) => {
  request.on("continue", () => request.end(CONTENT));
  request.flushHeaders();
};
const headers = { Expect: "100-continue", "Content-Length": CONTENT.length };
same(await ask("POST", echo, { headers, write: whenTold }));
agent.destroy();
