//! Why the hub didn't do what it was asked: a refusal with a stable code, or trouble below.

use crate::db::{AsDbError, DbError};

/// A stable name of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// No such thing.
    NotFound,
    /// A field the request doesn't have.
    UnknownField,
    /// Not JSON.
    BadJson,
    /// A field of another type, or missing.
    WrongType,
    /// A value that makes no sense.
    BadValue,
    /// The body is too long.
    BodyTooLarge,
    /// Not JSON by its content type.
    UnsupportedMediaType,
    /// The `Host` isn't the hub's.
    MisdirectedHost,
    /// No or a wrong token.
    Unauthorized,
    /// Another method is meant.
    MethodNotAllowed,
    /// A thing of that name is there already.
    AlreadyExists,
    /// The row has changed since it was read (`If-Match`).
    PreconditionFailed,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// No such item.
    UnknownSku,
    /// A trade item number with a wrong check digit.
    BadCheckDigit,
    /// An amount that no price may be.
    BadMoney,
    /// A quantity out of range.
    BadQuantity,
    /// The enrolment code isn't good (any more).
    EnrolmentRefused,
    /// The store has no enrolled node.
    NotEnrolled,
    /// The hub holds too few rights.
    RightsShort,
    /// An id that a client made stands for another request.
    IdReused,
    /// The store has no live node of that name.
    UnknownNode,
    /// Somebody else alone may end it.
    NotCustodian,
    /// The reservation has come to its end.
    ReservationEnded,
    /// Something of this author's couldn't be applied, so its grants are frozen.
    GrantsFrozen,
    /// A barrier of the store is open.
    BarrierOpen,
    /// The barrier doesn't allow it.
    BarrierRefused,
    /// The barrier was opened before the latest count was over.
    BarrierTooOld,
    /// There is nothing that a barrier could decide.
    NothingToDecide,
    /// A lost node's lease may still run.
    LeaseNotExpired,
    /// A lost node's lease is out, the margin isn't.
    WaitNotOver,
    /// The item must be counted first.
    CountNeeded,
    /// A delivery of the item is open.
    DeliveryOpen,
    /// An event's effects are not applied.
    EventNotApplied,
    /// The node's stream has ended.
    NodeRetired,
    /// The hub's database was put back, and it only receives for now.
    HubRecovering,
    /// The hub doesn't recover.
    NotRecovering,
    /// The cart is at another version, or comes to another total.
    CartChanged,
    /// The cart has become an order.
    CartClosed,
    /// The engine doesn't sell what is in the cart.
    CartRefused,
    /// The coupon isn't good here or now.
    CouponRefused,
    /// There is no valid session behind the shopper's token.
    SessionRefused,
    /// Address or password is wrong.
    LoginRefused,
    /// Too many wrong passwords.
    LoginLocked,
    /// The order has come to its end.
    OrderEnded,
    /// The payment is in a state that doesn't allow it.
    PaymentState,
    /// A notice that the provider didn't sign.
    NoticeRefused,
    /// The configured engine doesn't serve this call yet.
    EngineNotReady,
    /// The database's disk is full.
    DiskFull,
    /// The database can't be reached or is busy.
    Unavailable,
    /// The hub is stopping.
    Closing,
    /// A fault of ours.
    Internal,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// JSON pointer to the field.
    pub pointer: String,
    /// What is wrong with it.
    pub code: Code,
    /// A sentence with the numbers.
    pub detail: String,
}

/// Why it wasn't done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The hub said no.
    #[error("{detail}")]
    Refused {
        /// By which name.
        code: Code,
        /// A sentence with the numbers.
        detail: String,
        /// The fields, where fields are to blame.
        fields: Vec<FieldFault>,
    },
    /// It is too early for that.
    #[error("{detail}")]
    TooEarly {
        /// By which name.
        code: Code,
        /// A sentence with the numbers.
        detail: String,
        /// When it may be asked again, if the hub runs without a break.
        until: tradepost_sync::clock::UtcMs,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Fault {
    /// A refusal by name.
    pub fn refused(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused { code, detail: detail.into(), fields: Vec::new() }
    }

    /// A refusal that blames one field.
    pub fn field(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let field = FieldFault { pointer: pointer.into(), code, detail: detail.clone() };
        Self::Refused { code, detail, fields: vec![field] }
    }

    /// There is no such thing.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::refused(Code::NotFound, format!("there is no {what} {name}"))
    }

    /// A fault of ours.
    pub fn internal(why: impl std::fmt::Display) -> Self {
        Self::refused(Code::Internal, why.to_string())
    }

    /// Its stable name.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { code, .. } | Self::TooEarly { code, .. } => *code,
            Self::Db(DbError::Full) => Code::DiskFull,
            Self::Db(DbError::Busy(_) | DbError::Unreachable(_)) => Code::Unavailable,
            Self::Db(_) => Code::Internal,
        }
    }
}

