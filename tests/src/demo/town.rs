//! A hub and its stores as running programs, each with its own folder and its own client.

use super::client::Client;
use super::goods::{Catalog, StoreName};
use super::{Failure, Outcome};
use crate::ids::uuid_v7;
use crate::process::Program;
use hyper::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tradepost_commerce::price_book::PriceEntry;

/// Products in one import, and so in one catalog version's change set at most.
const IMPORT_LINES: usize = 2_000;

/// Prices in one batch.
const PRICE_LINES: usize = 500;

/// Lines of one delivery.
const DELIVERY_LINES: usize = 200;

/// How long a program may take to end when it is asked to.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// Where programs lie and where they keep their files.
#[derive(Clone, Debug)]
pub struct Place {
    /// Folder of the programs.
    pub bin_dir: PathBuf,
    /// Folder of all data.
    pub data: PathBuf,
}

/// A program and where its own words are kept for a person to read, however it ends.
struct Running {
    program: Option<Program>,
    log: PathBuf,
}

impl Running {
    fn start(place: &Place, name: &str, binary: &str, arguments: &[&str]) -> Outcome<Self> {
        std::fs::create_dir_all(&place.data)?;
        let program = Program::start_from(&place.bin_dir, binary, arguments, &[])?;
        Ok(Self { program: Some(program), log: place.data.join(format!("{name}.log")) })
    }

    fn said(&self, field: &str) -> String {
        self.program.as_ref().map(|program| program.said(field)).unwrap_or_default()
    }

    fn kill(mut self) {
        self.keep_words();
        if let Some(program) = self.program.take() {
            program.kill();
        }
    }

    fn stop(mut self) -> Outcome<()> {
        self.keep_words();
        Ok(self.program.take().map_or(Ok(()), |program| program.stop(STOP_WAIT))?)
    }

    fn keep_words(&self) {
        let Some(program) = &self.program else { return };
        let log = std::fs::File::options().create(true).append(true).open(&self.log);
        // The folder may be gone already, and the story matters more.
        let _ = log.and_then(|mut log| log.write_all(program.stderr().as_bytes()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keep_words();
    }
}

/// The hub.
pub struct Hub {
    place: Place,
    program: Option<Running>,
    admin_listen: String,
    sync_listen: String,
    /// Its admin API.
    pub client: Client,
}

/// A store and its node.
#[derive(Clone)]
pub struct Shop {
    place: Place,
    program: Arc<Mutex<Option<Running>>>,
    listen: Arc<Mutex<String>>,
    arguments: Arc<Vec<String>>,
    /// Its folder under the place's, and the name of its log.
    folder: String,
    /// Number in the data set, code and name.
    pub store: StoreName,
    /// The node's API.
    pub client: Client,
}

impl Hub {
    /// Starts a hub on free ports.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub fn open(place: &Place) -> Outcome<Self> {
        let anywhere = "127.0.0.1:0";
        let program = start_hub(place, anywhere, anywhere)?;
        let token = std::fs::read_to_string(place.data.join("hub").join("admin.token"))?;
        let client = Client::new(&program.said("admin"), Some(token.trim().to_owned()));
        let admin_listen = host_and_port(&program.said("admin"));
        let sync_listen = host_and_port(&program.said("sync"));
        Ok(Self { place: place.clone(), program: Some(program), admin_listen, sync_listen, client })
    }

    /// Host and port that nodes sync with.
    pub fn sync_address(&self) -> &str {
        &self.sync_listen
    }

    /// Shuts it down; the stores are alone then.
    ///
    /// # Errors
    /// It doesn't end as asked.
    pub fn stop(&mut self) -> Outcome<()> {
        self.program.take().map_or(Ok(()), Running::stop)
    }

    /// Starts it again, where it was.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub fn start_again(&mut self) -> Outcome<()> {
        self.program = Some(start_hub(&self.place, &self.admin_listen, &self.sync_listen)?);
        Ok(())
    }

    /// Founds a store and answers a code for enrolling its node.
    ///
    /// # Errors
    /// The hub refuses.
    pub async fn found(&self, store: &StoreName, settings: &Value) -> Outcome<String> {
        let body = json!({"code": store.code, "name": store.name, "settings": settings});
        self.client.post("/v1/stores", &body).await?;
        self.enrolment_code(&store.code).await
    }

