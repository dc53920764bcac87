//! `serve`.

use super::{
    Format, Schema, at_least, between, boolean, duration, integer, list, object, one_of, set, text,
    text_as,
};
use serde_json::json;

pub(super) fn section() -> Schema {
    object([
        ("proxy", proxy()),
        ("api", api()),
        ("prometheus", prometheus()),
        ("ext_authz", ext_authz()),
        ("upgrade_sock", text().about(
            "Where a process that was started with `serve --upgrade` waits for the listeners of the one that gets SIGQUIT. The folder must belong to the user that Doorward runs as and be closed to all others. Default `upgrade-<port of the proxy>.sock` in `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR/doorward` or `/run/doorward`.",
        )),
    ])
    .about(
        "The listeners. Changes need a restart, except for `cors` and `trust_forwarded_headers`.",
    )
}

fn proxy() -> Schema {
    object([
        ("host", host()),
        ("port", port().or(4455)),
        ("timeout", timeout()),
        ("limits", limits()),
        ("tls", tls()),
        ("cors", cors()),
        ("trust_forwarded_headers", boolean().or(false).about(
            "Whether `X-Forwarded-Proto` and the like, sent by a peer inside `trusted_proxies`, count and are forwarded.",
        )),
        ("trusted_proxies", trusted_proxies()),
        ("threads", threads()),
        ("explain", explain()),
    ])
    .about("The reverse proxy.")
}

fn api() -> Schema {
    object([
        ("host", host()),
        ("port", port().or(4456)),
        ("timeout", timeout()),
        ("limits", limits()),
        ("tls", tls()),
        ("cors", cors()),
        ("trusted_proxies", trusted_proxies()),
        ("threads", threads()),
        ("explain", explain()),
        (
            "expose_rules",
            boolean()
                .or(true)
                .about("Whether `/rules` answers. Secrets in it are redacted."),
        ),
    ])
    .about("The API: decisions, rules, health, keys.")
}

fn prometheus() -> Schema {
    object([
        ("host", host()),
        ("port", port().or(9000)),
        (
            "metrics_path",
            text()
                .or("/metrics")
                .about("Besides `/metrics`, which always answers."),
        ),
        (
            "metric_name_prefix",
            text()
                .or("ory_oathkeeper_")
                .about("The beginning of each series' name."),
        ),
        (
            "hide_request_paths",
            boolean()
                .or(false)
                .about("Leaves the `request` label empty; wins over `collapse_request_paths`."),
        ),
        (
            "collapse_request_paths",
            boolean()
                .or(true)
                .about("Shows only the first segment of a path in the `request` label."),
        ),
    ])
    .about("Metrics, always as plain text over plain HTTP.")
}

fn ext_authz() -> Schema {
    object([
        ("host", host()),
        (
            "port",
            port().about("Without a port there is no such listener."),
        ),
        ("timeout", timeout()),
        ("limits", limits()),
        ("tls", tls()),
        ("trusted_proxies", trusted_proxies()),
        ("threads", threads()),
    ])
    .about("Envoy's ext_authz, over gRPC.")
}

fn host() -> Schema {
    text()
        .or("")
        .about("The address to listen at; empty for all. IPv6 literals come in brackets.")
}

fn port() -> Schema {
    between(0, 65535).about("0 picks a free one.")
}

/// No defaults are put in, so that the reference's keys and Doorward's own can be told apart from silence.
fn timeout() -> Schema {
    object([
        (
            "read",
            duration()
                .about("Between two pieces of a request's body; `body_idle` wins. Default 60s."),
        ),
        (
            "write",
            duration()
                .about("Until the client takes more of an answer, where `write_idle` doesn't win (default 60s), and until an upstream sends more of it, where its rule doesn't say (default 120s)."),
        ),
        (
            "idle",
            duration().about("Between two requests; `keepalive` wins. Default 120s."),
        ),
        (
            "header",
            duration()
                .about("From the first byte of a request to the end of its headers. Default 5s."),
        ),
        (
            "body_idle",
            duration().about("Between two pieces of a request's body. Default 60s."),
        ),
        (
            "write_idle",
            duration().about("Until the client takes more of an answer. Default 60s."),
        ),
        (
            "keepalive",
            duration().about("Between two requests on one connection. Default 120s."),
        ),
        (
            "shutdown",
            duration().about("For requests in flight when Doorward stops. Default 5s."),
        ),
    ])
    .about("Deadlines; `0s` means the default. None of them limits how long a stream may live.")
}

