//! Every metric of the gateway: names, what they mean, and the one line that counts each.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use chat_protocol::{
    ErrorCode,
    frame::{ClientFrame, Failure},
};
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use parking_lot::RwLock;

const SOCKETS: &str = "chat_gateway_sockets";
const FOLLOWS: &str = "chat_gateway_follows";
const OUTBOX_BYTES: &str = "chat_gateway_outbox_bytes";
const DRAIN_REMAINING: &str = "chat_gateway_drain_remaining";
const GOAWAYS: &str = "chat_gateway_goaways_total";
const CONNECTS: &str = "chat_gateway_connects_total";
const CONNECTS_REJECTED: &str = "chat_gateway_connects_rejected_total";
const RESUMES: &str = "chat_gateway_resumes_total";
const REPLAYED_EVENTS: &str = "chat_gateway_replayed_events_total";
const TOKEN_REFRESHES: &str = "chat_gateway_token_refreshes_total";
const REVOCATION_SECONDS: &str = "chat_gateway_revocation_seconds";
const GAPS: &str = "chat_gateway_gaps_total";
const GAP_REPAIR_SECONDS: &str = "chat_gateway_gap_repair_seconds";
const APPEND_SECONDS: &str = "chat_gateway_append_seconds";
const DELIVERY_SECONDS: &str = "chat_gateway_delivery_seconds";
const DUPLICATES: &str = "chat_gateway_duplicates_total";
const CLOSES: &str = "chat_gateway_closes_total";
const FRAMES: &str = "chat_gateway_frames_total";
const FRAME_BYTES: &str = "chat_gateway_frame_bytes";
const SHED_FRAMES: &str = "chat_gateway_shed_frames_total";
const RATE_LIMITED: &str = "chat_gateway_rate_limited_total";
const REQUESTS: &str = "chat_gateway_requests_total";
const REQUEST_SECONDS: &str = "chat_gateway_request_seconds";
const READS_COALESCED: &str = "chat_gateway_reads_coalesced_total";
const TAIL_HITS: &str = "chat_gateway_tail_hits_total";
const CACHE_FILLS: &str = "chat_gateway_page_cache_fills_total";
const UNWANTED_DELIVERIES: &str = "chat_gateway_unwanted_deliveries_total";
const WATCHED: &str = "chat_presence_watched";
const PRESENCE_SIGNALS: &str = "chat_presence_signals_total";
const PRESENCE_SHED: &str = "chat_presence_shed_total";

