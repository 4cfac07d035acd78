//! A gate in front of servers: it leads new connections to the one that it is told, and can keep what
//! a client sends until later, when the client has long been cut off.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, watch},
};

pub(crate) struct Gate {
    port: u16,
    state: watch::Sender<State>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

#[derive(Clone, Copy)]
struct State {
    /// The port of the server that new connections lead to.
    server: u16,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    /// What a connection that is open now sends next is kept, and its client is cut off.
    Keep,
}

/// What a client sent, and the way to the server that it was for.
struct Kept {
    bytes: Vec<u8>,
    server: TcpStream,
}

impl Gate {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Mode::Open;
        let state = watch::Sender::new(State { server, mode });
        let kept = Arc::<Mutex<Vec<Kept>>>::default();
        let (states, keeping) = (state.subscribe(), Arc::clone(&kept));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, states.clone(), Arc::clone(&keeping)));
            }
        });
        Self { port, state, kept }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// New connections lead to this server. Those that are open stay.
    pub(crate) fn lead_to(&self, server: u16) {
        self.state.send_modify(|state| state.server = server);
    }

    pub(crate) fn keep_what_comes_next(&self) {
        self.state.send_modify(|state| state.mode = Mode::Keep);
    }

    /// Hands over what was kept. Returns when the servers have answered all of it.
    pub(crate) async fn deliver(&self) {
        self.state.send_modify(|state| state.mode = Mode::Open);
        let kept = std::mem::take(&mut *self.kept.lock().await);
        assert!(!kept.is_empty(), "nothing was kept");
        for Kept { bytes, mut server } in kept {
            server.write_all(&bytes).await.unwrap();
            // Answered after what was kept.
            server
                .write_all(b"ECHO all-of-it-is-done\r\n")
                .await
                .unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"all-of-it-is-done\r\n") {
                assert!(server.read_buf(&mut answer).await.unwrap() > 0);
            }
        }
    }
}

async fn pass(
    mut client: TcpStream,
    mut states: watch::Receiver<State>,
    kept: Arc<Mutex<Vec<Kept>>>,
) {
    let State { server, mode } = *states.borrow();
    // One that comes to replace another is not kept.
    let opened_in = mode;
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let (mut up, mut down) = ([0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            sent = client.read(&mut up) => {
                let Ok(length @ 1..) = sent else { return };
                let keeps = states.borrow_and_update().mode == Mode::Keep;
                if keeps && opened_in == Mode::Open {
                    let mut bytes = up[..length].to_vec();
                    // What is on its way, too: all that was written at once.
                    while let Ok(length @ 1..) = client.try_read(&mut up) {
                        bytes.extend_from_slice(&up[..length]);
                    }
                    kept.lock().await.push(Kept { bytes, server });
                    return;
                }
                if server.write_all(&up[..length]).await.is_err() {
                    return;
                }
            }
            replied = server.read(&mut down) => {
                let Ok(length @ 1..) = replied else { return };
                if client.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
