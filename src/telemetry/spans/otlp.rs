//! Spans by the OpenTelemetry SDK, which samples, batches and sends them.

use super::{Caller, SetupError, TRACEPARENT};
use crate::config::{OtlpProtocol, Tracing, TracingProvider};
use http::{HeaderMap, HeaderValue};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    SpanContext, SpanKind, Status, TraceContextExt, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// For one batch, and for the last one at the end.
const SENDING: Duration = Duration::from_secs(5);
/// Where Jaeger takes OTLP over HTTP; its agents, which the reference spoke to, are gone.
const JAEGER_OTLP_PORT: u16 = 4318;

tokio::task_local! {
    /// The span at work in this task.
    static CURRENT: Context;
}

#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
    /// What gRPC works on; never on that of the listeners.
    _grpc: Option<Runtime>,
}

/// Where spans go, and how many.
struct Destination {
    /// `host:port`
    authority: String,
    encrypted: bool,
    protocol: OtlpProtocol,
    authorization: Option<String>,
    ratio: f64,
}

impl Destination {
    /// `None` where nothing says where to.
    fn of(config: &Tracing) -> Option<Destination> {
        let providers = &config.providers;
        match config.provider {
            None => None,
            Some(TracingProvider::Otel) => {
                let otlp = &providers.otlp;
                otlp.server_url
                    .clone()
                    .filter(|url| !url.is_empty())
                    .map(|authority| Destination {
                        authority,
                        encrypted: !otlp.insecure,
                        protocol: otlp.protocol,
                        authorization: otlp
                            .authorization_header
                            .as_ref()
                            .map(|secret| secret.reveal().to_owned()),
                        ratio: otlp.sampling.sampling_ratio,
                    })
            }
            Some(TracingProvider::Jaeger) => {
                let jaeger = &providers.jaeger;
                let agent = jaeger.local_agent_address.as_deref().unwrap_or_default();
                let (host, _) = agent.rsplit_once(':')?;
                let authority = format!("{host}:{JAEGER_OTLP_PORT}");
                tracing::warn!(
                    %authority,
                    "Jaeger is sent OTLP over HTTP instead of its agent's protocol, which it no longer has"
                );
                Some(Destination {
                    authority,
                    encrypted: false,
                    protocol: OtlpProtocol::Http,
                    authorization: None,
                    ratio: jaeger.sampling.trace_id_ratio,
                })
            }
            Some(TracingProvider::Zipkin) => {
                tracing::warn!(
                    "nothing is traced: Zipkin's own protocol is not spoken, use provider `otel`"
                );
                None
            }
        }
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.authority)
    }

    fn exporter(&self, grpc: Option<&Runtime>) -> Result<SpanExporter, SetupError> {
        let built = match grpc {
            None => {
                let authorization = self.authorization.iter();
                let headers: HashMap<String, String> = authorization
                    .map(|value| ("authorization".to_owned(), value.clone()))
                    .collect();
                SpanExporter::builder()
                    .with_http()
                    .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
                    .with_endpoint(self.url("/v1/traces"))
                    .with_headers(headers)
                    .with_timeout(SENDING)
                    .build()
            }
            Some(runtime) => {
                if self.encrypted {
                    let why = "OTLP over gRPC is sent in plain text only: set `insecure: true`, or `protocol: http`";
                    return Err(SetupError(why.to_owned()));
                }
                let mut headers = HeaderMap::new();
                if let Some(value) = &self.authorization {
                    let value = HeaderValue::from_str(value).map_err(|_| {
                        SetupError("`authorization_header` can't be sent".to_owned())
                    })?;
                    headers.insert(http::header::AUTHORIZATION, value);
                }
                let _guard = runtime.enter();
                SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(self.url(""))
                    .with_metadata(
                        opentelemetry_otlp::tonic_types::metadata::MetadataMap::from_headers(
                            headers,
                        ),
                    )
                    .with_timeout(SENDING)
                    .build()
            }
        };
        built.map_err(|error| SetupError(error.to_string()))
    }
}

