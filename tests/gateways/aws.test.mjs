// The Lambda authorizer, called with real event shapes, against a decision API that notes what it is asked.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { handler } from "../../conf/gateways/aws/authorizer.mjs";

let server;
let asked;
let status = 200;

before(async () => {
  server = createServer((request, response) => {
    asked = request;
    response.writeHead(status, { "X-User": "alice" }).end();
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  process.env.DOORWARD_URL = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());
beforeEach(() => {
  status = 200;
  asked = undefined;
  delete process.env.SIMPLE_RESPONSES;
});

const ARN = "arn:aws:execute-api:eu-west-1:123456789012:abcdef/prod/GET/orders/7";
const rest = {
  type: "REQUEST",
  methodArn: ARN,
  httpMethod: "GET",
  path: "/orders/7",
  multiValueHeaders: { Authorization: ["Bearer t"], "X-Forwarded-Uri": ["/public"], X_Forwarded_Host: ["evil"], "X-Many": ["1", "2"] },
  multiValueQueryStringParameters: { a: ["1", "2"], "b c": ["d&e"] },
  requestContext: { domainName: "api.example.com", identity: { sourceIp: "203.0.113.9" } },
};

test("a refusal denies, and 401 is the word that API Gateway knows", async () => {
  status = 403;
  assert.equal((await handler(rest)).policyDocument.Statement[0].Effect, "Deny");
  status = 302;
  assert.equal((await handler(rest)).policyDocument.Statement[0].Effect, "Deny");
  status = 401;
  await assert.rejects(handler(rest), { message: "Unauthorized" });
});

test("no answer is a refusal", async () => {
  const url = process.env.DOORWARD_URL;
  process.env.DOORWARD_URL = "http://127.0.0.1:1";
  assert.equal((await handler(rest)).policyDocument.Statement[0].Effect, "Deny");
  process.env.DOORWARD_URL = url;
  assert.equal((await handler({ type: "REQUEST", methodArn: ARN })).policyDocument.Statement[0].Effect, "Deny");
});

test("a REQUEST event is asked as its caller sent it, and its own forwarding headers stay behind", async () => {
  const answer = await handler(rest);
  assert.deepEqual(answer.policyDocument.Statement[0], { Action: "execute-api:Invoke", Effect: "Allow", Resource: ARN });
  assert.deepEqual([answer.principalId, answer.context.x_user], ["alice", "alice"]);
  const { headers } = asked;
  assert.equal(headers["x-forwarded-uri"], "/orders/7?a=1&a=2&b%20c=d%26e");
  assert.equal(headers["x-forwarded-host"], "api.example.com");
  assert.equal(headers["x-forwarded-method"], "GET");
  assert.equal(headers["x-forwarded-for"], "203.0.113.9");
  assert.equal(headers.x_forwarded_host, undefined);
  assert.equal(headers["x-many"], "1, 2");
});

test("a TOKEN event has its request in the ARN", async () => {
  await handler({ type: "TOKEN", methodArn: ARN, authorizationToken: "Bearer t" });
  assert.equal(asked.headers["x-forwarded-uri"], "/orders/7");
  assert.equal(asked.headers["x-forwarded-host"], "abcdef.execute-api.eu-west-1.amazonaws.com");
  assert.equal(asked.headers.authorization, "Bearer t");
});

test("HTTP APIs have their own payload, and simple answers where they are wanted", async () => {
  const event = {
    version: "2.0",
    type: "REQUEST",
    routeArn: ARN,
    rawPath: "/orders/a%2Fb",
    rawQueryString: "x=1",
    headers: { authorization: "Bearer t" },
    requestContext: { domainName: "api.example.com", http: { method: "POST", sourceIp: "203.0.113.9" } },
  };
  assert.equal((await handler(event)).policyDocument.Statement[0].Effect, "Allow");
  assert.equal(asked.headers["x-forwarded-uri"], "/orders/a%2Fb?x=1");
  assert.equal(asked.headers["x-forwarded-method"], "POST");
  process.env.SIMPLE_RESPONSES = "true";
  assert.deepEqual(await handler(event), { isAuthorized: true, context: { x_user: "alice" } });
  status = 401;
  assert.deepEqual(await handler(event), { isAuthorized: false, context: {} });
});
