//! A payment provider behind an adapter, in the test's own process, so that it outlives the hubs that ask it: its books, and
//! requests or answers that can be held back.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tradepost_central::payment::{Kind, Ledger, Manner, Operation};

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Requests of a kind, before anything is done.
    Request(Kind),
    /// Answers of a kind, after it was done.
    Answer(Kind),
}

struct Books {
    ledger: Mutex<Ledger>,
    asked: Mutex<std::collections::BTreeMap<String, u32>>,
    hold: watch::Sender<Option<Held>>,
    holding: watch::Sender<u32>,
}

/// A running provider.
pub struct Provider {
    books: Arc<Books>,
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let books = Arc::new(Books {
            ledger: Mutex::default(),
            asked: Mutex::default(),
            hold: watch::Sender::new(None),
            holding: watch::Sender::new(0),
        });
        let router = Router::new().route("/v1/operations/{key}", put(operate)).with_state(Arc::clone(&books));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { books, url, _runtime: runtime }
    }

    /// What a hub is told as `--payments`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its books as they stand.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.books.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds requests or answers back from now on; none lets all go.
    pub fn hold(&self, what: Option<Held>) {
        self.books.hold.send_replace(what);
    }

    /// How many are held back now.
    #[must_use]
    pub fn holding(&self) -> u32 {
        *self.books.holding.borrow()
    }
}

/// What was asked for happens even if whoever asked is gone meanwhile.
async fn operate(
    State(books): State<Arc<Books>>,
    Path(key): Path<String>,
    Json(operation): Json<Operation>,
) -> Response {
    let done = tokio::spawn(async move {
        books.wait(Held::Request(operation.kind)).await;
        let manner = Manner::of(&operation.method);
        let first = books.is_first(&key);
        if manner == Manner::Forgotten && first {
            return StatusCode::BAD_GATEWAY.into_response();
        }
        let outcome = books.ledger.lock().unwrap_or_else(PoisonError::into_inner).perform(&key, &operation);
        books.wait(Held::Answer(operation.kind)).await;
        match (manner, outcome) {
            (_, Err(_)) => StatusCode::CONFLICT.into_response(),
            (Manner::Lost, _) if first => StatusCode::BAD_GATEWAY.into_response(),
            (Manner::Slow(time), Ok(outcome)) => {
                tokio::time::sleep(time).await;
                Json(outcome).into_response()
            }
            (_, Ok(outcome)) => Json(outcome).into_response(),
        }
    });
    done.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

impl Books {
    fn is_first(&self, key: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = asked.entry(key.to_owned()).or_default();
        *tries += 1;
        *tries == 1
    }

    async fn wait(&self, at: Held) {
        let mut hold = self.hold.subscribe();
        if *hold.borrow_and_update() != Some(at) {
            return;
        }
        self.holding.send_modify(|n| *n += 1);
        // An error means that the provider is gone, and with it the wait.
        let _ = hold.wait_for(|held| *held != Some(at)).await;
        self.holding.send_modify(|n| *n -= 1);
    }
}
