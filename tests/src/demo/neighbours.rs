//! The second act: the first store gets a second node, sells without hub and then without LAN, promises goods to a web
//! order, counts while it sells, and loses a node for good. Everything that was promised is there again afterwards.

use super::goods::Catalog;
use super::progress::Voice;
use super::sell::Customers;
use super::story::{Options, Stage};
use super::town::{Hub, Place, Shop, drained, until};
use super::{Failure, Outcome};
use crate::ids::uuid_v7;
use hyper::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tradepost_commerce::quantity::BaseUnit;

/// Longest wait for anything to come to pass.
const WAIT: Duration = Duration::from_secs(60);

/// Sales that the act makes.
pub const SALES: usize = 4;

/// Units that the web may promise, and what one web order wants.
const LENT: i64 = 6;
const ORDERED: i64 = 2;

/// Rights that the second node holds when it is lost.
const HELD: i64 = 5;

/// A node's arguments for the LAN, with neighbours that it knows.
#[must_use]
pub fn on_the_lan(neighbours: &[String]) -> Vec<String> {
    let listen = ["--lan".to_owned(), "127.0.0.1:0".to_owned()];
    let peers = neighbours.iter().flat_map(|peer| ["--peer".to_owned(), peer.clone()]);
    listen.into_iter().chain(peers).collect()
}

/// Who plays, and the item it is about.
struct Act<'a> {
    hub: &'a mut Hub,
    first: &'a Shop,
    second: Shop,
    customers: &'a Customers,
    sku: String,
    voice: Voice,
}

/// Tells the act. Milliseconds until the neighbour showed a sale while the hub was away.
///
/// # Errors
/// Something didn't come out as it must.
pub async fn tell(
    stage: &mut Stage,
    options: &Options,
    catalog: &Catalog,
    customers: &Customers,
) -> Outcome<f64> {
    let voice = options.voice;
    voice.say("-- The first store gets a second node; both hear each other on the LAN");
    let first = stage.shops.first().ok_or("there is no store")?;
    let place = Place { bin_dir: options.bin_dir.clone(), data: options.data.clone() };
    let code = new_code(&stage.hub, first).await?;
    let folder = format!("{}-second", first.store.code);
    let second = Shop::open_as(&place, &folder, &first.store, &on_the_lan(&[first.lan_address()]))?;
    second.enrol(&code).await?;
    let sku = plain_item(catalog)?;
    let mut act = Act { hub: &mut stage.hub, first, second, customers, sku, voice };
    act.together().await?;
    act.web_order().await?;
    let seen = act.without_hub().await?;
    act.without_lan().await?;
    act.counted().await?;
    act.lost_for_good().await?;
    Ok(seen)
}

async fn new_code(hub: &Hub, shop: &Shop) -> Outcome<String> {
    let path = format!("/v1/stores/{}/enrolment-codes", shop.store.code);
    let code = hub.client.post(&path, &json!({})).await?["code"].as_str().map(str::to_owned);
    Ok(code.ok_or("the hub gives no code")?)
}

/// The item of which most came, sold by the piece and to everybody.
fn plain_item(catalog: &Catalog) -> Outcome<String> {
    let plain = |sku: &str| {
        let product = catalog.products.iter().find(|product| product.sku.0 == sku);
        product.is_some_and(|p| {
            p.unit.base == BaseUnit::Piece && p.unit.base_per_unit == 1 && p.min_age.is_none()
        })
    };
    let most = catalog.stock.iter().filter(|(sku, _)| plain(sku)).max_by_key(|(_, units)| *units);
    Ok(most.ok_or("no item is sold by the piece")?.0.clone())
}

