//! What the hub says outward, as a table, and the `AsyncAPI` document made from it (`facts.md` §3).

use super::cloud_event::TOPICS;
use serde_json::{Map, Value as Json, json};

/// One kind of record.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name; its CloudEvents type is `dev.tradepost.{name}.v1`.
    pub name: &'static str,
    /// Where it goes.
    pub topic: &'static str,
    /// Full name of its data's protobuf message.
    pub schema: &'static str,
    /// What it says.
    pub summary: &'static str,
}

const fn kind(name: &'static str, topic: &'static str, schema: &'static str, summary: &'static str) -> Kind {
    Kind { name, topic, schema, summary }
}

const PRODUCTS: &str = "tradepost.catalog.product.v1";
const ORDERS: &str = "tradepost.sales.order.v1";
const SHIFTS: &str = "tradepost.sales.shift.v1";
const MOVEMENTS: &str = "tradepost.inventory.movement.v1";
const PAYMENTS: &str = "tradepost.payments.payment.v1";
const PRODUCT: &str = "tradepost.catalog.v1.ProductChanged";

/// Every kind of record.
pub const KINDS: &[Kind] = &[
    kind("product.created", PRODUCTS, PRODUCT, "A product is new in the catalog; its whole state."),
    kind("product.updated", PRODUCTS, PRODUCT, "A product changed or left the catalog; its whole state."),
    kind(
        "price.changed",
        PRODUCTS,
        "tradepost.catalog.v1.PriceChanged",
        "A price applies from an instant on.",
    ),
    kind(
        "order.created",
        ORDERS,
        "tradepost.order.v1.OrderCreated",
        "A store sold, or a web order was placed.",
    ),
    kind("order.refunded", ORDERS, "tradepost.order.v1.OrderRefunded", "A store gave money back."),
    kind(
        "order.cancelled",
        ORDERS,
        "tradepost.order.v1.OrderCancelled",
        "A placed web order won't be handed out.",
    ),
    kind("order.fulfilled", ORDERS, "tradepost.order.v1.OrderFulfilled", "Promised goods were handed out."),
    kind("shift.opened", SHIFTS, "tradepost.shift.v1.ShiftOpened", "A till's shift begins."),
    kind("cash.moved", SHIFTS, "tradepost.shift.v1.CashMoved", "Cash came into or out of a drawer."),
    kind("z.closed", SHIFTS, "tradepost.shift.v1.ZClosed", "A shift was closed; its Z."),
    kind(
        "stock.reserved",
        MOVEMENTS,
        "tradepost.inventory.v1.StockReserved",
        "A line or a promise took rights.",
    ),
    kind(
        "stock.released",
        MOVEMENTS,
        "tradepost.inventory.v1.StockReleased",
        "A promise ended; its goods are free.",
    ),
    kind("stock.moved", MOVEMENTS, "tradepost.inventory.v1.StockMoved", "Goods came or went."),
    kind(
        "payment.processed",
        PAYMENTS,
        "tradepost.payment.v1.PaymentProcessed",
        "Money was taken or given back.",
    ),
    kind(
        "payment.declined",
        PAYMENTS,
        "tradepost.payment.v1.PaymentDeclined",
        "Money that was open never comes.",
    ),
];

/// What orders the records of a topic.
fn key_of(topic: &str) -> &'static str {
    match topic {
        PRODUCTS => "the item's code",
        MOVEMENTS => "store/item",
        PAYMENTS => "the order's id",
        _ => "the store's code",
    }
}

/// The `AsyncAPI` document as text, as it is committed.
pub fn asyncapi_text() -> String {
    let mut channels = Map::new();
    let (mut messages, mut operations) = (Map::new(), Map::new());
    for topic in TOPICS {
        let of_topic: Vec<&Kind> = KINDS.iter().filter(|kind| kind.topic == *topic).collect();
        let refer = |kind: &&Kind| {
            (kind.name.to_owned(), json!({"$ref": format!("#/components/messages/{}", kind.name)}))
        };
        let listed: Map<String, Json> = of_topic.iter().map(refer).collect();
        channels.insert(
            (*topic).to_owned(),
            json!({
                "address": topic,
                "description": format!("Ordered by {}. Read it committed only.", key_of(topic)),
                "messages": listed,
                "bindings": {"kafka": {"partitions": 12}},
            }),
        );
        operations.insert(
            format!("say {topic}"),
            json!({"action": "send", "channel": {"$ref": format!("#/channels/{topic}")}}),
        );
    }
    for kind in KINDS {
        messages.insert(
            kind.name.to_owned(),
            json!({
                "name": format!("dev.tradepost.{}.v1", kind.name),
                "summary": kind.summary,
                "contentType": "application/protobuf",
                "headers": {"$ref": "#/components/schemas/headers"},
                "payload": {"schemaFormat": "application/vnd.google.protobuf;version=3",
                    "schema": {"$ref": format!("../proto/{}", file_of(kind.schema))}},
                "x-message": kind.schema,
            }),
        );
    }
    let headers = [
        ("ce_specversion", "1.0."),
        ("ce_id", "The same after a replay, a restore or a rebuild: whoever has had it leaves it."),
        ("ce_source", "`/stores/{code}`, `/catalog` or `/web`."),
        ("ce_type", "The message's name."),
        ("ce_subject", "What it is about."),
        ("ce_time", "When it happened, RFC 3339."),
        ("ce_dataschema", "`/schemas/` and the message's full name."),
        ("ce_partitionkey", "The record's key."),
        ("traceparent", "W3C trace context; a document's trace goes on from its id."),
    ];
    let text =
        |(name, about): (&str, &str)| (name.to_owned(), json!({"type": "string", "description": about}));
    let properties: Map<String, Json> = headers.into_iter().map(text).collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tradepost hub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the hub says to the rest of a company: CloudEvents 1.0 in binary mode, protobuf data.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/protobuf",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages,
            "schemas": {"headers": {"type": "object", "properties": properties}}},
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// The file of a message: `tradepost.order.v1.X` is in `tradepost/order/v1/events.proto`.
fn file_of(schema: &str) -> String {
    let package = schema.rsplit_once('.').map_or(schema, |(package, _)| package);
    format!("{}/events.proto", package.replace('.', "/"))
}
