//! The proxy does to connections what it is told, and nothing else.

#![cfg(feature = "proxy")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exception for tests does not reach the functions they share"
)]

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use test_servers::proxy::{Direction, Ending, Fault, Proxy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Long enough for anything that is to happen, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough to see that nothing happens.
const A_MOMENT: Duration = Duration::from_millis(50);

/// A proxy in front of a server that sends back what it gets.
async fn start() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = connection.split();
                // A connection that is reset is what the tests are about.
                let _ended = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Proxy::start(server).await.unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends this and waits for all of it to come back.
async fn echo(connection: &mut TcpStream, text: &str) {
    connection.write_all(text.as_bytes()).await.unwrap();
    let mut reply = vec![0; text.len()];
    let whole = timeout(PATIENCE, connection.read_exact(&mut reply)).await;
    whole.unwrap().unwrap();
    assert_eq!(reply, text.as_bytes());
}

/// Everything until the end, and how that came.
async fn rest(connection: &mut TcpStream) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut reply = Vec::new();
    let mut buffer = [0; 100];
    loop {
        match timeout(PATIENCE, connection.read(&mut buffer))
            .await
            .unwrap()
        {
            Ok(0) => return (reply, Ok(())),
            Ok(length) => reply.extend(&buffer[..length]),
            Err(error) => return (reply, Err(error.kind())),
        }
    }
}

#[tokio::test]
async fn it_passes_on_and_counts() {
    let proxy = start().await;
    let mut one = connect(&proxy).await;
    let mut two = connect(&proxy).await;
    echo(&mut one, "one").await;
    echo(&mut two, "two, longer").await;
    echo(&mut one, "once more").await;
    assert_eq!(proxy.connections(), 2);
    assert_eq!(proxy.reply_bytes(), 23);
}

#[tokio::test]
async fn latency_counts_in_both_directions() {
    let proxy = start().await;
    let mut connection = connect(&proxy).await;
    echo(&mut connection, "prompt").await;
    proxy.set(Fault::Latency(Duration::from_millis(40)));
    let began = Instant::now();
    echo(&mut connection, "late").await;
    assert!(began.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn what_hangs_is_passed_on_after_healing() {
    let proxy = start().await;
    for direction in [Direction::Requests, Direction::Replies, Direction::Both] {
        let mut connection = connect(&proxy).await;
        echo(&mut connection, "before").await;
        proxy.set(Fault::Hang(direction));
        connection.write_all(b"held").await.unwrap();
        let mut reply = [0; 4];
        let silence = timeout(A_MOMENT, connection.read_exact(&mut reply)).await;
        silence.unwrap_err();
        proxy.heal();
        let read = timeout(PATIENCE, connection.read_exact(&mut reply)).await;
        read.unwrap().unwrap();
        assert_eq!(&reply, b"held");
    }
}

#[tokio::test]
async fn a_reply_is_cut_after_exactly_so_many_bytes() {
    let proxy = start().await;
    for (ending, outcome) in [
        (Ending::Close, Ok(())),
        (Ending::Reset, Err(ErrorKind::ConnectionReset)),
    ] {
        for bytes in 0..10 {
            proxy.heal();
            let mut connection = connect(&proxy).await;
            echo(&mut connection, "not counted").await;
            proxy.set(Fault::EndAfter(bytes, ending));
            connection.write_all(b"0123456789").await.unwrap();
            let (reply, ended) = rest(&mut connection).await;
            assert_eq!(ended, outcome, "{ending:?} after {bytes}");
            match ending {
                Ending::Close => assert_eq!(reply, b"0123456789"[..bytes]),
                // A reset may overtake what was sent before it.
                Ending::Reset => assert!(b"0123456789"[..bytes].starts_with(&reply)),
            }
        }
    }
    proxy.set(Fault::EndAfter(10, Ending::Close));
    let mut connection = connect(&proxy).await;
    echo(&mut connection, "0123456789").await;
    connection.write_all(b"x").await.unwrap();
    assert_eq!(rest(&mut connection).await, (Vec::new(), Ok(())));
}

#[tokio::test]
async fn open_connections_and_new_ones_end_at_once() {
    let proxy = start().await;
    let mut open = connect(&proxy).await;
    echo(&mut open, "open").await;
    proxy.set(Fault::End(Ending::Reset));
    let (_, ended) = rest(&mut open).await;
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    let (_, ended) = rest(&mut connect(&proxy).await).await;
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    proxy.heal();
    echo(&mut connect(&proxy).await, "back").await;
}

#[tokio::test]
async fn slices_arrive_whole() {
    let proxy = start().await;
    proxy.set(Fault::Slices);
    echo(&mut connect(&proxy).await, &"text".repeat(100)).await;
    assert_eq!(proxy.reply_bytes(), 400);
}

#[tokio::test]
async fn a_script_tells_connections_apart() {
    let proxy = start().await;
    proxy.follow(|number| match number {
        1 => Fault::End(Ending::Close),
        _ => Fault::Nothing,
    });
    let mut first = connect(&proxy).await;
    echo(&mut first, "first").await;
    let mut second = connect(&proxy).await;
    assert_eq!(rest(&mut second).await.0, b"");
    echo(&mut connect(&proxy).await, "third").await;
    echo(&mut first, "first again").await;
}

#[tokio::test]
async fn nobody_behind_it_is_a_reset_and_dropping_it_ends_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(nobody).await.unwrap();
    let (_, ended) = rest(&mut connect(&proxy).await).await;
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));

    let proxy = start().await;
    let mut connection = connect(&proxy).await;
    echo(&mut connection, "open").await;
    drop(proxy);
    let (reply, _) = rest(&mut connection).await;
    assert_eq!(reply, b"");
}
