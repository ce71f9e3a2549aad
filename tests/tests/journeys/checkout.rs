//! The web shop through whole programs: an account, a cart, a checkout that a store hands out or gives up; the same by
//! gRPC; the provider's own notices.

use crate::stock::kit::{self, Hub, Node};
use serde_json::{Value, json};
use tradepost_central::payment::{Kind, Money};
use tradepost_central::webhook;
use tradepost_proto::cart::v1 as cart;
use tradepost_proto::cart::v1::cart_service_client::CartServiceClient;
use tradepost_proto::order::v1 as order;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;
use tradepost_proto::payment::v1 as payment;
use tradepost_proto::payment::v1::payment_service_client::PaymentServiceClient;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::wait_for;
use tradepost_tests::provider::Provider;

/// A secret of these tests.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Shop {
    hub: Hub,
    node: Node,
    provider: Provider,
}

impl Shop {
    /// A hub with a provider, a store, and a node that lent `units` of the item to the web.
    fn open(name: &str, units: u64) -> Self {
        let provider = Provider::start();
        let secrets = tradepost_tests::process::TempDir::new("secret");
        let secret = secrets.join("payments");
        std::fs::write(&secret, SECRET).expect("the file can be written");
        let extra = ["--payments", provider.url(), "--payment-secret-file", &secret];
        let services = ["--services-listen", "127.0.0.1:0", "--payment-patience-ms", "2000"];
        let mut hub = Hub::start_with(name, &[&extra[..], &services[..]].concat());
        hub.open_store("13", 0);
        hub.add_item("MUG", "Strict");
        let mut node = hub.node("13", "north");
        node.receive("MUG", units);
        let _ = node.give("MUG", "hub", units).ok();
        wait_for("the loan", kit::SOON, || hub.stock("13", "MUG")["hub_rights"] == units)
            .expect("it arrives");
        Self { hub, node, provider }
    }

    fn knock(&self) -> Client {
        self.hub.program.client("admin")
    }

    fn money(&self, order: &str) -> Money {
        let ledger = self.provider.ledger();
        let found = ledger.payments().find(|(_, money)| money.order == order).map(|(_, money)| money.clone());
        found.unwrap_or_default()
    }

    fn order_is(&mut self, id: &str, state: &str) -> Value {
        let path = format!("/v1/web-orders/{id}");
        let done = wait_for(state, kit::SOON, || self.hub.get(&path)["state"] == state);
        done.unwrap_or_else(|e| panic!("{e}: {}", self.hub.get(&path)));
        self.hub.get(&path)
    }
}

fn ask(client: &mut Client, method: &str, path: &str, body: &Value) -> Answer {
    client.json(method, path, body).expect("the hub answers")
}

fn log_in(shop: &Shop, email: &str) -> Client {
    let account = json!({"email": email, "name": "Ann", "password": "correct horse"});
    let made = ask(&mut shop.knock(), "POST", "/v1/shop/accounts", &account).ok();
    shop.knock().with_token(made["token"].as_str().expect("a token"))
}

fn filled(client: &mut Client, pieces: i64) -> Value {
    let cart = uuid_v7();
    let _ = ask(client, "POST", "/v1/shop/carts", &json!({"id": cart})).ok();
    let line = json!({"sku": "MUG", "quantity_milli": pieces * 1_000});
    ask(client, "POST", &format!("/v1/shop/carts/{cart}/lines"), &line).ok()
}

fn paid(cart: &Value, method: &str) -> Value {
    json!({"cart": cart["id"], "cart_version": cart["version"], "total": cart["total"], "method": method})
}

#[test]
fn a_shopper_buys_on_the_web_and_collects_at_the_store() {
    let mut shop = Shop::open("checkout-collect", 5);
    let mut ann = log_in(&shop, "ann@example.org");
    let cart = filled(&mut ann, 2);
    assert_eq!((&cart["total"], &cart["priced_at"]), (&json!(200), &json!("13")));
    let id = uuid_v7();
    let path = format!("/v1/shop/orders/{id}");
    let other = json!({"cart": cart["id"], "cart_version": 1, "total": 200, "method": "approve"});
    let changed = ask(&mut ann, "PUT", &path, &other);
    assert_eq!((changed.status, changed.code().as_str()), (409, "CART_CHANGED"), "{}", changed.text());
    assert_eq!(changed.json()["errors"][0]["pointer"], "/cart_version");

    let bought = ask(&mut ann, "PUT", &path, &paid(&cart, "approve"));
    assert_eq!((bought.status, &bought.json()["state"]), (201, &json!("handed_over")), "{}", bought.text());
    let again = ask(&mut ann, "PUT", &path, &paid(&cart, "approve")).ok();
    assert_eq!(
        (&again["steps"], &again["reference"]),
        (&bought.json()["steps"], &bought.json()["reference"])
    );
    assert_eq!(shop.money(&id).kept(), 200);
    let mut bob = log_in(&shop, "bob@example.org");
    assert_eq!(bob.get(&path).expect("an answer").status, 404, "it is Ann's alone");
    assert_eq!(shop.knock().get(&path).expect("an answer").code(), "SESSION_REFUSED");

    let hold = bought.json()["holds"][0]["reservation"].as_str().expect("a hold").to_owned();
    wait_for("the promise at the store", kit::SOON, || {
        shop.node.knows_reservation(&hold)
            && shop.node.get(&format!("/v1/reservations/{hold}"))["held_here"] == true
    })
    .expect("it arrives");
    let shown = shop.node.get(&format!("/v1/reservations/{hold}"));
    assert_eq!((&shown["reference"], &shown["prepaid"]), (&bought.json()["reference"], &json!(200)));
    let _ = shop.node.end(&hold, "fulfil").ok();
    let ended = shop.order_is(&id, "fulfilled");
    assert_eq!((&ended["captured"], &ended["refund"]), (&json!(200), &json!(0)));
    kit::both_show(&mut shop.hub, "13", &mut shop.node, "MUG", [3, 3, 0, 0, 0, 0]);
    assert_eq!(ask(&mut ann, "DELETE", &path, &json!({})).code(), "ORDER_ENDED");
    assert_eq!(ann.get("/v1/shop/orders").expect("an answer").json()["data"][0]["id"], id.as_str());

    let _ = ann.send("DELETE", "/v1/shop/sessions/current", &[], None).expect("an answer");
    assert_eq!(ann.get(&path).expect("an answer").code(), "SESSION_REFUSED", "she left");
}

