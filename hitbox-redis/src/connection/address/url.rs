//! What a URL says of a server, and what it may not say.

use std::net::Ipv6Addr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

const UNUSABLE_URL: &str = "`url` cannot be used: write redis://HOST:PORT/DATABASE, rediss:// (TLS) or \
     unix:///PATH; in a user name or password, percent-encode characters such as `@`, `/`, `#` and \
     `%`, or give them by `username` and `password`";

const UNCLEAN_URL: &str = "`url` has a line end or another control character in it, or a space around it, which would \
     be dropped in silence: take it out, percent-encode it, or give the password by `password`";

const UNUSED_OPTION: &str = "`url` has something after `?` or `#` that is not used: give the database as \
     redis://HOST:PORT/DATABASE or by `database`; unix:///PATH takes `db`, `user` and `pass`, each once";

const UNUSABLE_DATABASE: &str =
    "the database in `url` cannot be used: give a number from 0 to 4294967295";

pub(super) const UNUSABLE_HOST: &str = "the host cannot be used: give a name or an IP address without brackets, and a \
     port over 0 apart from it, by `url` or `host`";

pub(super) fn parse_url(url: &str) -> Result<ConnectionInfo, &'static str> {
    let wants_tls = url.starts_with("rediss:") || url.starts_with("valkeys:");
    if wants_tls && cfg!(not(feature = "tls")) {
        return Err("the URL asks for TLS: turn on the feature `tls` of hitbox-redis");
    }
    if url.trim() != url || url.contains(char::is_control) {
        return Err(if url.trim().is_empty() {
            UNUSABLE_URL
        } else {
            UNCLEAN_URL
        });
    }
    let info = url.into_connection_info().map_err(|_| UNUSABLE_URL)?;
    check_options(url)?;
    if u32::try_from(info.redis_settings().db()).is_err() {
        return Err(UNUSABLE_DATABASE);
    }
    Ok(info)
}

/// The client ignores the options that it does not know.
fn check_options(url: &str) -> Result<(), &'static str> {
    let parsed = redis::parse_redis_url(url).ok_or(UNUSABLE_URL)?;
    let is_socket = parsed.scheme().ends_with("unix");
    let mut given: Vec<_> = parsed.query_pairs().map(|(name, _)| name).collect();
    let are_known = given
        .iter()
        .all(|name| is_socket && ["db", "user", "pass"].contains(&&**name));
    let count = given.len();
    given.sort_unstable();
    given.dedup();
    // What a fragment says of TLS is looked at with the certificate.
    let is_of_tls = ["rediss", "valkeys"].contains(&parsed.scheme());
    let has_fragment = parsed.fragment().is_some() && !is_of_tls;
    if !are_known || given.len() < count || has_fragment {
        return Err(UNUSED_OPTION);
    }
    Ok(())
}

/// A name with a space or a control character in it is nobody's, and would be shown in errors. So would one
/// that comes with a port or a user.
pub(super) fn check_address(address: &ConnectionAddr) -> Result<(), &'static str> {
    let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = address
    else {
        return Ok(());
    };
    // In a URL, what is percent-encoded in a host stays so.
    let is_unusable =
        |part: char| part.is_whitespace() || part.is_control() || "%@/?#[]".contains(part);
    let is_name = !host.contains(':') || host.parse::<Ipv6Addr>().is_ok();
    if host.is_empty() || host.contains(is_unusable) || !is_name || *port == 0 {
        return Err(UNUSABLE_HOST);
    }
    Ok(())
}