impl AsDbError for Fault {
    fn as_db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            Self::Refused { .. } | Self::TooEarly { .. } => None,
        }
    }
}

/// Every code: its name, its HTTP status and what to know about it.
pub const CODES: &[(Code, &str, u16, &str)] = &[
    (Code::NotFound, "NOT_FOUND", 404, "There is nothing of that name."),
    (Code::UnknownField, "UNKNOWN_FIELD", 422, "The request holds a field that this call doesn't know."),
    (Code::BadJson, "BAD_JSON", 400, "The body is not JSON."),
    (Code::WrongType, "WRONG_TYPE", 422, "A field is missing or of another type."),
    (Code::BadValue, "BAD_VALUE", 422, "A field holds a value that makes no sense."),
    (Code::BodyTooLarge, "BODY_TOO_LARGE", 413, "The body is longer than this call takes."),
    (
        Code::UnsupportedMediaType,
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        "Writes take application/json, imports application/x-ndjson.",
    ),
    (Code::MisdirectedHost, "MISDIRECTED_HOST", 421, "The Host header names another server."),
    (Code::Unauthorized, "UNAUTHORIZED", 401, "Send the token of DATA/admin.token as a bearer token."),
    (Code::MethodNotAllowed, "METHOD_NOT_ALLOWED", 405, "This address takes another method."),
    (Code::AlreadyExists, "ALREADY_EXISTS", 409, "Something of that name is there already."),
    (
        Code::PreconditionFailed,
        "PRECONDITION_FAILED",
        412,
        "The row has changed since its ETag was read: read it again.",
    ),
    (Code::PreconditionRequired, "PRECONDITION_REQUIRED", 428, "Send the ETag that was read as If-Match."),
    (Code::UnknownSku, "UNKNOWN_SKU", 422, "The catalog has no such item."),
    (Code::BadCheckDigit, "BAD_CHECK_DIGIT", 422, "A trade item number has a wrong length or check digit."),
    (Code::BadMoney, "BAD_MONEY", 422, "A price is zero or more minor units."),
    (Code::BadQuantity, "BAD_QUANTITY", 422, "Units are one or more base units, and plausible."),
    (
        Code::EnrolmentRefused,
        "ENROLMENT_REFUSED",
        403,
        "The enrolment code is unknown, used, run out or guessed at too often.",
    ),
    (Code::NotEnrolled, "NOT_ENROLLED", 409, "The store has no enrolled node."),
    (Code::RightsShort, "RIGHTS_SHORT", 409, "The hub holds fewer rights of the item than were asked for."),
    (Code::IdReused, "ID_REUSED", 422, "This id belongs to another request; make a new one for a new thing."),
    (Code::UnknownNode, "UNKNOWN_NODE", 422, "Name a live node of the store, by its name or incarnation."),
    (
        Code::NotCustodian,
        "NOT_CUSTODIAN",
        409,
        "Its custodian alone may end it; the detail says who that is.",
    ),
    (
        Code::ReservationEnded,
        "RESERVATION_ENDED",
        409,
        "It was handed out, cancelled or ran out; the detail says which.",
    ),
    (
        Code::GrantsFrozen,
        "GRANTS_FROZEN",
        409,
        "Events of this node are in quarantine; nothing is granted to it until they are settled.",
    ),
    (Code::BarrierOpen, "BARRIER_OPEN", 409, "A barrier of the store is open; one at a time."),
    (Code::BarrierRefused, "BARRIER_REFUSED", 409, "The barrier doesn't allow it; the detail says why."),
    (
        Code::BarrierTooOld,
        "BARRIER_TOO_OLD",
        409,
        "The barrier was opened before the latest count was over: open another one.",
    ),
    (Code::NothingToDecide, "NOTHING_TO_DECIDE", 409, "There is nothing that a barrier could decide."),
    (
        Code::LeaseNotExpired,
        "LEASE_NOT_EXPIRED",
        409,
        "A lost node's lease may still run; `until` says when it is out, if the hub runs without a break.",
    ),
    (
        Code::WaitNotOver,
        "WAIT_NOT_OVER",
        409,
        "A lost node's lease is out and the margin is not; `until` says when it is.",
    ),
    (
        Code::CountNeeded,
        "COUNT_NEEDED",
        409,
        "The item must be counted after the wait for everybody who was lost, and without doubt.",
    ),
    (
        Code::DeliveryOpen,
        "DELIVERY_OPEN",
        409,
        "A delivery of the item is open: receive it or close it as not delivered.",
    ),
    (
        Code::EventNotApplied,
        "EVENT_NOT_APPLIED",
        409,
        "An event's effects are not applied; nothing is minted until they are.",
    ),
    (Code::NodeRetired, "NODE_RETIRED", 409, "The node's stream has ended by its own word."),
    (
        Code::HubRecovering,
        "HUB_RECOVERING",
        503,
        "The hub's database was put back: until its nodes were heard it gives and promises nothing.",
    ),
    (Code::NotRecovering, "NOT_RECOVERING", 409, "The hub does not recover: there is nothing to attest."),
    (
        Code::CartChanged,
        "CART_CHANGED",
        409,
        "The cart has changed, or comes to another total: read it again and show it.",
    ),
    (Code::CartClosed, "CART_CLOSED", 409, "The cart has become an order: begin another one."),
    (Code::CartRefused, "CART_REFUSED", 422, "What is in the cart can't be sold; the detail says why."),
    (Code::CouponRefused, "COUPON_REFUSED", 422, "The coupon is unknown, used up, or not good here and now."),
    (Code::SessionRefused, "SESSION_REFUSED", 401, "Send a shopper's valid token as a bearer token."),
    (Code::LoginRefused, "LOGIN_REFUSED", 401, "Address or password is wrong."),
    (Code::LoginLocked, "LOGIN_LOCKED", 429, "Too many wrong passwords in a row: try again later."),
    (Code::OrderEnded, "ORDER_ENDED", 409, "The order has come to its end; the detail says which."),
    (Code::PaymentState, "PAYMENT_STATE", 409, "The payment's state doesn't allow it; the detail says why."),
    (Code::NoticeRefused, "NOTICE_REFUSED", 401, "The notice carries no good and recent signature."),
    (Code::EngineNotReady, "ENGINE_NOT_READY", 501, "The configured engine doesn't serve this call yet."),
    (Code::DiskFull, "DISK_FULL", 507, "The database's disk is full; reads work on."),
    (Code::Unavailable, "UNAVAILABLE", 503, "The database is busy or can't be reached; ask again."),
    (Code::Closing, "CLOSING", 503, "The hub is stopping; ask again later."),
    (Code::Internal, "INTERNAL", 500, "A fault of the hub; its log says more."),
];

impl Code {
    fn entry(self) -> &'static (Code, &'static str, u16, &'static str) {
        CODES.iter().find(|(code, ..)| *code == self).unwrap_or(&CODES[CODES.len() - 1])
    }

    /// The name in answers.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The status of an answer over HTTP.
    pub fn status(self) -> u16 {
        self.entry().2
    }

    /// What to know about it.
    pub fn title(self) -> &'static str {
        self.entry().3
    }

    /// Whether asking again may do.
    pub fn retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Closing | Self::DiskFull | Self::HubRecovering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_entry_of_its_own() {
        for (code, name, status, _) in CODES {
            assert_eq!(code.name(), *name);
            assert_eq!(code.status(), *status);
            assert_eq!(CODES.iter().filter(|(_, n, ..)| n == name).count(), 1, "{name}");
        }
    }
}
