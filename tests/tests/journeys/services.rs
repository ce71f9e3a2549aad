//! The hub's gRPC services, as another service of the company calls them.

use serde_json::json;
use std::time::Duration;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use tradepost_proto::catalog::v1 as catalog;
use tradepost_proto::catalog::v1::catalog_service_client::CatalogServiceClient;
use tradepost_proto::inventory::v1 as inventory;
use tradepost_proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use tradepost_proto::order::v1 as order;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;
use tradepost_tests::http::Client;
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir, wait_for};

const SOON: Duration = Duration::from_secs(60);

type Token = Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send>;
type Called = InterceptedService<Channel, Token>;

struct Hub {
    program: Program,
    admin: Client,
    token: String,
    channel: Channel,
    folder: TempDir,
}

impl Hub {
    async fn start(name: &str) -> Self {
        let folder = TempDir::new(name);
        let data = folder.join("hub");
        let anywhere = "127.0.0.1:0";
        let args = ["run", "--data-dir", &data, "--admin-listen", anywhere, "--sync-listen", anywhere];
        let program =
            Program::start("tradepost-hub", &[&args[..], &["--services-listen", anywhere]].concat());
        let program = program.expect("the hub starts");
        let token = std::fs::read_to_string(std::path::Path::new(&data).join("admin.token"));
        let token = token.expect("the hub made its token").trim().to_owned();
        let admin = program.client("admin").with_token(&token);
        let address = Channel::from_shared(program.said("services")).expect("an address");
        let channel = address.connect().await.expect("the services answer");
        Self { program, admin, token, channel, folder }
    }

    fn call(&self) -> (Channel, Token) {
        (self.channel.clone(), bearer(&self.token))
    }

    fn catalog(&self) -> CatalogServiceClient<Called> {
        let (channel, token) = self.call();
        CatalogServiceClient::with_interceptor(channel, token)
            .send_compressed(tonic::codec::CompressionEncoding::Zstd)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
    }

    fn inventory(&self) -> InventoryServiceClient<Called> {
        let (channel, token) = self.call();
        InventoryServiceClient::with_interceptor(channel, token)
    }

    fn orders(&self) -> OrderServiceClient<Called> {
        let (channel, token) = self.call();
        OrderServiceClient::with_interceptor(channel, token)
    }

    /// A store with a node that has the catalog.
    fn store(&mut self) -> (Program, Client) {
        let taxes = json!([{"category": "standard", "ppm": 230_000}]);
        let settings = json!({"currency": "EUR", "taxes": taxes});
        let store = json!({"code": "13", "name": "Salem", "settings": settings});
        let _ = self.admin.json("POST", "/v1/stores", &store).expect("the hub answers").ok();
        let code = self.admin.json("POST", "/v1/stores/13/enrolment-codes", &json!({}));
        let code = code.expect("the hub answers").ok()["code"].clone();
        let data = self.folder.join("node");
        let node = Program::start("tradepost-node", &["run", "--data-dir", &data, "--listen", "127.0.0.1:0"]);
        let node = node.expect("the node starts");
        let mut client = node.client("http");
        let _ = client.json("POST", "/v1/enrolment", &json!({"code": code})).expect("it answers").ok();
        (node, client)
    }
}

fn bearer(token: &str) -> Token {
    let value: MetadataValue<_> = format!("Bearer {token}").parse().expect("a token is ASCII");
    Box::new(move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", value.clone());
        Ok(request)
    })
}

