use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};

use super::{Counts, Direction, Ending, Fault, Script};

/// A client's connection.
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) client: TcpStream,
    pub(super) script: watch::Receiver<Script>,
    pub(super) counts: Arc<Counts>,
}

impl Connection {
    pub(super) fn fault(&self) -> Fault {
        (self.script.borrow().fault)(self.number)
    }

    pub(super) async fn end(&mut self, ending: Ending) {
        // The client may have gone already.
        let _gone = match ending {
            Ending::Close => self.client.shutdown().await,
            // Closing the socket then discards what is unsent and sends RST in place of FIN.
            Ending::Reset => self.client.set_zero_linger(),
        };
    }

    /// Passes bytes on until either side ends, or the script ends it.
    pub(super) async fn relay(&mut self, mut server: TcpStream) -> Ending {
        // Each byte of a sliced reply is to travel by itself.
        let _as_it_is = (self.client.set_nodelay(true), server.set_nodelay(true));
        let (number, script) = (self.number, self.script.clone());
        let way = |direction| Way {
            number,
            direction,
            script: script.clone(),
            counted_under: 0,
            passed: 0,
        };
        let (mut requests, mut replies) = (way(Direction::Requests), way(Direction::Replies));
        let counts = Arc::clone(&self.counts);
        let mut until_ended = script.clone();
        let (from_client, to_client) = self.client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            ending = requests.pass_on(from_client, to_server, |_| {}) => ending,
            ending = replies.pass_on(from_server, to_client, |bytes| {
                counts.reply_bytes.fetch_add(bytes, Ordering::SeqCst);
            }) => ending,
            ending = told_to_end(&mut until_ended, number) => ending,
        }
    }
}

/// Completes when the script ends the connection, whether or not anything is under way on it.
async fn told_to_end(script: &mut watch::Receiver<Script>, number: u64) -> Ending {
    loop {
        if let Fault::End(ending) = (script.borrow_and_update().fault)(number) {
            return ending;
        }
        if script.changed().await.is_err() {
            return Ending::Close;
        }
    }
}

/// One direction of a connection.
struct Way {
    number: u64,
    direction: Direction,
    script: watch::Receiver<Script>,
    /// The script under which `passed` is counted.
    counted_under: u64,
    passed: usize,
}

impl Way {
    async fn pass_on(
        &mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        count: impl Fn(u64),
    ) -> Ending {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = match from.read(&mut buffer).await {
                Ok(0) => return Ending::Close,
                Ok(length) => length,
                Err(_) => return Ending::Reset,
            };
            match self.deliver(&buffer[..length], &mut to, &count).await {
                Ok(None) => {}
                Ok(Some(ending)) => return ending,
                Err(_) => return Ending::Reset,
            }
        }
    }

    async fn deliver(
        &mut self,
        bytes: &[u8],
        to: &mut WriteHalf<'_>,
        count: &impl Fn(u64),
    ) -> io::Result<Option<Ending>> {
        let (pass, ending) = loop {
            match self.fault() {
                Fault::Nothing | Fault::Slices | Fault::End(_) => break (bytes.len(), None),
                Fault::Latency(latency) => {
                    sleep(latency).await;
                    break (bytes.len(), None);
                }
                Fault::Hang(direction) if self.goes(direction) => {
                    if self.script.changed().await.is_err() {
                        return Ok(Some(Ending::Close));
                    }
                }
                Fault::EndAfter(limit, ending) if self.goes(Direction::Replies) => {
                    let room = limit.saturating_sub(self.passed);
                    break if bytes.len() <= room {
                        (bytes.len(), None)
                    } else {
                        (room, Some(ending))
                    };
                }
                Fault::Hang(_) | Fault::EndAfter(..) => break (bytes.len(), None),
            }
        };
        let piece = if self.fault() == Fault::Slices {
            1
        } else {
            pass.max(1)
        };
        for piece in bytes[..pass].chunks(piece) {
            to.write_all(piece).await?;
            self.passed += piece.len();
            count(piece.len() as u64);
            // Lets the other end see each piece by itself, if it is quick.
            tokio::task::yield_now().await;
        }
        Ok(ending)
    }

    /// What to do now. Counts anew under every script.
    fn fault(&mut self) -> Fault {
        let script = self.script.borrow_and_update();
        if self.counted_under != script.number {
            self.counted_under = script.number;
            self.passed = 0;
        }
        (script.fault)(self.number)
    }

    fn goes(&self, direction: Direction) -> bool {
        direction == Direction::Both || direction == self.direction
    }
}
