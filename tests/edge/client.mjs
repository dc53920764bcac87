// A client in Node: `client.mjs BASE`. Asks over kept connections with pauses around the upstream's keep-alive limit, streams a body
// both ways, and reads events. Ends with an error where anything fails.
import assert from 'node:assert';
import http from 'node:http';
import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';

const base = process.argv[2];
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

function ask(path, { method = 'GET', body = [], headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(base + path, { method, agent, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(parts) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    for (const part of body) request.write(part);
    request.end();
  });
}

async function worker(number) {
  for (let turn = 0; turn < 60; turn++) {
    const { status, body } = await ask('/hello');
    assert.deepEqual([status, body.toString()], [200, 'hello']);
    await sleep((number * 7 + turn * 3) % 40);
  }
}
await Promise.all(Array.from({ length: 8 }, (_, number) => worker(number)));

const parts = Array.from({ length: 40 }, (_, n) => Buffer.alloc(50_000, n));
const echoed = await ask('/echo', { method: 'POST', body: parts });
assert.equal(echoed.status, 200);
assert.ok(echoed.body.equals(Buffer.concat(parts)));

const session = http2.connect(base);
const stream = session.request({ ':path': new URL(`${base}/echo`).pathname, ':method': 'POST' });
let status;
stream.on('response', (headers) => { status = headers[':status']; });
for (const part of parts) stream.write(part);
stream.end();
const got = [];
for await (const part of stream) got.push(part);
assert.equal(status, 200);
assert.ok(Buffer.concat(got).equals(Buffer.concat(parts)));
session.close();

const events = await ask('/events', { headers: { accept: 'text/event-stream' } });
assert.equal(events.body.toString().match(/^data: /gm).length, 5);
agent.destroy();
