//! Each way in which the proxy's network fails, and that it heals.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use chat_testkit::proxy::{Mode, Proxy, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Long enough for loopback on a busy machine, short enough to wait for what must not come.
const SOON: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn it_passes_what_is_sent_and_the_end_of_it() -> anyhow::Result<()> {
    let (_proxy, mut alice) = echo().await?;
    let sent = vec![7; 1_000_000];

    let (mut read, mut write) = alice.split();
    let (received, ()) = tokio::try_join!(
        async {
            let mut received = Vec::new();
            read.read_to_end(&mut received).await?;
            Ok::<_, std::io::Error>(received)
        },
        async {
            write.write_all(&sent).await?;
            write.shutdown().await
        },
    )?;

    assert!(received == sent);
    Ok(())
}

#[tokio::test]
async fn it_delays_both_ways_without_slowing_the_flow() -> anyhow::Result<()> {
    let (proxy, mut alice) = echo().await?;
    let delay = Duration::from_millis(150);
    proxy.set(Mode::Delay(delay));

    let begun = Instant::now();
    for _ in 0..20 {
        alice.write_all(b"ping").await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut echoed = [0; 80];
    timeout(SOON, alice.read_exact(&mut echoed)).await??;

    assert!(begun.elapsed() >= 2 * delay, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < 20 * delay, "each write waited for the one before: {:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn it_throttles() -> anyhow::Result<()> {
    let (proxy, mut alice) = echo().await?;
    proxy.set(Mode::Throttle(20_000));

    let begun = Instant::now();
    alice.write_all(&[1; 10_000]).await?;
    let mut echoed = vec![0; 10_000];
    timeout(SOON, alice.read_exact(&mut echoed)).await??;

    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_fell_into_a_hole_arrives_when_it_heals() -> anyhow::Result<()> {
    for way in [Way::Up, Way::Down, Way::Both] {
        let (proxy, mut alice) = echo().await?;
        proxy.set(Mode::Hole(way));

        alice.write_all(b"ping").await?;
        let mut echoed = [0; 4];
        let early = timeout(A_WHILE, alice.read_exact(&mut echoed)).await;
        assert!(early.is_err(), "{way:?} is no hole");

        proxy.set(Mode::Pass);
        timeout(SOON, alice.read_exact(&mut echoed)).await??;
        assert_eq!(&echoed, b"ping", "{way:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_connection_into_a_hole_is_accepted_and_silent() -> anyhow::Result<()> {
    let (proxy, _) = echo().await?;
    proxy.set(Mode::Hole(Way::Both));

    let mut bob = TcpStream::connect(proxy.address()).await?;
    bob.write_all(b"ping").await?;

    assert!(timeout(A_WHILE, bob.read_u8()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn it_cuts_what_is_open_and_what_comes() -> anyhow::Result<()> {
    let (proxy, mut alice) = echo().await?;
    proxy.set(Mode::Cut);

    assert_eq!(timeout(SOON, alice.read(&mut [0])).await??, 0);
    let mut bob = TcpStream::connect(proxy.address()).await?;
    assert_eq!(timeout(SOON, bob.read(&mut [0])).await??, 0);

    proxy.set(Mode::Pass);
    talk(&mut TcpStream::connect(proxy.address()).await?).await
}

#[tokio::test]
async fn it_resets_what_is_open_and_what_comes() -> anyhow::Result<()> {
    let (proxy, mut alice) = echo().await?;
    proxy.set(Mode::Reset);

    let error = timeout(SOON, alice.read(&mut [0])).await?.expect_err("a reset connection just ended");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut bob = TcpStream::connect(proxy.address()).await?;
    let error = timeout(SOON, bob.read(&mut [0])).await?.expect_err("a reset connection just ended");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    proxy.set(Mode::Pass);
    talk(&mut TcpStream::connect(proxy.address()).await?).await
}

#[tokio::test]
async fn it_cuts_all_that_is_open_and_nothing_that_comes() -> anyhow::Result<()> {
    let (proxy, mut alice) = echo().await?;

    proxy.cut_all();

    assert_eq!(timeout(SOON, alice.read(&mut [0])).await??, 0);
    talk(&mut TcpStream::connect(proxy.address()).await?).await
}

#[tokio::test]
async fn it_closes_one_half() -> anyhow::Result<()> {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let proxy = Proxy::start(server.local_addr()?).await?;
    let mut alice = TcpStream::connect(proxy.address()).await?;
    let (mut accepted, _) = server.accept().await?;
    alice.write_all(b"1").await?;
    assert_eq!(timeout(SOON, accepted.read_u8()).await??, b'1');

    proxy.set(Mode::HalfClose(Way::Down));

    assert_eq!(timeout(SOON, alice.read(&mut [0])).await??, 0, "alice reads on");
    alice.write_all(b"2").await?;
    assert_eq!(timeout(SOON, accepted.read_u8()).await??, b'2', "the other half is closed too");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_closes_the_connection() -> anyhow::Result<()> {
    let away = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
    let proxy = Proxy::start(away).await?;

    let mut alice = TcpStream::connect(proxy.address()).await?;

    assert_eq!(timeout(SOON, alice.read(&mut [0])).await??, 0);
    Ok(())
}

/// A proxy before a server that says everything back, and somebody who already talked to it.
async fn echo() -> anyhow::Result<(Proxy, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let proxy = Proxy::start(listener.local_addr()?).await?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    let mut alice = TcpStream::connect(proxy.address()).await?;
    talk(&mut alice).await?;
    Ok((proxy, alice))
}

async fn talk(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.write_all(b"hello").await?;
    let mut echoed = [0; 5];
    timeout(SOON, stream.read_exact(&mut echoed)).await??;
    assert_eq!(&echoed, b"hello");
    Ok(())
}
