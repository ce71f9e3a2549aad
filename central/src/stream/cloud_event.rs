//! CloudEvents 1.0 as they stand in the stream: binary mode, protobuf data (`conventions.md` §1.3).

/// Topics of the hub.
pub const TOPICS: &[&str] = &[
    "tradepost.catalog.product.v1",
    "tradepost.sales.order.v1",
    "tradepost.sales.shift.v1",
    "tradepost.inventory.movement.v1",
    "tradepost.payments.payment.v1",
];

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvent {
    /// `{incarnation}-{seq}-{k}`: the same after a replay, a restore or a rebuild.
    pub id: String,
    /// E.g. `/stores/13`.
    pub source: String,
    /// E.g. `dev.tradepost.order.created.v1`.
    pub ty: String,
    /// What it is about.
    pub subject: String,
    /// When it happened, milliseconds since 1970 UTC.
    pub time: i64,
    /// Full name of the data's protobuf message.
    pub schema: &'static str,
    /// The data.
    pub data: Vec<u8>,
    /// Where it goes.
    pub topic: &'static str,
    /// The business key that orders it.
    pub key: String,
    /// W3C trace context.
    pub traceparent: String,
}

impl CloudEvent {
    /// The attributes as headers of a record.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let time =
            jiff::Timestamp::from_millisecond(self.time).map_or_else(|_| String::new(), |t| t.to_string());
        vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.ty.clone()),
            ("ce_subject", self.subject.clone()),
            ("ce_time", time),
            ("ce_dataschema", format!("/schemas/{}", self.schema)),
            ("ce_partitionkey", self.key.clone()),
            ("content-type", "application/protobuf".to_owned()),
            ("traceparent", self.traceparent.clone()),
        ]
    }
}