#[test]
fn what_the_store_gives_up_is_paid_back_and_a_declined_card_takes_nothing() {
    let mut shop = Shop::open("checkout-back", 3);
    let mut ann = log_in(&shop, "ann@example.org");
    let cart = filled(&mut ann, 3);
    let declined = uuid_v7();
    let answer = ask(&mut ann, "PUT", &format!("/v1/shop/orders/{declined}"), &paid(&cart, "decline")).ok();
    assert_eq!((&answer["state"], &answer["reason"]), (&json!("failed"), &json!("insufficient_funds")));
    assert_eq!(shop.hub.stock("13", "MUG")["hub_rights"], 3, "the goods are free again");

    let path = format!("/v1/shop/carts/{}", cart["id"].as_str().expect("an id"));
    let open = ann.get(&path).expect("an answer").ok();
    assert_eq!(open["state"], "open");
    let id = uuid_v7();
    let bought = ask(&mut ann, "PUT", &format!("/v1/shop/orders/{id}"), &paid(&open, "lost")).ok();
    let bought = match bought["state"].as_str() {
        Some("handed_over") => bought,
        _ => shop.order_is(&id, "handed_over"),
    };
    assert_eq!(shop.money(&id).kept(), 300);
    let asked = ask(&mut ann, "DELETE", &format!("/v1/shop/orders/{id}"), &json!({})).ok();
    assert_eq!((&asked["state"], &asked["cancel_asked"]), (&json!("handed_over"), &json!(true)));
    assert_eq!(shop.hub.findings("cancel_asked").len(), 1, "the store is told by a person");
    let hold = bought["holds"][0]["reservation"].as_str().expect("a hold").to_owned();
    wait_for("the promise at the store", kit::SOON, || {
        shop.node.knows_reservation(&hold)
            && shop.node.get(&format!("/v1/reservations/{hold}"))["held_here"] == true
    })
    .expect("it arrives");
    let _ = shop.node.end(&hold, "cancel").ok();
    let ended = shop.order_is(&id, "refunded");
    assert_eq!((&ended["refund"], shop.money(&id).kept()), (&json!(300), 0));
    kit::both_show(&mut shop.hub, "13", &mut shop.node, "MUG", [3, 3, 0, 0, 0, 0]);
    let shown = shop.hub.get(&format!("/v1/payments/{id}"));
    assert_eq!((&shown["captured"], &shown["refunded"]), (&json!(300), &json!(300)));
    let more = json!({"id": uuid_v7(), "amount": 1});
    let more = shop.hub.ask("POST", &format!("/v1/payments/{id}/refunds"), &more);
    assert_eq!((more.status, more.code().as_str()), (409, "PAYMENT_STATE"), "{}", more.text());
}

#[test]
fn only_signed_notices_are_heard() {
    let mut shop = Shop::open("checkout-notices", 1);
    let mut ann = log_in(&shop, "ann@example.org");
    let cart = filled(&mut ann, 1);
    let id = uuid_v7();
    let _ = ask(&mut ann, "PUT", &format!("/v1/shop/orders/{id}"), &paid(&cart, "decline")).ok();
    let body = json!({
        "payment": id, "kind": "capture", "key": Kind::Capture.key(&id), "outcome": "done", "reference": "late",
    });
    let body = body.to_string().into_bytes();
    let now = jiff::Timestamp::now().as_second();
    let secret = webhook::secret(SECRET).expect("a secret");
    let good = webhook::sign(&secret, "msg_1", now, &body);
    let old = webhook::sign(&secret, "msg_1", now - 3_600, &body);
    let mut provider = shop.knock();
    let mut tell = |at: i64, signature: &str| {
        let at = at.to_string();
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &at),
            ("webhook-signature", signature),
        ];
        provider.send("POST", "/v1/payment-notices", &headers, Some(&body)).expect("the hub answers").status
    };
    assert_eq!(tell(now, "v1,AAAA"), 401);
    assert_eq!(tell(now - 3_600, &old), 401, "it is too old");
    for _ in 0..3 {
        assert_eq!(tell(now, &good), 204);
    }
    // Money that came for a dead order goes back; this provider knows of none, so a person is told.
    let refunding = shop.order_is(&id, "refunding");
    assert_eq!(refunding["refund"], 100);
    wait_for("a person to be told", kit::SOON, || shop.hub.findings("refund_declined").len() == 1)
        .expect("they are");
}

