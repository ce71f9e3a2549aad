//! Promised stock across programs: what a store lends, what headquarters promises of it, what is on its way, and how each
//! promise ends once. The interleavings of `model.md` §8 that cross programs, through real processes.

mod counts;
pub(crate) mod kit;
mod promises;
mod shipments;

use kit::*;
use serde_json::{Value, json};
use tradepost_tests::ids::uuid_v7;

#[test]
fn wrong_requests_about_stock_are_told_what_is_wrong() {
    let mut hub = Hub::start("stock-input");
    hub.open_store("13", 0);
    hub.add_item("MUG", "InHand");
    let mut node = hub.node("13", "north");
    node.receive("MUG", 1);
    let right = wanted("13", "MUG", 1, in_ms(LONG));
    let delivery =
        json!({"id": uuid_v7(), "store": "13", "reference": "PO", "lines": [{"sku": "MUG", "units": 1}]});
    let stories: Vec<(&str, Value, u16, &str, &str)> = vec![
        ("/v1/reservations", right.clone(), 409, "RIGHTS_SHORT", "/units"),
        ("/v1/reservations", with(right.clone(), "units", json!(0)), 422, "BAD_QUANTITY", "/units"),
        ("/v1/reservations", with(right.clone(), "id", json!("x")), 422, "BAD_VALUE", "/id"),
        ("/v1/reservations", with(right.clone(), "order", json!("x")), 422, "BAD_VALUE", "/order"),
        ("/v1/reservations", with(right.clone(), "sku", json!("NONE")), 422, "UNKNOWN_SKU", "/sku"),
        ("/v1/reservations", with(right.clone(), "store", json!("99")), 404, "NOT_FOUND", ""),
        ("/v1/reservations", with(right.clone(), "expires", json!("soon")), 422, "BAD_VALUE", "/expires"),
        (
            "/v1/reservations",
            with(right.clone(), "expires", json!("2001-01-01T00:00:00Z")),
            422,
            "BAD_VALUE",
            "/expires",
        ),
        ("/v1/reservations", with(right.clone(), "reference", json!("")), 422, "BAD_VALUE", "/reference"),
        ("/v1/reservations", with(right.clone(), "prepaid", json!(-1)), 422, "BAD_MONEY", "/prepaid"),
        (
            "/v1/reservations",
            with(right.clone(), "custodian", json!("east")),
            422,
            "UNKNOWN_NODE",
            "/custodian",
        ),
        ("/v1/reservations", with(right, "colour", json!(1)), 422, "UNKNOWN_FIELD", "/colour"),
        ("/v1/deliveries", with(delivery.clone(), "lines", json!([])), 422, "BAD_VALUE", "/lines"),
        (
            "/v1/deliveries",
            with(delivery.clone(), "lines", json!([{"sku": "MUG", "units": 0}])),
            422,
            "BAD_QUANTITY",
            "/lines/0/units",
        ),
        (
            "/v1/deliveries",
            with(delivery, "lines", json!([{"sku": "NONE", "units": 1}])),
            422,
            "UNKNOWN_SKU",
            "/lines/0/sku",
        ),
    ];
    for (path, body, status, code, pointer) in stories {
        let answer = hub.ask("POST", path, &body);
        let problem = answer.json();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}: {problem}");
        assert_eq!(
            problem["errors"][0]["pointer"].as_str().unwrap_or_default(),
            pointer,
            "{body}: {problem}"
        );
    }
    let grant = |to: &str, units: i64| json!({"id": uuid_v7(), "to": to, "units": units});
    let own = node.incarnation.clone();
    let ship = |to: &str, sku: &str, units: u64| json!({"id": uuid_v7(), "to_store": to, "lines": [{"sku": sku, "units": units}]});
    let stories: Vec<(&str, Value, u16, &str, &str)> = vec![
        ("/v1/stock/MUG/grants", grant("hub", 2), 409, "RIGHTS_SHORT", "/units"),
        ("/v1/stock/MUG/grants", grant("hub", 0), 422, "BAD_QUANTITY", "/units"),
        ("/v1/stock/MUG/grants", grant("nobody", 1), 422, "UNKNOWN_INCARNATION", "/to"),
        ("/v1/stock/MUG/grants", grant(&own, 1), 422, "UNKNOWN_INCARNATION", "/to"),
        ("/v1/stock/NONE/grants", grant("hub", 1), 422, "UNKNOWN_SKU", ""),
        ("/v1/transfers", ship("13", "MUG", 1), 422, "UNKNOWN_STORE", "/to_store"),
        ("/v1/transfers", ship("14", "NONE", 1), 422, "UNKNOWN_SKU", "/lines/0/sku"),
        ("/v1/transfers", ship("14", "MUG", 0), 422, "BAD_QUANTITY", "/lines/0/units"),
    ];
    for (path, body, status, code, pointer) in stories {
        let answer = node.ask("POST", path, &body);
        let problem = answer.json();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}: {problem}");
        assert_eq!(
            problem["errors"][0]["pointer"].as_str().unwrap_or_default(),
            pointer,
            "{body}: {problem}"
        );
    }
    let nothing = format!("/v1/reservations/{}/fulfil", uuid_v7());
    assert_eq!(node.ask("POST", &nothing, &json!({})).code(), "NOT_FOUND");
}
