//! `authenticators`.

use super::{
    Checked, Format, Handler, Kind, Schema, Siblings, at_least, boolean, duration, handler,
    integer, list, map, object, of, one_of, plain_handler, text, text_as, uri,
};
use serde_json::json;

pub(super) fn section() -> Schema {
    object([
        ("anonymous", anonymous()),
        (
            "noop",
            plain_handler().about("Takes every request, without a subject."),
        ),
        (
            "unauthorized",
            plain_handler().about("Refuses every request with 401."),
        ),
        (
            "cookie_session",
            handler(cookie_session()).about("Asks a session store about the request's cookies."),
        ),
        (
            "bearer_token",
            handler(bearer_token()).about("Asks a session store about the request's bearer token."),
        ),
        (
            "jwt",
            handler(jwt()).about("Verifies a JSON Web Token against key sets."),
        ),
        (
            "oauth2_client_credentials",
            handler(client_credentials())
                .about("Trades Basic credentials for a token at a token endpoint."),
        ),
        (
            "oauth2_introspection",
            handler(introspection()).about("Asks a token introspection endpoint."),
        ),
    ])
    .about("Who is asking.")
}

/// Its `config` is checked even while it is disabled, as in the reference.
fn anonymous() -> Schema {
    of(Kind::Handler(Box::new(Handler {
        config: Some(object([(
            "subject",
            text()
                .or("anonymous")
                .about("The subject of requests without credentials."),
        )])),
        siblings: Siblings::Refused,
        checked: Checked::Always,
        enabled: false,
    })))
    .about("Takes requests without an `Authorization` header.")
}

fn cookie_session() -> Schema {
    let only = list(text()).about("Only requests with one of these cookies.");
    session_check(
        [("only", only)],
        "Headers that are passed on, besides `Cookie`.",
        "subject",
    )
}

fn bearer_token() -> Schema {
    let prefix = text().about("Only tokens that begin so.");
    session_check(
        [("token_from", token_from()), ("prefix", prefix)],
        "Headers that are passed on, besides `Authorization`.",
        "sub",
    )
}