    /// A code for enrolling a node.
    ///
    /// # Errors
    /// The hub refuses.
    pub async fn enrolment_code(&self, store: &str) -> Outcome<String> {
        let made = self.client.post(&format!("/v1/stores/{store}/enrolment-codes"), &json!({})).await?;
        Ok(made["code"].as_str().ok_or("the hub made no code")?.to_owned())
    }

    /// Publishes a catalog; `tell` hears how many records went.
    ///
    /// # Errors
    /// The hub refuses a record.
    pub async fn publish(&self, catalog: &Catalog, tell: &(dyn Fn(usize) + Sync)) -> Outcome<()> {
        for chunk in catalog.products.chunks(IMPORT_LINES) {
            let lines = chunk.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
            let report = self.client.post_lines("/v1/products/import", lines.join("\n")).await?;
            if let Some(wrong) = report["errors"].as_array().and_then(|errors| errors.first()) {
                return Err(format!("the hub refuses a product: {wrong}").into());
            }
            tell(chunk.len());
        }
        for promotion in &catalog.promotions {
            let mut body = serde_json::to_value(promotion)?;
            if let Some(fields) = body.as_object_mut() {
                fields.remove("id");
            }
            self.client.put(&format!("/v1/promotions/{}", promotion.id), &body).await?;
            tell(1);
        }
        self.reprice(&catalog.prices, tell).await
    }

    /// Publishes prices.
    ///
    /// # Errors
    /// The hub refuses one.
    pub async fn reprice(&self, prices: &[PriceEntry], tell: &(dyn Fn(usize) + Sync)) -> Outcome<()> {
        for chunk in prices.chunks(PRICE_LINES) {
            self.client.post("/v1/prices/batch", &json!({"entries": chunk})).await?;
            tell(chunk.len());
        }
        Ok(())
    }

    /// The catalog's version now.
    ///
    /// # Errors
    /// No answer.
    pub async fn catalog_version(&self) -> Outcome<u64> {
        Ok(self.client.get("/v1/catalog").await?["version"].as_u64().ok_or("the catalog has no version")?)
    }
}

fn start_hub(place: &Place, admin: &str, sync: &str) -> Outcome<Running> {
    let folder = place.data.join("hub").display().to_string();
    let listen = ["--admin-listen", admin, "--sync-listen", sync];
    let arguments = [&["run", "--data-dir", &folder, "--database", "sqlite"], &listen[..]].concat();
    Running::start(place, "hub", "tradepost-hub", &arguments)
}

impl Shop {
    /// Starts a store's node on a free port, with further arguments for `run`.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub fn open(place: &Place, store: &StoreName, more: &[String]) -> Outcome<Self> {
        Self::open_as(place, &store.code, store, more)
    }

    /// As [`Shop::open`], with its files in a folder of that name: a store may have several nodes.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub fn open_as(place: &Place, folder: &str, store: &StoreName, more: &[String]) -> Outcome<Self> {
        let shop = Self {
            folder: folder.to_owned(),
            place: place.clone(),
            program: Arc::default(),
            listen: Arc::new(Mutex::new("127.0.0.1:0".to_owned())),
            arguments: Arc::new(more.to_vec()),
            store: store.clone(),
            client: Client::new("", None),
        };
        shop.start_again()?;
        Ok(shop)
    }

    /// Starts the node (again), where it was. Blocks until it is ready.
    ///
    /// # Errors
    /// It doesn't become ready.
    pub fn start_again(&self) -> Outcome<()> {
        let mut listen = self.listen.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.place.data.join(&self.folder).display().to_string();
        let mut arguments = vec!["run", "--data-dir", &folder, "--listen", &listen];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let program = Running::start(&self.place, &self.folder, "tradepost-node", &arguments)?;
        *listen = host_and_port(&program.said("http"));
        self.client.moved_to(&program.said("http"));
        *self.program.lock().unwrap_or_else(PoisonError::into_inner) = Some(program);
        Ok(())
    }

    /// Kills the node with -9.
    ///
    /// # Errors
    /// It isn't running.
    pub fn kill(&self) -> Outcome<()> {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        program.take().ok_or("the node isn't running")?.kill();
        Ok(())
    }

    /// Asks the node to end.
    ///
    /// # Errors
    /// It doesn't end as asked.
    pub fn stop(&self) -> Outcome<()> {
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner).take();
        program.map_or(Ok(()), Running::stop)
    }

    /// Makes the node one of the hub's.
    ///
    /// # Errors
    /// Node or hub refuse.
    pub async fn enrol(&self, code: &str) -> Outcome<Value> {
        self.client.post("/v1/enrolment", &json!({"code": code})).await
    }

    /// Takes goods in; `tell` hears how many lines went.
    ///
    /// # Errors
    /// The node refuses.
    pub async fn receive(&self, stock: &[(String, i64)], tell: &(dyn Fn(usize) + Sync)) -> Outcome<()> {
        let arriving: Vec<&(String, i64)> = stock.iter().filter(|(_, units)| *units > 0).collect();
        for (at, chunk) in arriving.chunks(DELIVERY_LINES).enumerate() {
            let lines: Vec<Value> =
                chunk.iter().map(|(sku, units)| json!({"sku": sku, "units": units})).collect();
            let body = json!({"reference": format!("first delivery, part {}", at + 1), "lines": lines});
            self.client.put(&format!("/v1/deliveries/{}", uuid_v7()), &body).await?;
            tell(chunk.len());
        }
        Ok(())
    }

    /// How it stands with the hub.
    ///
    /// # Errors
    /// No answer.
    pub async fn sync_status(&self) -> Outcome<Value> {
        self.client.get("/v1/sync/status").await
    }

    /// Asks for a session now; nobody waits for it.
    pub async fn poke(&self) {
        let _ = self.client.call(Method::POST, "/v1/sync/now", None).await;
    }

    /// The same node, which will be started with other arguments the next time.
    #[must_use]
    pub fn with(&self, more: &[String]) -> Self {
        Self { arguments: Arc::new(more.to_vec()), ..self.clone() }
    }

    /// Where the store's other nodes reach it; empty where it keeps to itself.
    pub fn lan_address(&self) -> String {
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        program.as_ref().map(|program| program.said("lan")).unwrap_or_default()
    }

    /// What a person calls it.
    pub fn name(&self) -> String {
        format!("{} ({})", self.store.name, self.store.code)
    }
}

