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
    let basic = object([
        (
            "username",
            text().about("HTTP Basic credentials for the server."),
        ),
        ("password", text().secret().about("The same.")),
    ])
    .requires(["username", "password"]);
    object([
        (
            "api",
            object([
                ("url", uri().about("The server to ask.")),
                ("auth", object([("basic", basic)])),
                ("retry", retry()),
            ])
            .requires(["url"]),
        ),
        (
            "cache",
            object([
                (
                    "enabled",
                    boolean().or(false).about("Whether answers are remembered."),
                ),
                ("ttl", duration().or("1m").about("For how long.")),
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
        (
            "ttl",
            duration().or("15m").about("How long a token is valid."),
        ),
    ])
    .requires(["issuer_url", "jwks_url"])
}
