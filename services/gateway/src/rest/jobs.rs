//! Long work: begun by a request, done by a persister, looked at by who began it.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use chat_protocol::{
    ErrorCode, JobId, UserId,
    model::{Job, JobKind, JobState},
};
use chat_store::JobRow;

use super::{
    Problem,
    extract::{Caller, Id},
};
use crate::{app::App, fault::Fault};

/// How far long work is
///
/// Only who started it sees it.
#[utoipa::path(
    get, path = "/v1/jobs/{job}", tag = "Jobs", operation_id = "get_job",
    responses((status = 200, description = "The job", body = Job))
)]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<JobId>,
) -> Result<axum::Json<Job>, Problem> {
    let row = app.store.job(id).await?.filter(|row| row.job.started_by == access.user);
    Ok(axum::Json(row.ok_or(ErrorCode::NotFound)?.job))
}

/// Writes down what is to be done, not before so much time has passed.
pub async fn begin(app: &App, kind: JobKind, by: UserId, subject: u128, after_ms: i64) -> Result<Job, Fault> {
    let now = app.now();
    let id = JobId::ulid(u64::try_from(now.as_ms()).unwrap_or(0), rand::random());
    let job = Job { id, kind, state: JobState::Waiting, started_by: by, created_at: now };
    let row = JobRow { job: job.clone(), subject, progress: String::new(), not_before: now.plus_ms(after_ms) };
    app.store.create_job(&row).await?;
    Ok(job)
}

/// 202, and where to look.
pub fn accepted(job: Job) -> Response {
    let location = HeaderValue::from_str(&format!("/v1/jobs/{}", job.id));
    let mut response = (StatusCode::ACCEPTED, axum::Json(job)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