fn tea(name: &str) -> catalog::Product {
    catalog::Product {
        sku: "TEA".to_owned(),
        name: name.to_owned(),
        tax_category: "standard".to_owned(),
        policy: catalog::StockPolicy::Strict.into(),
        ..catalog::Product::default()
    }
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_is_kept_searched_imported_and_watched() {
    let hub = Hub::start("services-catalog").await;
    let mut client = hub.catalog();
    let mut news =
        client.watch_catalog(catalog::WatchCatalogRequest {}).await.expect("it is watched").into_inner();
    let at_first = news.message().await.expect("the version now").and_then(|v| v.version);

    let created = client.create_product(catalog::CreateProductRequest { product: Some(tea("Tea")) });
    let created = created.await.expect("it is new").into_inner().stored.expect("a product");
    let later = news.message().await.expect("a newer version").and_then(|v| v.version);
    assert!(later.map(|v| v.version) > at_first.map(|v| v.version));

    let again = client.create_product(catalog::CreateProductRequest { product: Some(tea("Tea")) }).await;
    assert_eq!(again.expect_err("it is there").code(), Code::FailedPrecondition);
    let row_version = created.row_version;
    let update = |name: &str| catalog::UpdateProductRequest { product: Some(tea(name)), row_version };
    let updated = client.update_product(update("Green tea")).await.expect("it is as it was read");
    assert!(updated.into_inner().stored.expect("a product").row_version > row_version);
    let stale = client.update_product(update("Black tea")).await.expect_err("somebody was faster");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "PRECONDITION_FAILED"));

    let nameless = client.create_product(catalog::CreateProductRequest { product: Some(tea("")) }).await;
    let nameless = nameless.expect_err("a product has a name");
    let details = nameless.get_error_details();
    let field = details.bad_request().map(|bad| bad.field_violations[0].field.clone());
    assert_eq!((nameless.code(), field.as_deref()), (Code::InvalidArgument, Some("product.name")));

    let rows = (0..7).map(|n| catalog::Product { sku: format!("SKU-{n}"), ..tea(&format!("Item {n}")) });
    let wrong = catalog::Product { name: String::new(), sku: "WRONG".to_owned(), ..tea("") };
    let products: Vec<_> = rows.chain([wrong]).collect();
    let parts: Vec<_> =
        products.chunks(3).map(|part| catalog::ImportProductsRequest { products: part.to_vec() }).collect();
    let done = client.import_products(tokio_stream::iter(parts)).await.expect("it is taken in").into_inner();
    assert_eq!((done.created, done.problems.len(), done.problems[0].row), (7, 1, 8));

    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = client.list_products(catalog::ListProductsRequest { page_size: 3, page_token });
        let page = page.await.expect("a page").into_inner();
        seen.extend(page.products.into_iter().filter_map(|stored| stored.product).map(|product| product.sku));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 8);
    let found = client.search_products(catalog::SearchProductsRequest {
        query: "GREEN".to_owned(),
        ..catalog::SearchProductsRequest::default()
    });
    assert_eq!(found.await.expect("an answer").into_inner().products.len(), 1);
    let price = catalog::NewPrice { sku: "TEA".to_owned(), price: -1, ..catalog::NewPrice::default() };
    let refused = client.change_price(catalog::ChangePriceRequest { prices: vec![price] }).await;
    assert_eq!(refused.expect_err("a price is zero or more").code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_are_watched_promised_and_released_and_sales_are_read() {
    let mut hub = Hub::start("services-stock").await;
    let mut products = hub.catalog();
    let created = products.create_product(catalog::CreateProductRequest { product: Some(tea("Tea")) });
    created.await.expect("it is new");
    let price = catalog::NewPrice { sku: "TEA".to_owned(), price: 450, ..catalog::NewPrice::default() };
    products.change_price(catalog::ChangePriceRequest { prices: vec![price] }).await.expect("a price");
    let (_program, mut node) = hub.store();
    let priced = |node: &mut Client| node.get("/v1/products/TEA").is_ok_and(|a| a.json()["price"] == 450);
    wait_for("the catalog", SOON, || priced(&mut node)).expect("it arrives");
    // Before it is in the roster and has its lease, what it receives is a fact without rights.
    let ready = |node: &mut Client| {
        let status = node.get("/v1/sync/status").map(|answer| answer.json()).unwrap_or_default();
        status["registered"] == true && status["lease"]["held"] == true
    };
    wait_for("roster and lease", SOON, || ready(&mut node)).expect("they arrive");
    let delivery = json!({"reference": "D-1", "lines": [{"sku": "TEA", "units": 5}]});
    let _ = node.json("PUT", &format!("/v1/deliveries/{}", uuid_v7()), &delivery).expect("it answers").ok();
    let grant = json!({"id": uuid_v7(), "to": "hub", "units": 3});
    let _ = node.json("POST", "/v1/stock/TEA/grants", &grant).expect("it answers").ok();

    let mut stock = hub.inventory();
    let which = inventory::CheckStockRequest { store: "13".to_owned(), sku: "TEA".to_owned() };
    let mut lent = 0;
    for _ in 0..600 {
        let answer = stock.check_stock(which.clone()).await;
        lent = answer.ok().and_then(|a| a.into_inner().stock).map_or(0, |stock| stock.hub_rights);
        if lent == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(lent, 3, "the loan arrives");
    let watched = inventory::WatchStockRequest { store: "13".to_owned(), sku: "TEA".to_owned() };
    let mut news = stock.watch_stock(watched).await.expect("it is watched").into_inner();
    assert_eq!(news.message().await.expect("now").and_then(|n| n.stock).map(|s| s.reserved), Some(0));

    let wanted = inventory::ReserveRequest {
        id: uuid_v7(),
        store: "13".to_owned(),
        sku: "TEA".to_owned(),
        units: 2,
        order: uuid_v7(),
        reference: "W-1".to_owned(),
        expires_ms: 4_000_000_000_000,
        custodian: Some("hub".to_owned()),
        prepaid: None,
    };
    for _ in 0..2 {
        let held = stock.reserve(wanted.clone()).await.expect("it is promised").into_inner().reservation;
        assert_eq!(held.expect("a reservation").state, "open");
    }
    loop {
        let told = news.message().await.expect("news").and_then(|n| n.stock).expect("figures");
        if told.reserved == 2 {
            break;
        }
    }
    let more = inventory::ReserveRequest { id: uuid_v7(), units: 2, ..wanted.clone() };
    let short = stock.reserve(more).await.expect_err("one is left");
    assert_eq!((short.code(), reason(&short).as_str()), (Code::FailedPrecondition, "RIGHTS_SHORT"));
    let freed =
        stock.release(inventory::ReleaseRequest { id: wanted.id.clone() }).await.expect("it is the hub's");
    assert_eq!(freed.into_inner().reservation.expect("a reservation").state, "cancelled");

    let sale = uuid_v7();
    let line = json!({"sku": "TEA", "quantity_milli": 1_000});
    let body = json!({"till": "R1", "lines": [line], "tenders": [{"kind": "cash", "amount": 1_000}]});
    let _ = node.json("PUT", &format!("/v1/sales/{sale}"), &body).expect("it answers").ok();
    let mut orders = hub.orders();
    let mut found = Vec::new();
    for _ in 0..600 {
        if let Ok(answer) = orders.get_order(order::GetOrderRequest { id: sale.clone() }).await {
            found = answer.into_inner().orders;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found.len(), 1, "the sale arrives");
    assert_eq!((found[0].total, found[0].lines[0].sku.as_str()), (450, "TEA"));
    let listed =
        orders.list_orders(order::ListOrdersRequest { store: "13".to_owned(), ..Default::default() });
    assert_eq!(listed.await.expect("a page").into_inner().orders, found);
    let none = orders.get_order(order::GetOrderRequest { id: "nonsense".to_owned() }).await;
    assert_eq!(none.expect_err("no id").code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_kept_out_and_the_hub_says_when_it_goes() {
    let hub = Hub::start("services-door").await;
    // Whether it serves may be asked without a token: load balancers do.
    let mut health = tonic_health::pb::health_client::HealthClient::new(hub.channel.clone());
    for service in ["", "tradepost.catalog.v1.CatalogService", "tradepost.order.v1.OrderService"] {
        let asked = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(asked).await.expect("health is told").into_inner();
        assert_eq!(
            answer.status(),
            tonic_health::pb::health_check_response::ServingStatus::Serving,
            "{service}"
        );
    }
    for token in ["", "wrong"] {
        let mut stranger = CatalogServiceClient::with_interceptor(hub.channel.clone(), bearer(token));
        let refused = stranger.get_product(catalog::GetProductRequest { sku: "TEA".to_owned() }).await;
        assert_eq!(refused.expect_err("no token").code(), Code::Unauthenticated);
    }
    let missing = hub.catalog().get_product(catalog::GetProductRequest { sku: "TEA".to_owned() }).await;
    let missing = missing.expect_err("there is none");
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "NOT_FOUND"));
    let mut news =
        hub.catalog().watch_catalog(catalog::WatchCatalogRequest {}).await.expect("watched").into_inner();
    assert!(news.message().await.expect("the version now").is_some());
    hub.program.stop(Duration::from_secs(20)).expect("an open watch doesn't keep the hub from stopping");
}
