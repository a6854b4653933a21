// Node's own fetch.

import assert from "node:assert/strict";

const [api, mode] = process.argv.slice(2);
const echo = `${api}/_simulator/echo`;
const JSON_TEXT = JSON.stringify({ title: "größer", n: 1 });
const CONTENT = new Uint8Array(10 << 20).map((_, at) => at % 251);
const connection = mode === "close" ? { Connection: "close" } : {};

async function ask(method, url, body, more = {}) {
  const headers = { ...connection, ...(typeof body === "string" ? { "Content-Type": "application/json" } : {}) };
  const answer = await fetch(url, { method, body, headers, signal: AbortSignal.timeout(60_000), ...more });
  assert.equal(answer.status, 200, `${method} ${url}`);
  return answer;
}
const bytes = async (answer) => new Uint8Array(await (await answer).arrayBuffer());
const same = (seen) => assert.ok(Buffer.compare(seen, CONTENT) === 0, "the content has changed");

for (let i = 0; i < 3; i++) {
  assert.equal((await (await ask("GET", `${api}/workspaces`)).json()).success, true);
}
for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
  const answer = await ask(method, echo, JSON_TEXT);
  assert.equal(answer.headers.get("x-echo-method"), method);
  assert.equal(await answer.text(), JSON_TEXT);
}
assert.equal((await bytes(ask("HEAD", `${api}/workspaces`))).length, 0);
assert.equal((await (await ask("GET", `${api}/_simulator/gzip`)).json()).success, true);
same(await bytes(ask("GET", `${api}/_simulator/bytes?n=${CONTENT.length}`)));
same(await bytes(ask("GET", `${api}/_simulator/bytes?n=${CONTENT.length}&chunked=1`)));
same(await bytes(ask("POST", echo, CONTENT)));
const stream = new ReadableStream({
  start(controller) {
    for (let at = 0; at < CONTENT.length; at += 50_000) controller.enqueue(CONTENT.subarray(at, at + 50_000));
    controller.close();
  },
});
same(await bytes(ask("POST", echo, stream, { duplex: "half" })));
const many = Array.from({ length: 50 }, async () => (await ask("GET", `${api}/workspaces`)).json());
assert.ok((await Promise.all(many)).every((content) => content.success));
