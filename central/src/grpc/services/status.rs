//! Faults as gRPC statuses, with the details that `google.rpc` names: the stable reason, the fields to blame, when to try
//! again.

use crate::app::Fault;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Whose reasons these are.
const DOMAIN: &str = "tradepost";

/// The status of a fault.
pub(super) fn of(fault: &Fault) -> Status {
    let reason = fault.code();
    let (message, fields) = match fault {
        Fault::Refused { detail, fields, .. } => (detail.clone(), fields.as_slice()),
        Fault::TooEarly { detail, .. } => (detail.clone(), [].as_slice()),
        other => {
            tracing::error!(fault = %other, "a call failed");
            (reason.title().to_owned(), [].as_slice())
        }
    };
    let mut details = ErrorDetails::with_error_info(reason.name(), DOMAIN, HashMap::new());
    for field in fields {
        details.add_bad_request_violation(name(&field.pointer), &field.detail);
    }
    if reason.retryable() {
        details.set_retry_info(Some(Duration::from_secs(1)));
    }
    Status::with_error_details(code(reason.name(), reason.status()), message, details)
}

/// A field that is wrong before anything was asked.
pub(super) fn bad_field(field: &str, why: &str) -> Status {
    let mut details = ErrorDetails::with_error_info("BAD_VALUE", DOMAIN, HashMap::new());
    details.add_bad_request_violation(field, why);
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {why}"), details)
}

/// `/prices/2/price` as `prices[2].price`.
fn name(pointer: &str) -> String {
    let mut name = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            name.push_str(&format!("[{part}]"));
        } else {
            name.push_str(if name.is_empty() { "" } else { "." });
            name.push_str(part);
        }
    }
    name
}

/// By the reason where it says more than the HTTP status does.
fn code(reason: &str, status: u16) -> Code {
    match (reason, status) {
        ("ALREADY_EXISTS", _) => Code::AlreadyExists,
        ("PRECONDITION_FAILED", _) => Code::Aborted,
        (_, 401) => Code::Unauthenticated,
        (_, 404) => Code::NotFound,
        (_, 409 | 428) => Code::FailedPrecondition,
        (_, 413) => Code::OutOfRange,
        (_, 400..=499) => Code::InvalidArgument,
        (_, 501) => Code::Unimplemented,
        (_, 503) => Code::Unavailable,
        (_, 507) => Code::ResourceExhausted,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Code as Reason;

    #[test]
    fn every_reason_and_field_is_told() {
        let refused = of(&Fault::field("/prices/2/price", Reason::BadMoney, "a price is zero or more"));
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("BAD_MONEY"));
        let blamed = details.bad_request().map(|bad| bad.field_violations[0].field.clone());
        assert_eq!(blamed.as_deref(), Some("prices[2].price"));
        assert_eq!(of(&Fault::not_found("product", "X")).code(), Code::NotFound);
        assert_eq!(of(&Fault::refused(Reason::PreconditionFailed, "changed")).code(), Code::Aborted);
        let closing = of(&Fault::refused(Reason::Closing, "the hub is stopping"));
        assert_eq!(closing.code(), Code::Unavailable);
        assert!(closing.get_error_details().retry_info().is_some());
    }
}