/// A handler that asks a session store: what is its own, and what all of them have.
fn session_check<const N: usize>(
    own: [(&'static str, Schema); N],
    forwarded: &'static str,
    subject_from: &'static str,
) -> Schema {
    let url = ("check_session_url", uri().about("The session store."));
    let shared = [
        (
            "preserve_query",
            boolean()
                .or(true)
                .about("Asks with the URL's own query instead of the request's."),
        ),
        (
            "preserve_path",
            boolean().about("Asks with the URL's own path instead of the request's."),
        ),
        (
            "preserve_host",
            boolean().about("Sends the request's host as `X-Forwarded-Host`."),
        ),
        (
            "force_method",
            text().about("Asks with this method instead of the request's."),
        ),
        ("forward_http_headers", list(text()).about(forwarded)),
        (
            "additional_headers",
            map(text()).about("Headers that are set."),
        ),
        (
            "extra_from",
            text()
                .or("extra")
                .about("Where `Extra` is in the answer (GJSON)."),
        ),
        (
            "subject_from",
            text()
                .or(subject_from)
                .about("Where the subject is in the answer (GJSON)."),
        ),
        ("require_subject", require_subject()),
        ("cache", session_cache()),
        ("timeout", timeout()),
        ("retry", retry_own()),
    ];
    object(std::iter::once(url).chain(own).chain(shared)).requires(["check_session_url"])
}

fn jwt() -> Schema {
    object([
        (
            "jwks_urls",
            list(uri()).about("Key sets: `https://`, `http://` or `file://`."),
        ),
        (
            "required_scope",
            list(text()).about("All of them must have been granted, as `scope_strategy` compares."),
        ),
        (
            "target_audience",
            list(text()).about("All of them must be in `aud`."),
        ),
        (
            "trusted_issuers",
            list(text()).about("`iss` must be one of them."),
        ),
        (
            "allowed_algorithms",
            list(text()).about("`RS256` where nothing is written."),
        ),
        (
            "jwks_max_wait",
            text_as(Format::LenientDuration)
                .or("1s")
                .about("How long a request waits for keys."),
        ),
        (
            "jwks_ttl",
            text_as(Format::LenientDuration)
                .or("30s")
                .about("How long keys count as fresh."),
        ),
        ("scope_strategy", scope_strategy()),
        ("token_from", token_from()),
        (
            "require_exp",
            boolean().or(false).about("Refuses tokens without `exp`."),
        ),
        (
            "leeway",
            duration().or("0s").about("For clocks that differ."),
        ),
        (
            "profile",
            one_of(["none", "rfc9068"])
                .or("none")
                .about("`rfc9068` also demands `typ: at+jwt` and its claims."),
        ),
        (
            "issuer_url",
            uri().about("Finds `jwks_urls` by OpenID Connect discovery."),
        ),
    ])
    .requires_any(["jwks_urls", "issuer_url"])
}

fn client_credentials() -> Schema {
    object([
        ("token_url", uri().about("The token endpoint.")),
        (
            "required_scope",
            list(text()).about("Asked for, not verified."),
        ),
        ("retry", retry()),
        (
            "cache",
            object([
                (
                    "enabled",
                    boolean().or(false).about("Whether answers are remembered."),
                ),
                (
                    "ttl",
                    duration().about("At most this long, and never longer than the token."),
                ),
                (
                    "max_tokens",
                    integer()
                        .or(1000)
                        .about("Accepted; the memory is `cache.max_bytes`."),
                ),
            ]),
        ),
        ("timeout", timeout()),
    ])
    .requires(["token_url"])
}

fn introspection() -> Schema {
    object([
        (
            "introspection_url",
            uri().about("The introspection endpoint."),
        ),
        ("scope_strategy", scope_strategy()),
        ("pre_authorization", pre_authorization()),
        (
            "required_scope",
            list(text()).about("All of them must have been granted, as `scope_strategy` compares."),
        ),
        (
            "target_audience",
            list(text()).about("All of them must be in `aud`."),
        ),
        (
            "trusted_issuers",
            list(text()).about("`iss` must be one of them."),
        ),
        ("prefix", text().about("Only tokens that begin so.")),
        (
            "preserve_host",
            boolean()
                .or(false)
                .about("Sends the request's host as `X-Forwarded-Host`."),
        ),
        (
            "introspection_request_headers",
            map(text()).about("Headers that are set."),
        ),
        ("token_from", token_from()),
        ("retry", retry()),
        (
            "cache",
            object([
                (
                    "enabled",
                    boolean().or(false).about("Whether answers are remembered."),
                ),
                (
                    "ttl",
                    duration()
                        .about("At most this long, and never longer than the token. Default 60s."),
                ),
                (
                    "max_cost",
                    integer()
                        .or(100_000_000)
                        .about("Accepted; the memory is `cache.max_bytes`."),
                ),
            ]),
        ),
        ("timeout", timeout()),
    ])
    .requires(["introspection_url"])
}

fn pre_authorization() -> Schema {
    object([
        (
            "enabled",
            boolean()
                .or(false)
                .about("Whether the endpoint wants a token."),
        ),
        ("client_id", text().about("The client that asks for it.")),
        ("client_secret", text().secret().about("Its secret.")),
        ("token_url", uri().about("The token endpoint.")),
        ("audience", text().about("What the token is to be for.")),
        ("scope", list(text()).about("What it is to allow.")),
    ])
    .requires_if("enabled", ["client_id", "client_secret", "token_url"])
    .about("Gets a token for the introspection endpoint by client credentials.")
}

pub(super) fn token_from() -> Schema {
    object([
        (
            "header",
            text().about(
                "A header that holds it bare; in `Authorization` it stands behind `Bearer`.",
            ),
        ),
        ("query_parameter", text().about("A parameter of the query.")),
        ("cookie", text().about("A cookie.")),
    ])
    .exactly_one()
    .nullable()
    .about("Where the token is; the `Authorization` header where nothing is written.")
}

pub(super) fn scope_strategy() -> Schema {
    one_of(["hierarchic", "exact", "wildcard", "none"])
        .or("none")
        .about("How scopes are compared: `a` grants `a.b`; only the same; `*` stands for a part; not at all.")
}

/// As the reference has it, with `unsafe` added.
pub(super) fn retry() -> Schema {
    object([
        (
            "give_up_after",
            duration().or("1s").about("After this no new try begins."),
        ),
        (
            "max_delay",
            duration()
                .or("100ms")
                .about("The longest pause between two tries."),
        ),
        (
            "unsafe",
            boolean()
                .or(false)
                .about("Also repeats calls that are not idempotent."),
        ),
    ])
}

/// Where the reference has no retries: only the switch, and silence means no retry.
fn retry_own() -> Schema {
    object([
        (
            "give_up_after",
            duration().about("After this no new try begins."),
        ),
        (
            "max_delay",
            duration().about("The longest pause between two tries."),
        ),
        (
            "unsafe",
            boolean().about("Also repeats calls that are not idempotent."),
        ),
    ])
    .about("Off where nothing is written.")
}

pub(super) fn timeout() -> Schema {
    object([
        (
            "connect",
            duration()
                .or("1s")
                .about("Until there is a connection, TLS included."),
        ),
        (
            "total",
            duration().or("5s").about("Until the answer is complete."),
        ),
    ])
    .about("Calls to the other server.")
}

fn require_subject() -> Schema {
    boolean()
        .or(false)
        .about("Refuses an answer without a subject.")
}

fn session_cache() -> Schema {
    object([
        (
            "enabled",
            boolean().or(false).about("Whether answers are remembered."),
        ),
        ("ttl", duration().about("At most this long. Default 60s.")),
        (
            "max_cost",
            at_least(0).about("Accepted; the memory is `cache.max_bytes`."),
        ),
    ])
    .or(json!({}))
    .about("Remembers answers of the session store.")
}
