//! A place in a trace, as W3C trace context writes it: `00-{trace}-{span}-{flags}`.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that carries it.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

/// Why a text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    /// Reads a `traceparent`. Later versions may say more behind the flags.
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length).ok_or(NoPlace)?;
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            part.bytes().all(hex).then_some(part).ok_or(NoPlace)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(NoPlace);
        }
        let trace = TraceId::from_hex(trace).map_err(|_| NoPlace)?;
        let span = SpanId::from_hex(span).map_err(|_| NoPlace)?;
        if trace == TraceId::INVALID || span == SpanId::INVALID {
            return Err(NoPlace);
        }
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoPlace)?;
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl Place {
    /// The place of a document's own trace: its id names it, so that whoever has the document knows its trace without
    /// being told.
    pub fn of_document(id: [u8; 16]) -> Option<Self> {
        let mut span = [0; 8];
        span.copy_from_slice(&id[8..]);
        let (trace, span) = (TraceId::from_bytes(id), SpanId::from_bytes(span));
        let there = trace != TraceId::INVALID && span != SpanId::INVALID;
        there.then_some(Self { trace, span, sampled: crate::exporting() })
    }

    /// Where a span is; none without a subscriber that follows traces.
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        let there = context.span().span_context().clone();
        let place = Self { trace: there.trace_id(), span: there.span_id(), sampled: there.is_sampled() };
        there.is_valid().then_some(place)
    }

    fn remote(self) -> Context {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let there = SpanContext::new(self.trace, self.span, flags, true, TraceState::default());
        Context::new().with_remote_span_context(there)
    }
}

/// Where the current span is, as `traceparent`; none outside of any.
pub fn current() -> Option<String> {
    Place::of(&Span::current()).map(|place| place.to_string())
}

/// The id of a span's trace, 32 hexadecimal digits.
pub fn trace_id(span: &Span) -> Option<String> {
    Place::of(span).map(|place| place.trace.to_string())
}

/// Lets a new span go on from a `traceparent`, and names its trace in its log lines (field `trace_id`, where the span
/// declares it). What is no `traceparent` is left out: the span begins a trace, or goes on in the one around it.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(place) = traceparent.and_then(|text| text.parse::<Place>().ok()) {
        // Without a subscriber that follows traces there is nothing to go on from.
        let _ = span.set_parent(place.remote());
    }
    if let Some(id) = trace_id(span) {
        span.record("trace_id", id);
    }
}

/// [`follow`] with what a request's headers say.
pub fn follow_headers(span: &Span, headers: &HeaderMap) {
    follow(span, headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        assert_eq!(GOOD.parse::<Place>().map(|place| place.to_string()).as_deref(), Ok(GOOD));
        let later = GOOD.replacen("00", "cc", 1) + "-more";
        assert!(later.parse::<Place>().is_ok(), "a later version may say more");
    }

    #[test]
    fn what_the_recommendation_forbids_is_no_place() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            format!("{GOOD}-more"),
            GOOD[..GOOD.len() - 1].to_owned(),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            GOOD.replace("00f067aa0ba902b7", &zeros[..16]),
            GOOD.replace('4', "g"),
        ] {
            assert_eq!(bad.parse::<Place>(), Err(NoPlace), "{bad}");
        }
    }

    #[test]
    fn a_document_names_its_trace() {
        let place = Place::of_document([7; 16]).expect("a place");
        assert!(place.to_string().starts_with(&format!("00-{}", "07".repeat(16))));
        assert_eq!(Place::of_document([0; 16]), None);
    }
}
