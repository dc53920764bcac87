// A Lambda authorizer for AWS API Gateway that asks Doorward's decision API.
//
// REST APIs: TOKEN and REQUEST authorizers (an IAM policy is the answer). HTTP APIs: payload format 1.0 (policy) and 2.0 (policy or,
// with SIMPLE_RESPONSES=true, `isAuthorized`). Environment: DOORWARD_URL (https://doorward.internal:4456), MANAGED_HEADERS (comma-
// separated names that your rules set; they become `context` entries for integration mappings), TIMEOUT_MS (default 3000).
//
// Whatever goes wrong is a refusal. The answer says `Unauthorized` for 401, so that API Gateway answers 401; all else is a Deny (403).

const setting = (name, fallback) => process.env[name] ?? fallback;
const managed = () => setting("MANAGED_HEADERS", "x-user").split(",").map((name) => name.trim().toLowerCase()).filter(Boolean);

// Headers that describe a connection, a body, or another request than the caller's own.
const NOT_ASKED = new Set(["connection", "content-length", "transfer-encoding", "upgrade", "te", "expect", "keep-alive", "host", "forwarded"]);
const isAsked = (name) => !NOT_ASKED.has(name) && !name.replaceAll(/[_.]/g, "-").startsWith("x-forwarded");

/** What the event says of the request: method, host, path, query, headers. `null` where it can't be told for certain. */
export function described(event) {
  if (event.version === "2.0") {
    const http = event.requestContext?.http;
    return http && {
      method: http.method,
      host: event.requestContext.domainName,
      uri: withQuery(event.rawPath, event.rawQueryString),
      headers: single(event.headers),
      source: http.sourceIp,
    };
  }
  if (event.type === "TOKEN") {
    return fromArn(event);
  }
  const headers = lines(event.multiValueHeaders ?? event.headers);
  return event.httpMethod && {
    method: event.httpMethod,
    host: event.requestContext?.domainName ?? headers.find(([name]) => name === "host")?.[1],
    uri: withQuery(event.path, query(event)),
    headers,
    source: event.requestContext?.identity?.sourceIp ?? event.requestContext?.http?.sourceIp,
  };
}

// arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH; all that a TOKEN event has beside the token.
function fromArn({ methodArn, authorizationToken }) {
  const [, , , region, , ...rest] = methodArn.split(":");
  const [api, , method, ...path] = rest.join(":").split("/");
  return {
    method,
    host: setting("API_HOST", `${api}.execute-api.${region}.amazonaws.com`),
    uri: "/" + path.join("/"),
    headers: [["authorization", authorizationToken]],
  };
}

const withQuery = (path, query) => (query ? `${path}?${query}` : path);

function query({ multiValueQueryStringParameters: many, queryStringParameters: one }) {
  const pairs = many ? Object.entries(many).flatMap(([name, values]) => values.map((value) => [name, value])) : Object.entries(one ?? {});
  return pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
}

const single = (headers) => Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]);
const lines = (headers) => Object.entries(headers ?? {}).flatMap(([name, values]) => [values].flat().map((value) => [name.toLowerCase(), value]));

/** Asks Doorward: `{ status, headers }`, or a status of 0 where there is no answer. */
async function ask(request) {
  const headers = new Headers();
  for (const [name, value] of request.headers.filter(([name]) => isAsked(name))) headers.append(name, value);
  headers.set("x-forwarded-method", request.method);
  headers.set("x-forwarded-proto", "https");
  headers.set("x-forwarded-host", request.host);
  headers.set("x-forwarded-uri", request.uri);
  if (request.source) headers.set("x-forwarded-for", request.source);
  try {
    const answer = await fetch(new URL("/decisions", setting("DOORWARD_URL")), {
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(Number(setting("TIMEOUT_MS", "3000"))),
    });
    await answer.body?.cancel();
    return { status: answer.status, headers: answer.headers };
  } catch {
    return { status: 0, headers: new Headers() };
  }
}

const policy = (effect, event, principalId, context) => ({
  principalId,
  policyDocument: {
    Version: "2012-10-17",
    // This one method and path only: a policy is cached and must not open others.
    Statement: [{ Action: "execute-api:Invoke", Effect: effect, Resource: event.methodArn ?? event.routeArn }],
  },
  context,
});

export async function handler(event) {
  const request = described(event);
  const simple = event.version === "2.0" && setting("SIMPLE_RESPONSES", "false") === "true";
  const { status, headers } = request ? await ask(request) : { status: 0, headers: new Headers() };
  const context = Object.fromEntries(managed().map((name) => [name.replaceAll("-", "_"), headers.get(name) ?? ""]));
  if (status === 200) {
    return simple ? { isAuthorized: true, context } : policy("Allow", event, headers.get(managed()[0]) || "anonymous", context);
  }
  // API Gateway turns this very word into 401; an HTTP API's simple response knows no 401.
  if (status === 401 && !simple) throw new Error("Unauthorized");
  return simple ? { isAuthorized: false, context: {} } : policy("Deny", event, "denied", {});
}
