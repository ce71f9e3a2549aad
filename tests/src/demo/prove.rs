//! The proof: what a store's node says, what the hub says, and what `scripts/recompute.py` computes from the exports
//! of both must be the same, figure by figure; and everything that was acknowledged is there once.

use super::client::Client;
use super::sell::Acknowledged;
use super::town::{Hub, Shop};
use super::{Failure, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What somebody says a store's books are. Nothing is the same as zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Sales less refunds, with tax and before cash rounding, in minor units.
    pub takings: i64,
    /// What rounding cash added, in minor units.
    pub rounding: i64,
    /// Per rate in parts per million: net and tax.
    pub tax: BTreeMap<u32, (i64, i64)>,
    /// Base units per item that were sold and stayed sold.
    pub units: BTreeMap<String, i64>,
    /// Base units per item on hand.
    pub stock: BTreeMap<String, i64>,
    /// Sales and refunds.
    pub documents: i64,
}

/// One store, proven or not.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The store's name.
    pub name: String,
    /// The books that everybody should agree on: the node's.
    pub books: Books,
    /// Sales that were acknowledged and the hub doesn't have.
    pub lost: usize,
    /// Sales that the hub has more than once.
    pub doubled: usize,
    /// Everything that isn't as it should be, as sentences.
    pub wrong: Vec<String>,
}

/// Proves one store. With `tamper`, one cent is changed in the node's export before it is computed again.
///
/// # Errors
/// Somebody doesn't answer, or the script can't be run; a difference is no error but stands in the verdict.
pub async fn prove(
    hub: &Hub,
    shop: &Shop,
    acknowledged: &[Acknowledged],
    recompute: &Path,
    folder: &Path,
    tamper: bool,
) -> Outcome<Verdict> {
    let code = &shop.store.code;
    let node = node_books(shop).await?;
    let mut verdict = Verdict { name: shop.name(), books: node.clone(), ..Verdict::default() };
    compare(&mut verdict.wrong, "the hub", &node, &hub_books(hub, code).await?);
    compare_state_hashes(&mut verdict.wrong, hub, shop).await?;
    let exports = Exports::fetch(hub, shop, folder).await?;
    if tamper {
        script(recompute, &["--tamper".as_ref(), &exports.node, &exports.tampered])?;
        std::fs::rename(&exports.tampered, &exports.node)?;
    }
    for (who, export) in [("the node's export", &exports.node), ("the hub's export", &exports.hub)] {
        let computed = script(recompute, &[export])?;
        compare(&mut verdict.wrong, who, &node, &computed_books(&computed));
        verdict.wrong.extend(complaints(who, &computed));
    }
    count(&mut verdict, hub, code, acknowledged).await?;
    Ok(verdict)
}

/// What the node says.
///
/// # Errors
/// It doesn't answer.
pub async fn node_books(shop: &Shop) -> Outcome<Books> {
    books(&shop.client, "/v1/totals", "/v1/stock?limit=200").await
}

/// What the hub says of a store.
///
/// # Errors
/// It doesn't answer.
pub async fn hub_books(hub: &Hub, store: &str) -> Outcome<Books> {
    let totals = format!("/v1/stores/{store}/totals");
    books(&hub.client, &totals, &format!("/v1/stock?store={store}&limit=200")).await
}

async fn books(client: &Client, totals: &str, stock: &str) -> Outcome<Books> {
    let totals = client.get(totals).await?;
    let rows = client.rows(stock).await?;
    let on_hand = rows.iter().map(|row| (row["sku"].as_str().unwrap_or_default(), &row["on_hand"]));
    Ok(Books { stock: whole_numbers(on_hand), ..totals_of(&totals) })
}

fn computed_books(computed: &Value) -> Books {
    Books { stock: whole_numbers(fields(&computed["stock"])), ..totals_of(computed) }
}

fn totals_of(totals: &Value) -> Books {
    let tax = fields(&totals["tax"])
        .filter_map(|(ppm, sums)| Some((ppm.parse().ok()?, (int(&sums["net"]), int(&sums["tax"])))));
    Books {
        takings: int(&totals["takings"]),
        rounding: int(&totals["rounding"]),
        tax: tax.filter(|(_, sums)| *sums != (0, 0)).collect(),
        units: whole_numbers(fields(&totals["units"])),
        stock: BTreeMap::new(),
        documents: int(&totals["documents"]),
    }
}

fn whole_numbers<'a>(rows: impl Iterator<Item = (&'a str, &'a Value)>) -> BTreeMap<String, i64> {
    rows.map(|(sku, units)| (sku.to_owned(), int(units))).filter(|(_, units)| *units != 0).collect()
}

