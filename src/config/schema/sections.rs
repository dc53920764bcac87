//! The small sections.

use super::{
    Format, Schema, at_least, boolean, duration, list, object, one_of, ratio, text, text_as, uri,
};

pub(super) fn decisions() -> Schema {
    object([(
        "echo_headers",
        one_of(["all", "authorization", "none"])
            .or("all")
            .about("What the `noop` mutator returns of the request's headers."),
    )])
    .about("The decision API.")
}

pub(super) fn log() -> Schema {
    object([
        ("level", one_of(["panic", "fatal", "error", "warn", "info", "debug", "trace"]).or("info").about("The least that is written.")),
        ("format", one_of(["json", "json_pretty", "gelf", "text"]).or("text").about("How lines are written.")),
        ("leak_sensitive_values", boolean().or(false).about("Shows cookies, credentials and queries.")),
        ("redaction_text", text()
            .or("Value is sensitive and has been redacted. To see the value set config key \"log.leak_sensitive_values = true\" or environment variable \"LOG_LEAK_SENSITIVE_VALUES=true\".")
            .about("Stands where something was left out.")),
        ("additional_redacted_headers", list(text()).about("Headers that are credentials here.")),
        ("sample_ratio", ratio().or(1.0).about("Share of the requests answered with a status below 400 that leave lines in the log.")),
        ("subject", one_of(["shown", "redacted"]).or("shown").about("Whether decision lines name the subject.")),
    ])
    .about("The log, on standard error. Changes of `level` take effect at once, others need a restart.")
}

pub(super) fn tracing() -> Schema {
    object([
        (
            "provider",
            one_of(["jaeger", "otel", "zipkin"]).about("Nothing turns tracing off."),
        ),
        (
            "service_name",
            text()
                .or("ORY Oathkeeper")
                .about("The service's name in traces."),
        ),
        (
            "deployment_environment",
            text().or("").about("Such as `production`."),
        ),
        (
            "providers",
            object([
                (
                    "jaeger",
                    object([
                        (
                            "local_agent_address",
                            text_as(Format::HostPort).about("The agent."),
                        ),
                        (
                            "sampling",
                            object([
                                ("server_url", uri().about("Accepted and ignored.")),
                                (
                                    "trace_id_ratio",
                                    ratio()
                                        .or(1.0)
                                        .about("Share of the requests that are traced."),
                                ),
                            ]),
                        ),
                    ]),
                ),
                (
                    "zipkin",
                    object([
                        (
                            "server_url",
                            uri().about(
                                "Accepted; nothing is sent, which is said at start. Use `otel`.",
                            ),
                        ),
                        (
                            "sampling",
                            object([(
                                "sampling_ratio",
                                ratio().or(0.0).about("Accepted and ignored."),
                            )]),
                        ),
                    ]),
                ),
                (
                    "otlp",
                    object([
                        (
                            "server_url",
                            text_as(Format::HostPort).about("`host:port`, not a URL."),
                        ),
                        (
                            "insecure",
                            boolean().or(false).about("Plain HTTP to the collector."),
                        ),
                        (
                            "protocol",
                            one_of(["http", "grpc"])
                                .or("http")
                                .about("OTLP over HTTP, or over gRPC (in plain text)."),
                        ),
                        (
                            "sampling",
                            object([(
                                "sampling_ratio",
                                ratio()
                                    .or(1.0)
                                    .about("Share of the requests that are traced."),
                            )]),
                        ),
                        (
                            "authorization_header",
                            text().secret().about("Sent as `Authorization`."),
                        ),
                    ]),
                ),
            ]),
        ),
    ])
    .about("Traces. Changes need a restart.")
}

pub(super) fn http() -> Schema {
    object([
        (
            "max_response_bytes",
            at_least(1)
                .or(1_048_576)
                .about("A longer answer is unusable."),
        ),
        (
            "pool_idle_per_host",
            at_least(0)
                .or(64)
                .about("Idle connections kept for each host."),
        ),
        (
            "pool_idle_timeout",
            duration().or("90s").about("How long they are kept."),
        ),
        (
            "ca",
            text()
                .or("")
                .about("A PEM file with authorities that are trusted besides the system's."),
        ),
        (
            "client_certificate",
            text()
                .or("")
                .about("A PEM file with a certificate and its key."),
        ),
    ])
    .about("Calls of handlers and rule sources to other servers.")
}

pub(super) fn cache() -> Schema {
    object([
        (
            "max_bytes",
            at_least(0).or(67_108_864).about("For all caches together."),
        ),
        (
            "backend",
            text_as(Format::CacheBackend)
                .or("memory")
                .secret()
                .about("`memory`, or a `redis://` URL that several processes share."),
        ),
    ])
    .about("What handlers remember.")
}

pub(super) fn templates() -> Schema {
    object([(
        "unsafe_functions",
        boolean()
            .or(false)
            .about("Template functions that read the environment, ask the network or make keys."),
    )])
}

pub(super) fn profiling() -> Schema {
    one_of(["cpu", "mem", ""]).about("Accepted and ignored.")
}

pub(super) fn version() -> Schema {
    text_as(Format::Version)
        .about("The version that the file was written for; accepted and ignored.")
}
