//! Requests: one file per resource, one list of routes.

mod problem; // what failed requests answer

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::{app::App, console, upgrade};

pub use problem::Problem;

tokio::task_local! {
    /// The id of the request this task serves.
    static REQUEST_ID: String;
}

fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}

/// Every route there is.
pub fn router(app: Arc<App>) -> Router {
    Router::new().route("/v1/ws", get(upgrade::ws)).merge(console::routes()).with_state(app)
}
