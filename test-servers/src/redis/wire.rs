//! As much of the protocol as it takes to start a server.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(2);

/// Sends a command whose arguments contain no spaces. Returns the first line of the reply, or the
/// text of a reply that is a string.
pub(super) async fn send(port: u16, command: &str) -> io::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        let Some(length) = line.strip_prefix('$') else {
            return Ok(line);
        };
        let length = length.trim().parse().map_err(io::Error::other)?;
        let mut text = vec![0; length];
        reader.read_exact(&mut text).await?;
        String::from_utf8(text).map_err(io::Error::other)
    };
    timeout(LIMIT, exchange).await?
}
