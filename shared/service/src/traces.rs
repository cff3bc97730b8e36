//! Spans of messages on their way, sent to an OpenTelemetry collector. Off unless told where to, and then for a share of
//! all sends; a process that does not trace pays one look at an empty cell.
//!
//! A span is made where the work is and ends when it is dropped. No `tracing` spans underneath: one batch of a
//! persister is the end of many traces, and what is not sampled should cost nothing.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use chat_protocol::trace::TraceParent;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

/// What a collector may take for one request, and at the end for what is left.
const EXPORT_WITHIN: Duration = Duration::from_secs(5);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What is traced and where it goes.
#[derive(Clone, Debug, clap::Args)]
pub struct TracesConfig {
    /// An OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318/v1/traces, that gets traces of messages
    #[arg(long, value_name = "URL")]
    pub traces_url: Option<String>,

    /// Which part of all sends is traced, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    pub traces_share: f64,
}

/// The traces of a process. What waits is sent when it ends.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl TracesConfig {
    /// Traces from now on, as this service of this version. A process does this once.
    pub fn init(&self, service: &str, version: &'static str) -> anyhow::Result<Option<Traces>> {
        let Some(url) = &self.traces_url else { return Ok(None) };
        anyhow::ensure!(
            url.starts_with("http://"),
            "traces_url: {url:?} is not http://…; what does TLS is a collector beside this process"
        );
        let exporter = SpanExporter::builder().with_http().with_endpoint(url).with_timeout(EXPORT_WITHIN);
        let exporter = exporter.build().context("prepare to send traces")?;
        let resource = Resource::builder_empty()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", version));
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(self.traces_share))))
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        let first = TRACER.set(provider.tracer("chat")).is_ok();
        anyhow::ensure!(first, "traces are sent already");
        Ok(Some(Traces(provider)))
    }
}

impl Traces {
    /// Sends what waits.
    pub async fn end(self) {
        let sent = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(EXPORT_WITHIN)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::warn!("the last traces were not sent");
        }
    }
}

/// Work that takes time, as part of a trace. It ends when dropped. Boxed, because mostly there is none.
pub struct Span(Box<opentelemetry_sdk::trace::Span>);

/// The beginning of a trace, if this one is to be recorded.
pub fn begin(name: &'static str) -> Option<Span> {
    start(TRACER.get()?, name, SpanKind::Server, &Context::new())
}

/// Goes on with what came from another process.
pub fn go_on(name: &'static str, parent: Option<&TraceParent>) -> Option<Span> {
    let (tracer, parent) = (TRACER.get()?, parent?);
    let (trace, span) = (TraceId::from(parent.trace), SpanId::from(parent.span));
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
    start(tracer, name, SpanKind::Consumer, &Context::new().with_remote_span_context(context))
}

fn start(tracer: &SdkTracer, name: &'static str, kind: SpanKind, context: &Context) -> Option<Span> {
    let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, context);
    span.is_recording().then(|| Span(Box::new(span)))
}

impl Span {
    /// A part of it.
    pub fn part(&self, name: &'static str) -> Option<Span> {
        let context = Context::new().with_remote_span_context(self.0.span_context().clone());
        start(TRACER.get()?, name, SpanKind::Producer, &context)
    }

    /// What another process needs to go on.
    pub fn parent(&self) -> TraceParent {
        let context = self.0.span_context();
        TraceParent {
            trace: u128::from_be_bytes(context.trace_id().to_bytes()),
            span: u64::from_be_bytes(context.span_id().to_bytes()),
        }
    }

    /// Says something about it: ids and counts, never content or names.
    pub fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(key, value));
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().map_err(|err| err.to_string())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is a number from 0 to 1".to_owned()) }
}