#[test]
fn other_services_sell_by_grpc() {
    let shop = Shop::open("checkout-grpc", 2);
    let guest = ask(&mut shop.knock(), "POST", "/v1/shop/guests", &json!({})).ok();
    let session = guest["token"].as_str().expect("a token").to_owned();
    let data = std::path::Path::new(&shop.hub.program.said("data_dir")).join("admin.token");
    let token = std::fs::read_to_string(data).expect("the hub made its token").trim().to_owned();
    let address = shop.hub.program.said("services");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let channel = tonic::transport::Channel::from_shared(address).expect("an address");
        let channel = channel.connect().await.expect("the services answer");
        let bearer = move |mut request: tonic::Request<()>| {
            let value = format!("Bearer {token}").parse().expect("a token is ASCII");
            request.metadata_mut().insert("authorization", value);
            Ok(request)
        };
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
        for service in ["tradepost.cart.v1.CartService", "tradepost.payment.v1.PaymentService"] {
            let asked = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
            let serving = tonic_health::pb::health_check_response::ServingStatus::Serving;
            assert_eq!(health.check(asked).await.expect("an answer").into_inner().status(), serving);
        }
        let mut carts = CartServiceClient::with_interceptor(channel.clone(), bearer.clone());
        let mut orders = OrderServiceClient::with_interceptor(channel.clone(), bearer.clone());
        let mut payments = PaymentServiceClient::with_interceptor(channel, bearer);

        let id = uuid_v7();
        let new = cart::CreateCartRequest { session: session.clone(), id: id.clone(), store: None };
        carts.create_cart(new).await.expect("a cart");
        let wrong = cart::GetCartRequest { session: "nobody".to_owned(), id: id.clone() };
        let wrong = carts.get_cart(wrong).await.expect_err("no session");
        assert_eq!(wrong.code(), tonic::Code::Unauthenticated);
        let mut add = cart::AddItemRequest {
            session: session.clone(),
            id: id.clone(),
            sku: "MUG".to_owned(),
            quantity_milli: 3_000,
            version: None,
        };
        let short = carts.add_item(add.clone()).await.expect_err("two are lent");
        assert_eq!(short.code(), tonic::Code::FailedPrecondition);
        add.quantity_milli = 2_000;
        let priced = carts.add_item(add).await.expect("it is added").into_inner().cart.expect("a cart");
        assert_eq!((priced.total, priced.version), (200, 2));

        let order = uuid_v7();
        let checkout = order::CheckoutRequest {
            session,
            id: order.clone(),
            cart: id,
            cart_version: priced.version,
            total: priced.total,
            method: "approve".to_owned(),
        };
        for _ in 0..2 {
            let done = orders.checkout(checkout.clone()).await.expect("an order").into_inner().order;
            let done = done.expect("an order");
            assert_eq!((done.state.as_str(), done.captured), ("handed_over", 200), "{done:?}");
        }
        let shown = payments.get_payment(payment::GetPaymentRequest { id: order.clone() }).await;
        let shown = shown.expect("a payment").into_inner().payment.expect("a payment");
        assert_eq!((shown.state.as_str(), shown.captured), ("captured", 200));

        // A payment of its own: set aside, taken, given back in two parts, and never more.
        let own = uuid_v7();
        let ask = payment::AuthorizeRequest {
            id: own.clone(),
            order,
            store: "13".to_owned(),
            method: "approve".to_owned(),
            currency: "EUR".to_owned(),
            amount: 500,
        };
        let done = payments.authorize(ask).await.expect("an answer").into_inner().payment.expect("a payment");
        assert_eq!(done.state, "authorized");
        payments.capture(payment::CaptureRequest { id: own.clone() }).await.expect("it is taken");
        let back = |amount: i64| payment::RefundRequest { id: uuid_v7(), payment: own.clone(), amount };
        payments.refund(back(200)).await.expect("some of it");
        let rest = payments.refund(back(300)).await.expect("the rest").into_inner().payment;
        assert_eq!(rest.map(|payment| payment.refunded), Some(500));
        let more = payments.refund(back(1)).await.expect_err("nothing is left");
        assert_eq!(more.code(), tonic::Code::FailedPrecondition);
        let listed = payments.list_payments(payment::ListPaymentsRequest::default()).await;
        assert_eq!(listed.expect("a page").into_inner().payments.len(), 2);
    });
}