/// Tells the recorder what the names mean.
pub fn describe() {
    describe_gauge!(SOCKETS, "accepted sockets, by codec");
    describe_gauge!(FOLLOWS, "conversations subscribed to on this gateway");
    describe_gauge!(OUTBOX_BYTES, Unit::Bytes, "bytes that wait for slow sockets");
    describe_gauge!(DRAIN_REMAINING, "sockets that have not left yet, while the gateway drains");
    describe_counter!(GOAWAYS, "sockets sent elsewhere, by reason");
    describe_counter!(CONNECTS, "first frames, by kind and result");
    describe_counter!(CONNECTS_REJECTED, "connections refused before their first frame, by reason");
    describe_counter!(RESUMES, "conversations replayed, by result");
    describe_counter!(REPLAYED_EVENTS, "events sent again or late, from the log, to sockets that came back");
    describe_counter!(TOKEN_REFRESHES, "refresh tokens traded, by result");
    describe_histogram!(REVOCATION_SECONDS, Unit::Seconds, "from the end of a session to all gateways told of it");
    describe_counter!(GAPS, "missing events noticed, by how");
    describe_histogram!(GAP_REPAIR_SECONDS, Unit::Seconds, "from noticing a gap to the end of its repair");
    describe_histogram!(APPEND_SECONDS, Unit::Seconds, "from a send to its acknowledgement by the log");
    describe_histogram!(DELIVERY_SECONDS, Unit::Seconds, "from a live event to the last local socket");
    describe_counter!(DUPLICATES, "sends that were there before, by where that was found");
    describe_counter!(CLOSES, "sockets closed, by code and reason");
    describe_counter!(FRAMES, "frames, by direction and type");
    describe_histogram!(FRAME_BYTES, Unit::Bytes, "size of frames, by direction");
    describe_counter!(SHED_FRAMES, "ephemeral frames dropped, by type");
    describe_counter!(RATE_LIMITED, "what went beyond a limit, by bucket and whether it was refused");
    describe_counter!(REQUESTS, "REST requests, by route and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "REST requests, by route");
    describe_counter!(READS_COALESCED, "reads answered by another one's query");
    describe_counter!(TAIL_HITS, "history pages answered from memory");
    describe_counter!(CACHE_FILLS, "conversations whose newest messages were read to be kept in memory");
    describe_counter!(UNWANTED_DELIVERIES, "live events without a local viewer");
    describe_gauge!(WATCHED, "users who are watched by sockets of this gateway");
    describe_counter!(PRESENCE_SIGNALS, "presence messages put on the bus, by kind");
    describe_counter!(PRESENCE_SHED, "presence work dropped because there was too much, by kind");
}

pub(crate) fn sockets(codec: &'static str, count: usize) {
    gauge!(SOCKETS, "codec" => codec).set(count as f64);
}

pub(crate) fn rooms(count: usize) {
    gauge!(FOLLOWS).set(count as f64);
}

pub(crate) fn outbox_bytes(bytes: usize) {
    gauge!(OUTBOX_BYTES).set(bytes as f64);
}

pub(crate) fn drain_remaining(sockets: usize) {
    gauge!(DRAIN_REMAINING).set(sockets as f64);
}

pub(crate) fn sent_away() {
    counter!(GOAWAYS, "reason" => "drain").increment(1);
}

pub(crate) fn connected(kind: &'static str, result: &'static str) {
    counter!(CONNECTS, "kind" => kind, "result" => result).increment(1);
}

pub(crate) fn rejected(reason: &'static str) {
    counter!(CONNECTS_REJECTED, "reason" => reason).increment(1);
}

pub(crate) fn resumed(result: &'static str) {
    counter!(RESUMES, "result" => result).increment(1);
}

pub(crate) fn replayed(events: usize) {
    counter!(REPLAYED_EVENTS).increment(events as u64);
}

pub(crate) fn refreshed(result: &'static str) {
    counter!(TOKEN_REFRESHES, "result" => result).increment(1);
}

pub(crate) fn revoked(took: Duration) {
    histogram!(REVOCATION_SECONDS).record(took);
}

pub(crate) fn gap(found: &'static str) {
    counter!(GAPS, "found" => found).increment(1);
}

pub(crate) fn repaired(outcome: &'static str, took: Duration) {
    histogram!(GAP_REPAIR_SECONDS, "outcome" => outcome).record(took);
}

/// What is counted for every message is looked up once: a look-up hashes name and labels and takes a lock. The first
/// use comes after the recorder was installed, which is the first thing that a node does.
static APPENDED: LazyLock<Histogram> = LazyLock::new(|| histogram!(APPEND_SECONDS));
static DELIVERED: LazyLock<Histogram> = LazyLock::new(|| histogram!(DELIVERY_SECONDS));
static EVENTS_OUT: LazyLock<Counter> = LazyLock::new(|| counter!(FRAMES, "direction" => "out", "type" => "event"));
static SENDS_IN: LazyLock<Counter> = LazyLock::new(|| counter!(FRAMES, "direction" => "in", "type" => "send"));
static MEMORY_HITS: LazyLock<Counter> = LazyLock::new(|| counter!(TAIL_HITS));
static BYTES_IN: LazyLock<Histogram> = LazyLock::new(|| histogram!(FRAME_BYTES, "direction" => "in"));

pub(crate) fn appended(took: Duration) {
    APPENDED.record(took);
}

pub(crate) fn delivered(frames: usize, took: Duration) {
    DELIVERED.record(took);
    EVENTS_OUT.increment(frames as u64);
}

pub(crate) fn unwanted(events: usize) {
    counter!(UNWANTED_DELIVERIES).increment(events as u64);
}

pub(crate) fn duplicate(found: &'static str) {
    counter!(DUPLICATES, "found" => found).increment(1);
}

pub(crate) fn closed(number: u16, code: ErrorCode) {
    counter!(CLOSES, "code" => number.to_string(), "reason" => code.code()).increment(1);
}

pub(crate) fn closed_by_client() {
    counter!(CLOSES, "code" => "client", "reason" => "client").increment(1);
}

pub(crate) fn frame_in(frame: &Result<ClientFrame, Box<Failure>>, bytes: usize) {
    match frame {
        Ok(ClientFrame::Send(_)) => SENDS_IN.increment(1),
        frame => {
            let kind = frame.as_ref().map_or("refused", ClientFrame::name);
            counter!(FRAMES, "direction" => "in", "type" => kind).increment(1);
        }
    }
    BYTES_IN.record(bytes as f64);
}

pub(crate) fn shown(kind: &'static str) {
    counter!(FRAMES, "direction" => "out", "type" => kind).increment(1);
}

pub(crate) fn shed(kind: &'static str) {
    counter!(SHED_FRAMES, "type" => kind).increment(1);
}

pub(crate) fn rate_limited(bucket: &'static str, mode: &'static str) {
    counter!(RATE_LIMITED, "bucket" => bucket, "mode" => mode).increment(1);
}

/// What is counted of one route, looked up once: there are as many as the router has.
struct Route {
    took: Histogram,
    by_status: HashMap<u16, Counter>,
}

static ROUTES: LazyLock<RwLock<HashMap<String, Route>>> = LazyLock::new(RwLock::default);

pub(crate) fn request(route: &str, status: u16, took: Duration) {
    if let Some(known) = ROUTES.read().get(route)
        && let Some(count) = known.by_status.get(&status)
    {
        count.increment(1);
        known.took.record(took);
        return;
    }
    let count = counter!(REQUESTS, "route" => route.to_owned(), "status" => status.to_string());
    let new = || Route { took: histogram!(REQUEST_SECONDS, "route" => route.to_owned()), by_status: HashMap::new() };
    let mut routes = ROUTES.write();
    let known = routes.entry(route.to_owned()).or_insert_with(new);
    count.increment(1);
    known.took.record(took);
    known.by_status.insert(status, count);
}

pub(crate) fn read_coalesced() {
    counter!(READS_COALESCED).increment(1);
}

pub(crate) fn cache_filled() {
    counter!(CACHE_FILLS).increment(1);
}

pub(crate) fn tail_hit() {
    MEMORY_HITS.increment(1);
}

pub(crate) fn watched(users: usize) {
    gauge!(WATCHED).set(users as f64);
}

pub(crate) fn presence_signal(kind: &'static str) {
    counter!(PRESENCE_SIGNALS, "kind" => kind).increment(1);
}

pub(crate) fn presence_shed(kind: &'static str) {
    counter!(PRESENCE_SHED, "kind" => kind).increment(1);
}
