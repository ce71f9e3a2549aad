//! Problems (RFC 9457): how refusals are told over HTTP.

use crate::app::fault::CODES;
use crate::app::{Code, Fault, FieldFault};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// One field that is to blame.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer to the field.
    pub pointer: String,
    /// What is wrong with it.
    pub code: String,
    /// A sentence with the numbers.
    pub detail: String,
}

/// A problem (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The page that explains the code.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub ty: String,
    /// What the code means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path that was asked.
    pub instance: String,
    /// The stable name.
    pub code: String,
    /// The fields to blame, if any.
    pub errors: Vec<FieldProblem>,
    /// When it may be asked again, RFC 3339, where it was too early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Whether asking again may do.
    pub retryable: bool,
    /// Names this answer in the log.
    pub trace_id: String,
}

impl Problem {
    /// The problem of a fault.
    pub fn of(fault: &Fault) -> Self {
        let code = fault.code();
        if let Fault::TooEarly { detail, until, .. } = fault {
            let until = Some(super::orders::rfc3339(*until));
            return Self { until, ..Self::new(code, detail.clone(), &[]) };
        }
        let (detail, fields) = match fault {
            Fault::Refused { detail, fields, .. } if code != Code::Internal => {
                (detail.clone(), fields.clone())
            }
            other => {
                tracing::error!(fault = %other, "a request failed");
                (code.title().to_owned(), Vec::new())
            }
        };
        Self::new(code, detail, &fields)
    }

    /// A problem by its code.
    pub fn new(code: Code, detail: impl Into<String>, fields: &[FieldFault]) -> Self {
        let field = |f: &FieldFault| FieldProblem {
            pointer: f.pointer.clone(),
            code: f.code.name().to_owned(),
            detail: f.detail.clone(),
        };
        Self {
            ty: format!("/problems/{}", code.name()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            instance: String::new(),
            code: code.name().to_owned(),
            errors: fields.iter().map(field).collect(),
            until: None,
            retryable: code.retryable(),
            trace_id: String::new(),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::of(&fault)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self.retryable {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The page of a code.
pub fn page(name: &str) -> Option<String> {
    let (_, name, status, title) = CODES.iter().find(|(_, known, ..)| *known == name)?;
    Some(format!("{name}\nHTTP status {status}\n\n{title}\n"))
}