/// Waits until something is so; asks every 20 ms.
///
/// # Errors
/// It isn't within the time, or asking fails at the end; says what it last saw.
pub async fn until<F>(what: &str, bound: Duration, ask: impl Fn() -> F) -> Outcome<Duration>
where
    F: Future<Output = Outcome<Result<(), String>>>,
{
    let begun = Instant::now();
    loop {
        let seen = match ask().await {
            Ok(Ok(())) => return Ok(begun.elapsed()),
            Ok(Err(seen)) => seen,
            Err(why) => why.to_string(),
        };
        if begun.elapsed() > bound {
            let sentence = format!("after {} s still not so: {what}; last seen: {seen}", bound.as_secs());
            return Err(Failure::from(sentence));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until every store has the hub's catalog.
///
/// # Errors
/// Not within the bound.
pub async fn delivered(hub: &Hub, shops: &[Shop], bound: Duration) -> Outcome<Duration> {
    let version = hub.catalog_version().await?;
    let ask = || async {
        for shop in shops {
            let has = shop.sync_status().await?["catalog"]["version"].as_u64().unwrap_or_default();
            if has < version {
                return Ok(Err(format!("{} has version {has} of {version}", shop.store.code)));
            }
        }
        Ok(Ok(()))
    };
    until("the catalog is delivered", bound, ask).await
}

/// Waits until the hub has acknowledged everything that the stores wrote.
///
/// # Errors
/// Not within the bound.
pub async fn drained(shops: &[Shop], bound: Duration) -> Outcome<Duration> {
    let ask = || async {
        for shop in shops {
            let status = shop.sync_status().await?;
            let waiting = status["unsynced"].as_u64().unwrap_or(u64::MAX);
            if waiting > 0 {
                let (code, link, why) = (&shop.store.code, &status["link"], &status["hub"]["last_error"]);
                return Ok(Err(format!(
                    "{code} has {waiting} events waiting; its link is {link}, last {why}"
                )));
            }
        }
        Ok(Ok(()))
    };
    until("everything is synced", bound, ask).await
}

fn host_and_port(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.trim_end_matches('/').to_owned()
}

/// Makes a folder that must not hold an earlier story.
///
/// # Errors
/// It can't be made, or holds something.
pub fn fresh_folder(path: &Path) -> Outcome<()> {
    std::fs::create_dir_all(path)?;
    if std::fs::read_dir(path)?.next().is_some() {
        return Err(format!("{} is not empty: a story begins with nothing", path.display()).into());
    }
    Ok(())
}