impl Exporter {
    pub(super) fn start(config: &Tracing) -> Result<Option<Exporter>, SetupError> {
        let Some(destination) = Destination::of(config) else {
            return Ok(None);
        };
        let grpc = match destination.protocol {
            OtlpProtocol::Http => None,
            OtlpProtocol::Grpc => {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .thread_name("otlp")
                    .enable_all()
                    .build();
                Some(runtime.map_err(|error| SetupError(error.to_string()))?)
            }
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = destination.exporter(grpc.as_ref())?;
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", config.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new(
                "deployment.environment.name",
                config.deployment_environment.clone(),
            ),
        ]);
        let sampler = Sampler::TraceIdRatioBased(destination.ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource.build())
            .build();
        Ok(Some(Exporter {
            tracer: provider.tracer("doorward"),
            provider,
            propagator: TraceContextPropagator::new(),
            _grpc: grpc,
        }))
    }

    pub(super) fn shut_down(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(SENDING) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// The trace context of a request; that of a request with several is none.
struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut lines = self.0.get_all(key).iter();
        let first = lines.next()?;
        if key == TRACEPARENT && lines.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[derive(Debug)]
pub(super) struct Open {
    context: Context,
    trace: String,
    span: String,
}

/// Knows the tracer that a span's children are begun with.
#[derive(Debug)]
struct Owner(Arc<Exporter>);

impl Open {
    pub(super) fn request(
        exporter: Arc<Exporter>,
        name: &'static str,
        headers: &HeaderMap,
        caller: Caller,
    ) -> Open {
        let parent = match caller {
            Caller::Trusted => exporter
                .propagator
                .extract_with_context(&Context::new(), &Incoming(headers)),
            Caller::Untrusted => Context::new(),
        };
        let builder = exporter
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server);
        let span = exporter.tracer.build_with_context(builder, &parent);
        Open::new(parent.with_value(Owner(exporter)).with_span(span))
    }

    fn new(context: Context) -> Open {
        let ids = context.span().span_context().clone();
        Open {
            context,
            trace: ids.trace_id().to_string(),
            span: ids.span_id().to_string(),
        }
    }

    pub(super) fn ids(&self) -> (&str, &str) {
        (&self.trace, &self.span)
    }

    pub(super) fn note(&self, key: &'static str, value: Value) {
        self.context.span().set_attribute(KeyValue::new(key, value));
    }

    pub(super) fn note_status(&self, status: u16) {
        self.note("http.response.status_code", i64::from(status).into());
        if status >= 500 {
            self.context.span().set_status(Status::error(""));
        }
    }

    pub(super) fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.context.clone(), work)
    }

    pub(super) fn traceparent(&self) -> HeaderValue {
        header(self.context.span().span_context())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Others may hold the context a moment longer, such as a call that was given up.
        self.context.span().end();
    }
}

/// Begins a span below the one at work; `None` where there is none.
pub(super) fn step(name: &'static str, handler: &str) -> Option<Open> {
    CURRENT
        .try_with(|parent| {
            let tracer = &parent.get::<Owner>()?.0.tracer;
            let mut builder = tracer.span_builder(name);
            if !handler.is_empty() {
                let handler = KeyValue::new("doorward.handler", handler.to_owned());
                builder = builder.with_attributes([handler]);
            }
            let span = tracer.build_with_context(builder, parent);
            Some(Open::new(parent.with_span(span)))
        })
        .ok()
        .flatten()
}

pub(super) fn traceparent() -> Option<HeaderValue> {
    CURRENT
        .try_with(|current| header(current.span().span_context()))
        .ok()
}

fn header(ids: &SpanContext) -> HeaderValue {
    let text = format!(
        "00-{}-{}-{:02x}",
        ids.trace_id(),
        ids.span_id(),
        ids.trace_flags().to_u8()
    );
    // INVARIANT: hexadecimal digits and dashes are a header's value.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