fn fields(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn compare(wrong: &mut Vec<String>, who: &str, node: &Books, theirs: &Books) {
    let sums = [
        ("takings", node.takings, theirs.takings),
        ("cash rounding", node.rounding, theirs.rounding),
        ("documents", node.documents, theirs.documents),
    ];
    for (what, ours, theirs) in sums.into_iter().filter(|(_, ours, theirs)| ours != theirs) {
        wrong.push(format!("{what}: the node has {ours}, {who} {theirs}"));
    }
    differing(wrong, "tax at", who, &node.tax, &theirs.tax);
    differing(wrong, "units sold of", who, &node.units, &theirs.units);
    differing(wrong, "stock of", who, &node.stock, &theirs.stock);
}

/// Names the first few keys whose values aren't the same.
fn differing<K: Ord + std::fmt::Display, V: PartialEq + std::fmt::Debug>(
    wrong: &mut Vec<String>,
    what: &str,
    who: &str,
    node: &BTreeMap<K, V>,
    theirs: &BTreeMap<K, V>,
) {
    const NAMED: usize = 3;
    let keys = node.keys().chain(theirs.keys().filter(|key| !node.contains_key(*key)));
    let other: Vec<_> = keys.filter(|key| node.get(*key) != theirs.get(*key)).collect();
    for key in other.iter().take(NAMED) {
        let (ours, theirs) = (node.get(*key), theirs.get(*key));
        wrong.push(format!("{what} {key}: the node has {ours:?}, {who} {theirs:?}"));
    }
    if other.len() > NAMED {
        wrong.push(format!("{what} {} more: {who} has something else", other.len() - NAMED));
    }
}

/// What the script computes from the node's export and from the hub's, both sound in themselves.
///
/// # Errors
/// There is no export, or the script finds something wrong in it.
pub async fn recomputed(hub: &Hub, shop: &Shop, recompute: &Path, folder: &Path) -> Outcome<[Books; 2]> {
    let exports = Exports::fetch(hub, shop, folder).await?;
    let (node, theirs) = (script(recompute, &[&exports.node])?, script(recompute, &[&exports.hub])?);
    let wrong = [complaints("the node's export", &node), complaints("the hub's export", &theirs)].concat();
    if wrong.is_empty() {
        Ok([computed_books(&node), computed_books(&theirs)])
    } else {
        Err(wrong.join("; ").into())
    }
}

/// What differs between the hashes that node and hub answer for a store; nothing where they are level.
///
/// # Errors
/// One doesn't answer.
pub async fn differing_hashes(hub: &Hub, shop: &Shop) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    compare_state_hashes(&mut wrong, hub, shop).await?;
    Ok(wrong)
}

async fn compare_state_hashes(wrong: &mut Vec<String>, hub: &Hub, shop: &Shop) -> Outcome<()> {
    let ours = shop.client.get("/v1/state-hash").await?;
    let theirs = hub.client.get(&format!("/v1/stores/{}/state-hash", shop.store.code)).await?;
    for hash in ["events_hash", "state_hash"] {
        if ours[hash].is_null() || ours[hash] != theirs[hash] {
            wrong.push(format!("{hash}: the node has {}, the hub {}", ours[hash], theirs[hash]));
        }
    }
    Ok(())
}

/// The files of one store.
struct Exports {
    node: PathBuf,
    hub: PathBuf,
    tampered: PathBuf,
}

impl Exports {
    async fn fetch(hub: &Hub, shop: &Shop, folder: &Path) -> Outcome<Self> {
        let code = &shop.store.code;
        let exports = Self {
            node: folder.join(format!("{code}-node.ndjson")),
            hub: folder.join(format!("{code}-hub.ndjson")),
            tampered: folder.join(format!("{code}-tampered.ndjson")),
        };
        shop.client.download("/v1/exports/events", &exports.node).await?;
        hub.client.download(&format!("/v1/exports/events?store={code}"), &exports.hub).await?;
        Ok(exports)
    }
}

/// Runs the script; answers its last line where that is JSON. A difference that it found is no error here.
fn script(recompute: &Path, arguments: &[&Path]) -> Outcome<Value> {
    let out = Command::new("python3").arg(recompute).args(arguments).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    match serde_json::from_str(last) {
        Ok(said) => Ok(said),
        Err(_) if out.status.success() => Ok(Value::Null),
        Err(_) => {
            let why = String::from_utf8_lossy(&out.stderr).into_owned();
            Err(Failure::from(format!("{} fails: {text}{why}", recompute.display())))
        }
    }
}

/// What the script found wrong in an export by itself.
fn complaints(who: &str, computed: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if computed["gapless"] != true {
        found.push(format!("{who}: receipts are not gapless: {}", computed["receipts"]));
    }
    for list in ["differences", "duplicates", "chain"] {
        let first = computed[list].as_array().and_then(|all| all.first());
        found.extend(first.map(|first| format!("{who}: {list}: {first}")));
    }
    if found.is_empty() && computed["ok"] != true {
        found.push(format!("{who}: the recomputation doesn't agree"));
    }
    found
}

/// Counts what was lost and doubled, from the client's own list.
async fn count(verdict: &mut Verdict, hub: &Hub, store: &str, acknowledged: &[Acknowledged]) -> Outcome<()> {
    let held = orders_of(hub, store).await?;
    let mine: Vec<&Acknowledged> = acknowledged.iter().filter(|said| said.store == store).collect();
    verdict.lost = mine.iter().filter(|said| !held.contains_key(&plain(&said.id))).count();
    verdict.doubled = held.values().filter(|times| **times > 1).count();
    let unheard = held.len().saturating_sub(mine.len() - verdict.lost);
    if verdict.lost > 0 {
        verdict.wrong.push(format!("{} acknowledged documents are not at the hub", verdict.lost));
    }
    if verdict.doubled > 0 {
        verdict.wrong.push(format!("{} documents are at the hub more than once", verdict.doubled));
    }
    if unheard > 0 {
        verdict.wrong.push(format!("{unheard} documents at the hub were never acknowledged"));
    }
    let taken: i64 = mine.iter().map(|said| said.total).sum();
    if taken != verdict.books.takings {
        verdict.wrong.push(format!("the receipts come to {taken}, the node says {}", verdict.books.takings));
    }
    Ok(())
}

/// How often the hub has each document of a store.
///
/// # Errors
/// It doesn't answer.
pub async fn orders_of(hub: &Hub, store: &str) -> Outcome<BTreeMap<String, usize>> {
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for order in hub.client.rows(&format!("/v1/orders?store={store}&limit=200")).await? {
        *held.entry(plain(order["id"].as_str().unwrap_or_default())).or_default() += 1;
    }
    Ok(held)
}

fn plain(id: &str) -> String {
    id.replace('-', "")
}
