//! Signals: core subjects, nothing kept, queues of their own.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{
    Core,
    queue::{Next, Queue, Reader},
};
use crate::{BusError, Full, SignalStream, Topic, subject};

/// How long a signal may wait for room in the connection before it is refused.
const EMIT_TIMEOUT: Duration = Duration::from_millis(200);

impl Core {
    /// See [`crate::Log::emit`].
    pub(super) async fn emit(&self, to: &Topic, signal: Bytes) -> Result<(), BusError> {
        if !self.reader.connected() {
            return Err(BusError::Unavailable);
        }
        let sending = self.reader.client.publish(subject::topic(to), signal);
        match timeout(EMIT_TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(err)) if err.kind() == async_nats::PublishErrorKind::MaxPayloadExceeded => Err(BusError::TooLarge),
            Ok(Err(_)) => Err(BusError::Unavailable),
            Err(_) => Err(BusError::Full(Full::Window)),
        }
    }

    /// See [`crate::Log::listen`].
    pub(super) async fn listen(&self, to: &Topic) -> Result<SignalStream, BusError> {
        if !self.reader.connected() {
            return Err(BusError::Unavailable);
        }
        let deadline = self.read_deadline();
        let mut subscriber = self.reader.subscribe(subject::topic(to), deadline).await?;
        self.reader.round_trip(deadline).await?;
        let queue = Queue::new(self.options.signal_capacity);
        let stop = self.stop.child_token();
        let leave = {
            let stop = stop.clone();
            move || stop.cancel()
        };
        let reader = Reader::new(queue.clone(), leave);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = subscriber.next() => match message {
                        // A full queue drops it: signals may be lost.
                        Some(message) => drop(queue.push(message.payload)),
                        None => break,
                    },
                    () = stop.cancelled() => break,
                }
            }
            queue.close();
            let _connection_gone = subscriber.unsubscribe().await;
        });
        let signals = reader.filter_map(|next| {
            std::future::ready(match next {
                Next::Item(signal) => Some(signal),
                Next::Doubt(_) => None,
            })
        });
        Ok(signals.boxed())
    }
}
