//! `when`: the conditions of an error handler.

use super::{Format, Schema, boolean, list, object, text, text_as};

pub(super) fn when() -> Schema {
    list(object([
        (
            "error",
            list(text_as(Format::StatusName))
                .about("Names of statuses, such as `unauthorized` or `too_many_requests`."),
        ),
        (
            "request",
            object([
                (
                    "header",
                    object([
                        (
                            "accept",
                            list(text()).about("Media types of which the client takes one."),
                        ),
                        (
                            "content_type",
                            list(text()).about("Media types of which the body is one."),
                        ),
                    ]),
                ),
                (
                    "remote_ip",
                    object([
                        (
                            "match",
                            list(text_as(Format::Network)).about("Networks, as `192.0.2.0/24`."),
                        ),
                        (
                            "respect_forwarded_for_header",
                            boolean().about("Also looks at `X-Forwarded-For` of trusted proxies."),
                        ),
                    ]),
                ),
                (
                    "cidr",
                    list(text_as(Format::Network)).about("The same as `remote_ip.match`."),
                ),
            ]),
        ),
    ]))
    .about("Any of these conditions must hold; always where nothing is written.")
}
