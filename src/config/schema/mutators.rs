//! `mutators`.

use super::authenticators::{retry, timeout};
use super::{Schema, boolean, duration, handler, map, object, plain_handler, text, uri};

pub(super) fn section() -> Schema {
    object([
        (
            "noop",
            plain_handler()
                .about("Changes nothing; the decision API returns the request's headers."),
        ),
        ("header", handler(header()).about("Sets headers.")),
        ("cookie", handler(cookie()).about("Sets cookies.")),
        (
            "hydrator",
            handler(hydrator()).about("Lets another server change the session."),
        ),
        (
            "id_token",
            handler(id_token()).about("Signs a JSON Web Token for the upstream."),
        ),
    ])
    .about("What the upstream is told.")
}

fn header() -> Schema {
    object([("headers", map(text()).about("Templates by header."))]).requires(["headers"])
}

fn cookie() -> Schema {
    object([("cookies", map(text()).about("Templates by cookie."))]).requires(["cookies"])
}

fn hydrator() -> Schema {
    let basic = object([("username", text()), ("password", text().secret())])
        .requires(["username", "password"]);
    object([
        (
            "api",
            object([
                ("url", uri()),
                ("auth", object([("basic", basic)])),
                ("retry", retry()),
            ])
            .requires(["url"]),
        ),
        (
            "cache",
            object([
                ("enabled", boolean().or(false)),
                ("ttl", duration().or("1m")),
            ]),
        ),
        ("timeout", timeout()),
    ])
    .requires(["api"])
}

fn id_token() -> Schema {
    object([
        ("issuer_url", text().about("The `iss` claim.")),
        ("jwks_url", uri().about("A key set with a private key.")),
        (
            "claims",
            text().about("A template that yields a JSON object."),
        ),
        ("ttl", duration().or("15m")),
    ])
    .requires(["issuer_url", "jwks_url"])
}