fn limits() -> Schema {
    object([
        (
            "header_bytes",
            at_least(1)
                .or(65_536)
                .about("All header lines together; more is answered 431."),
        ),
        (
            "headers",
            at_least(1)
                .or(200)
                .about("Header lines; more is answered 431."),
        ),
        (
            "target_bytes",
            at_least(1)
                .or(16_384)
                .about("The request target; longer is answered 414."),
        ),
        (
            "body_for_decision",
            at_least(0)
                .or(1_048_576)
                .about("A body that a handler wants to see; larger is answered 413."),
        ),
        (
            "connections",
            at_least(0)
                .or(0)
                .about("Open connections; 0 leaves it to the system."),
        ),
        (
            "streams",
            between(1, 65_535)
                .or(128)
                .about("HTTP/2 streams of one connection."),
        ),
        (
            "requests",
            at_least(0)
                .or(0)
                .about("Requests on one connection, which is closed then; 0 for no limit."),
        ),
    ])
    .about("How much a client may send.")
}

fn tls() -> Schema {
    let pair = || [("key", pem(false)), ("cert", pem(true))];
    let [key, cert] = pair();
    object([
        key,
        cert,
        (
            "certificates",
            list(object(pair())).about("Further ones, chosen by the name that the client asks for."),
        ),
        (
            "client_ca",
            pem(true).about("Clients bring a certificate that one of these authorities signed."),
        ),
        (
            "client_certificate",
            one_of(["required", "optional"]).about(
                "Whether clients without one may come in where `client_ca` is set. Default required.",
            ),
        ),
    ])
    .about("Certificate and key, both as `path` or both as `base64`; `base64` wins. Files are read again when they change.")
}

fn pem(public: bool) -> Schema {
    let base64 = text().about("Standard base64 over the PEM text.");
    object([
        ("path", text().about("A PEM file.")),
        ("base64", if public { base64 } else { base64.secret() }),
    ])
}

fn cors() -> Schema {
    let methods = one_of([
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "TRACE", "PATCH",
    ]);
    object([
        ("enabled", boolean().or(false).about("Whether browsers of other origins are answered.")),
        ("allowed_origins", set(text_as(Format::NotEmpty)).or(json!(["*"])).about(
            "Origins, `*`, or one `*` in front of a registrable domain (`https://*.example.com`).",
        )),
        ("allowed_methods", set(methods).or(json!(["GET", "POST", "PUT", "PATCH", "DELETE"])).about("`OPTIONS` is always allowed.")),
        ("allowed_headers", set(text()).or(json!(["Authorization", "Content-Type"])).about("`*` for any.")),
        ("exposed_headers", set(text()).or(json!(["Content-Type"])).about("Headers of answers that scripts may read.")),
        ("allow_credentials", boolean().or(false).about("Cookies and the like. Never with the origin `*`.")),
        ("max_age", integer().or(0).about("Seconds that a browser may keep a preflight's answer; 0 leaves it to the browser.")),
        ("debug", boolean().or(false).about("Says in the log why an origin is refused.")),
    ])
    .about("Cross-origin requests from browsers, answered before any rule.")
}

fn trusted_proxies() -> Schema {
    list(text_as(Format::Network))
        .or(json!([
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "fe80::/10",
            "fc00::/7"
        ]))
        .about("Networks whose forwarded headers count.")
}

fn threads() -> Schema {
    between(0, 1024).about("Worker threads; 0 or nothing for one per core.")
}

fn explain() -> Schema {
    boolean()
        .or(false)
        .about("Tells callers inside `trusted_proxies` why a request was decided as it was.")
}
