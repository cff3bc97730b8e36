use bytes::Bytes;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use super::*;

const BYTES_MAX: usize = 256 * 1024;

async fn pair() -> (Outbox, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), async { listener.accept().await.unwrap().0 });
    (Outbox::new(accepted, BYTES_MAX), client.unwrap())
}

/// Fills the kernel's buffers until something waits in the outbox.
async fn stall(outbox: &Outbox) -> usize {
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let mut pushed = 0;
    while outbox.backlog() == 0 {
        assert_eq!(outbox.push(std::slice::from_ref(&chunk)), Pushed::Taken);
        pushed += chunk.len();
    }
    pushed
}

#[tokio::test]
async fn frames_arrive_in_order_and_nothing_waits() {
    let (outbox, mut client) = pair().await;
    outbox.stream().writable().await.unwrap();
    assert_eq!(outbox.push(&[Bytes::from_static(b"ab"), Bytes::from_static(b"c")]), Pushed::Taken);
    outbox.flush().await;
    let mut read = [0; 3];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!((&read, outbox.backlog()), (b"abc", 0));
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_slow_at_the_bound() {
    let (outbox, _client) = pair().await;
    stall(&outbox).await;
    let chunk = Bytes::from(vec![7; 60 * 1024]);
    while outbox.push(std::slice::from_ref(&chunk)) == Pushed::Taken {}
    assert!(outbox.backlog() <= BYTES_MAX);
    assert!(outbox.stalled_for(Instant::now()).is_some());
}

#[tokio::test]
async fn a_slow_socket_still_gets_its_close_frame_whole() {
    let (outbox, mut client) = pair().await;
    let mut pushed = stall(&outbox).await;
    let chunk = Bytes::from(vec![7; 60 * 1024]);
    while outbox.push(std::slice::from_ref(&chunk)) == Pushed::Taken {
        pushed += chunk.len();
    }
    outbox.close(Bytes::from_static(b"bye"));
    assert_eq!(outbox.push(&[chunk]), Pushed::Refused);
    let mut all = Vec::new();
    let reader = async {
        let mut buffer = vec![0; 64 * 1024];
        while !all.ends_with(b"bye") {
            let read = client.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::join!(outbox.flush(), reader);
    assert!(outbox.is_closing() && outbox.backlog() == 0);
    assert!(all.len() <= pushed + 3);
}

#[tokio::test]
async fn what_waits_wakes_the_task_and_is_written_when_the_reader_reads() {
    let (outbox, mut client) = pair().await;
    let pushed = stall(&outbox).await;
    outbox.woken().await;
    let reader = async {
        let mut buffer = vec![0; pushed];
        client.read_exact(&mut buffer).await.unwrap();
    };
    tokio::join!(outbox.flush(), reader);
    assert_eq!((outbox.backlog(), outbox.stalled_for(Instant::now())), (0, None));
}

#[tokio::test]
async fn what_may_be_lost_is_dropped_long_before_the_socket_is_slow() {
    let (outbox, mut client) = pair().await;
    let typing = Bytes::from_static(b"typing");
    assert_eq!(outbox.push_ephemeral(&typing), Pushed::Taken);
    let mut pushed = stall(&outbox).await + typing.len();
    let chunk = Bytes::from(vec![7; 32 * 1024]);
    while outbox.backlog() < limits::OUTBOX_EPHEMERAL_BYTES {
        assert_eq!(outbox.push(std::slice::from_ref(&chunk)), Pushed::Taken);
        pushed += chunk.len();
    }
    let before = outbox.backlog();
    assert_eq!(outbox.push_ephemeral(&typing), Pushed::Dropped);
    assert_eq!((outbox.backlog(), outbox.is_closing()), (before, false));
    assert_eq!(outbox.push(std::slice::from_ref(&chunk)), Pushed::Taken, "messages are taken as before");
    pushed += chunk.len();
    let read = async {
        let mut read = vec![0; pushed];
        client.read_exact(&mut read).await.unwrap();
    };
    tokio::join!(outbox.flush(), read);
    assert_eq!(outbox.push_ephemeral(&typing), Pushed::Taken, "and so are signals, once it has caught up");
}

#[tokio::test]
async fn what_is_held_goes_out_with_what_comes_next() {
    let (outbox, mut client) = pair().await;
    outbox.stream().writable().await.unwrap();
    assert_eq!(outbox.hold(&[Bytes::from_static(b"ack ")]), Pushed::Held);
    assert!(outbox.holds() && client.try_read(&mut [0; 16]).is_err(), "nothing is written yet");
    assert_eq!(outbox.push(&[Bytes::from_static(b"event")]), Pushed::Taken);
    let mut read = [0; 9];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!((&read, outbox.backlog(), outbox.holds()), (b"ack event", 0, false));
}

#[tokio::test]
async fn what_is_held_alone_is_written_when_its_time_is_over() {
    let (outbox, mut client) = pair().await;
    outbox.stream().writable().await.unwrap();
    outbox.hold(&[Bytes::from_static(b"ack")]);
    outbox.write_held();
    let mut read = [0; 3];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!((&read, outbox.backlog(), outbox.holds()), (b"ack", 0, false));
}

#[tokio::test]
async fn no_more_is_held_than_one_write_takes() {
    let (outbox, mut client) = pair().await;
    outbox.stream().writable().await.unwrap();
    for number in 0..=SLICES {
        let held = outbox.hold(&[Bytes::from_static(b"x")]) == Pushed::Held;
        assert_eq!(held, number < SLICES);
    }
    let mut read = [0; SLICES + 1];
    client.read_exact(&mut read).await.unwrap();
    assert!(!outbox.holds());
}

#[tokio::test]
async fn nothing_is_held_behind_what_the_kernel_does_not_take() {
    let (outbox, _client) = pair().await;
    stall(&outbox).await;
    let before = outbox.backlog();
    assert_eq!(outbox.hold(&[Bytes::from_static(b"ack")]), Pushed::Taken);
    assert_eq!((outbox.backlog(), outbox.holds()), (before + 3, false));
}

#[tokio::test]
async fn a_close_frame_comes_after_what_is_held() {
    let (outbox, mut client) = pair().await;
    outbox.stream().writable().await.unwrap();
    outbox.hold(&[Bytes::from_static(b"error ")]);
    outbox.close(Bytes::from_static(b"bye"));
    let mut read = [0; 9];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"error bye");
}

#[tokio::test]
async fn what_is_held_makes_no_socket_slow() {
    let (outbox, mut client) = pair().await;
    outbox.stream().writable().await.unwrap();
    let half = Bytes::from(vec![7; HELD_BYTES / 2]);
    assert_eq!(outbox.hold(std::slice::from_ref(&half)), Pushed::Held);
    // As much as the bound, were what is held a part of it.
    let full = Bytes::from(vec![7; BYTES_MAX]);
    assert_eq!(outbox.push(std::slice::from_ref(&full)), Pushed::Taken);
    let reader = async {
        let mut buffer = vec![0; half.len() + full.len()];
        client.read_exact(&mut buffer).await.unwrap();
    };
    tokio::join!(outbox.flush(), reader);
    assert_eq!(outbox.backlog(), 0);

    assert_eq!(outbox.hold(&[Bytes::from(vec![7; HELD_BYTES + 1])]), Pushed::Taken, "that much is written at once");
}
