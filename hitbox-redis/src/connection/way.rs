//! The bytes to a server and from it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use futures::future::select_ok;
use redis::ConnectionAddr;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
};

use crate::connection::{
    incoming::{Bounds, Incoming},
    peer::Peer,
};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream on which the server has the last word.
///
/// A server that lets nobody in, or is sent too much, says so and hangs up.
///
/// - The next write then fails, often before those words are read. So a write that fails is kept quiet:
///   what is read next is what the server has said, and then the end.
/// - Words that come before anything was asked would be lost on the client. So nothing is read before
///   something was written.
///
/// And what it sends is [bounded](Bounds).
pub(crate) struct Way {
    stream: Box<dyn Stream>,
    can_be_written: bool,
    was_asked: bool,
    /// Waits to read.
    reader: Option<Waker>,
    incoming: Incoming,
}

impl Way {
    pub(crate) async fn to(peer: &Peer, bounds: Bounds) -> io::Result<Self> {
        Ok(Self {
            stream: stream(peer).await?,
            can_be_written: true,
            was_asked: false,
            reader: None,
            incoming: Incoming::new(bounds),
        })
    }

    fn written<T>(&mut self, outcome: Poll<io::Result<T>>, as_if: T) -> Poll<io::Result<T>> {
        outcome.map(|outcome| {
            Ok(outcome.unwrap_or_else(|_end| {
                self.can_be_written = false;
                as_if
            }))
        })
    }
}

impl AsyncRead for Way {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.was_asked {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        loop {
            self.incoming.check_time()?;
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let read = &mut buffer.filled_mut()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let kept = self.incoming.keep(read);
            buffer.set_filled(before + kept);
            // Nothing would be the end.
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Way {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.was_asked = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        if !self.can_be_written {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(outcome, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.can_be_written {
            return Poll::Ready(Ok(()));
        }
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.written(outcome, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn stream(peer: &Peer) -> io::Result<Box<dyn Stream>> {
    match &peer.address {
        ConnectionAddr::Tcp(host, port) => Ok(Box::new(tcp(host, *port).await?)),
        #[cfg(feature = "tls")]
        ConnectionAddr::TcpTls { host, port, .. } => {
            let tls = peer.tls.as_ref().ok_or_else(no_tls)?;
            let name = rustls::pki_types::ServerName::try_from(host.clone());
            let name = name.map_err(io::Error::other)?;
            let tcp = tcp(host, *port).await?;
            Ok(Box::new(tls.connect(name, tcp).await?))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
        _ => Err(no_tls()),
    }
}

fn no_tls() -> io::Error {
    io::Error::from(io::ErrorKind::Unsupported)
}

/// By the first of the host's addresses that answers.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    let attempts: Vec<_> = addresses
        .into_iter()
        .map(|address| Box::pin(TcpStream::connect(address)))
        .collect();
    if attempts.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    let (stream, _others) = select_ok(attempts).await?;
    // Commands are small and somebody waits for each: they are not held back to be sent together.
    stream.set_nodelay(true)?;
    Ok(stream)
}