impl Act<'_> {
    /// Waits until both nodes know each other and have the catalog.
    async fn together(&self) -> Outcome<()> {
        let ask = || async {
            for shop in [self.first, &self.second] {
                let status = shop.sync_status().await?;
                let links = status["neighbours"].as_array().cloned().unwrap_or_default();
                let linked = links.iter().any(|n| n["link"] == "online" || n["link"] == "syncing");
                let version = &status["catalog"];
                let ready = status["registered"] == true
                    && status["lease"]["held"] == true
                    && version["version"] == version["hub_version"];
                if !(linked && ready) {
                    return Ok(Err(status.to_string()));
                }
            }
            Ok(Ok(()))
        };
        until("both nodes know each other", WAIT, ask).await?;
        self.level().await
    }

    /// Waits until node and node show the same figures of the item.
    async fn level(&self) -> Outcome<()> {
        let ask = || async {
            let (ours, theirs) = (self.figures(self.first).await?, self.figures(&self.second).await?);
            Ok(if ours == theirs { Ok(()) } else { Err(format!("{ours:?} and {theirs:?}")) })
        };
        until("both nodes show the same stock", WAIT, ask).await.map(|_| ())
    }

    /// On hand, available, reserved, suspended as a node shows them.
    async fn figures(&self, shop: &Shop) -> Outcome<[i64; 4]> {
        let stock = shop.client.get(&format!("/v1/stock/{}", self.sku)).await?;
        let figure = |name: &str| stock[name].as_i64().unwrap_or(i64::MIN);
        Ok([figure("on_hand"), figure("available"), figure("reserved"), figure("suspended")])
    }

    async fn grant(&self, to: &str, units: i64) -> Outcome<()> {
        let body = json!({"id": uuid_v7(), "to": to, "units": units});
        self.first.client.post(&format!("/v1/stock/{}/grants", self.sku), &body).await.map(|_| ())
    }

    async fn sell(&self, shop: &Shop, till: &str) -> Outcome<()> {
        let id = uuid_v7();
        let line = json!({"sku": self.sku, "quantity_milli": 1_000});
        let tender = json!({"kind": "cash", "amount": 1_000_000_000});
        let sale = json!({"till": till, "lines": [line], "tenders": [tender]});
        let answer = shop.client.put(&format!("/v1/sales/{id}"), &sale).await?;
        self.customers.note(shop, &id, false, &answer);
        Ok(())
    }

    /// A web order takes what the store has lent, and is handed over at the counter.
    async fn web_order(&mut self) -> Outcome<()> {
        let before = self.figures(self.first).await?;
        self.grant("hub", LENT).await?;
        let (store, sku) = (self.first.store.code.clone(), self.sku.clone());
        let path = format!("/v1/stores/{store}/stock/{sku}");
        let lent = || async {
            let rights = self.hub.client.get(&path).await?["hub_rights"].as_i64().unwrap_or_default();
            Ok(if rights >= LENT { Ok(()) } else { Err(format!("{rights} lent")) })
        };
        until("the loan is at headquarters", WAIT, lent).await?;
        let id = uuid_v7();
        let order = json!({
            "id": id, "store": store, "sku": sku, "units": ORDERED, "order": uuid_v7(), "reference": "W-1",
            "expires": "2099-01-01T00:00:00Z", "prepaid": 100,
        });
        self.hub.client.post("/v1/reservations", &order).await?;
        let path = format!("/v1/reservations/{id}/fulfil");
        let handed = || async {
            for shop in [self.first, &self.second] {
                let answer = shop.client.call(Method::POST, &path, Some(&json!({}))).await?;
                if answer.is_success() {
                    return Ok(Ok(()));
                }
            }
            Ok(Err("nobody has the order yet".to_owned()))
        };
        until("the web order is handed over", WAIT, handed).await?;
        self.level().await?;
        let after = self.figures(self.first).await?;
        expect("goods on hand", before[0] - ORDERED, after[0])?;
        self.voice.say(format!(
            "   a web order for {ORDERED} is promised from {LENT} that the store lent, and handed over"
        ));
        Ok(())
    }

    /// The hub is away, the LAN is there: a sale at one till shows at the other.
    async fn without_hub(&mut self) -> Outcome<f64> {
        self.hub.stop()?;
        let before = self.figures(self.first).await?;
        self.sell(&self.second, "R2").await?;
        let begun = Instant::now();
        let seen = || async {
            let now = self.figures(self.first).await?;
            Ok(if now[0] == before[0] - 1 { Ok(()) } else { Err(format!("{now:?}")) })
        };
        until("the neighbour sees the sale", WAIT, seen).await?;
        let seen = begun.elapsed().as_secs_f64() * 1_000.0;
        self.hub.start_again()?;
        drained(&[self.first.clone(), self.second.clone()], WAIT).await?;
        self.voice
            .say(format!("   the hub is away: a sale at one node shows at the other after {seen:.0} ms"));
        Ok(seen)
    }

    /// The LAN is away, the hub is there: both sell, and hear of each other through the hub.
    async fn without_lan(&mut self) -> Outcome<()> {
        self.second.stop()?;
        let alone = self.second.with(&[]);
        alone.start_again()?;
        let before = self.figures(self.first).await?;
        self.sell(&alone, "R2").await?;
        self.sell(self.first, "R1").await?;
        let heard = || async {
            let (ours, theirs) = (self.figures(self.first).await?, self.figures(&alone).await?);
            let right = ours == theirs && ours[0] == before[0] - 2;
            Ok(if right { Ok(()) } else { Err(format!("{ours:?} and {theirs:?}")) })
        };
        until("both hear of both sales", WAIT, heard).await?;
        alone.stop()?;
        self.second = alone.with(&on_the_lan(&[self.first.lan_address()]));
        self.second.start_again()?;
        self.together().await?;
        self.voice.say("   the LAN is away: both nodes sell on, and hear of each other through the hub");
        Ok(())
    }

    /// The item is counted while it is sold: what the count finds is what the books say.
    async fn counted(&self) -> Outcome<()> {
        let id = uuid_v7();
        let on_hand = self.figures(self.first).await?[0];
        self.first.client.post("/v1/counts", &json!({"id": id, "sku": self.sku})).await?;
        let counted =
            self.first.client.post(&format!("/v1/counts/{id}/finish"), &json!({"n": on_hand})).await?;
        self.sell(&self.second, "R2").await?;
        self.level().await?;
        expect("goods on hand after the count and a sale", on_hand - 1, self.figures(self.first).await?[0])?;
        let missing = counted["burnt"].as_i64().unwrap_or_default();
        self.voice.say(format!("   {on_hand} are counted while the other till sells on: {missing} missing"));
        Ok(())
    }

    /// The second node burns. Its sales are at the hub; what it might have promised comes back by fence, count and
    /// barrier.
    async fn lost_for_good(&mut self) -> Outcome<()> {
        let lost = self.second.sync_status().await?["incarnation"].as_str().unwrap_or_default().to_owned();
        self.grant(&lost, HELD).await?;
        self.level().await?;
        drained(&[self.first.clone(), self.second.clone()], WAIT).await?;
        let before = self.figures(self.first).await?;
        self.second.kill()?;
        let store = self.first.store.code.clone();
        let fence = json!({"attested": "the demo: it fell into the river"});
        self.hub.client.post(&format!("/v1/stores/{store}/nodes/{lost}/fence"), &fence).await?;
        let mut suspended = 0;
        self.becomes("what the lost node held is suspended", |now| now[3] > 0).await?;
        suspended += self.figures(self.first).await?[3];
        // Every item it held rights of has to be counted; it held only this one's.
        let id = uuid_v7();
        self.first.client.post("/v1/counts", &json!({"id": id, "sku": self.sku})).await?;
        self.first.client.post(&format!("/v1/counts/{id}/finish"), &json!({"n": before[0]})).await?;
        drained(std::slice::from_ref(self.first), WAIT).await?;
        let barrier = json!({"id": uuid_v7(), "purpose": "resolve"});
        let path = format!("/v1/stores/{store}/barriers");
        // The hub opens one of its own where everybody is there and a count left a surplus: it decides this too, and then
        // nothing is left for ours.
        let resolved = || async {
            let now = self.figures(self.first).await?;
            if now[1] == before[1] && now[3] == 0 {
                return Ok(Ok(()));
            }
            let answer = self.hub.client.call(Method::POST, &path, Some(&barrier)).await?;
            Ok(Err(format!("{now:?}; a barrier: {}", answer.body)))
        };
        until("what it held is sold again", WAIT, resolved).await?;
        self.voice.say(format!(
            "   the second node is lost for good: {suspended} promised units are held back, counted, and free again"
        ));
        Ok(())
    }

    async fn becomes(&self, what: &str, so: impl Fn([i64; 4]) -> bool) -> Outcome<()> {
        let ask = || async {
            let now = self.figures(self.first).await?;
            Ok(if so(now) { Ok(()) } else { Err(format!("{now:?}")) })
        };
        until(what, WAIT, ask).await.map(|_| ())
    }
}

fn expect(what: &str, wanted: i64, found: i64) -> Outcome<()> {
    if wanted == found {
        return Ok(());
    }
    Err(Failure::from(format!("{what}: {found}, and it should be {wanted}")))
}
