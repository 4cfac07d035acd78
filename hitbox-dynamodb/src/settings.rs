//! What a setting must not be, said in words that name it and what to do.

use std::{ops::RangeInclusive, time::Duration};

use http::Uri;

/// What a time-out may be: a reply takes its time, and a clock has an end.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// One connection each: there are no more ports than this.
const MOST_CONNECTIONS: usize = 65_535;

pub(crate) type Checked = Result<(), String>;

pub(crate) fn duration(setting: &str, value: Duration) -> Checked {
    if DURATIONS.contains(&value) {
        return Ok(());
    }
    Err(format!(
        "`{setting}` is {value:?}: set it to between 1 ms and 24 h"
    ))
}

/// That a part of a call is given no more time than the call.
pub(crate) fn within_deadline(setting: &str, value: Duration, deadline: Duration) -> Checked {
    duration(setting, value)?;
    if value <= deadline {
        return Ok(());
    }
    Err(format!(
        "`{setting}` is {value:?}, and the whole call has {deadline:?}: lower it, or raise `deadline`"
    ))
}

pub(crate) fn max_connections(value: usize) -> Checked {
    if (1..=MOST_CONNECTIONS).contains(&value) {
        return Ok(());
    }
    Err(format!(
        "`max_connections` is {value}: set it to between 1 and {MOST_CONNECTIONS}"
    ))
}

/// DynamoDB's own rule for names; of an ARN, what no ARN holds.
pub(crate) fn table(name: &str) -> Checked {
    const REMEDY: &str = "give a name of 3 to 255 letters, digits, `_`, `-` and `.`, or an ARN";
    let is_of = |allowed: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || allowed.as_bytes().contains(&byte))
    };
    let fits = match name.starts_with("arn:") {
        true => name.len() <= 1_024 && is_of("_-.:/"),
        false => (3..=255).contains(&name.len()) && is_of("_-."),
    };
    match (name, fits) {
        ("", _) => Err("`table` is empty: name the table to keep values in".into()),
        (_, true) => Ok(()),
        (_, false) => Err(format!("`table` {name:?} is no name of a table: {REMEDY}")),
    }
}

/// It becomes part of a host name.
pub(crate) fn region(setting: &str, region: &str) -> Checked {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=63).contains(&region.len()) && region.bytes().all(is_label) {
        return Ok(());
    }
    Err(format!(
        "`{setting}` {region:?} is no region: give one of letters, digits and `-`, such as \
         `eu-central-1`"
    ))
}

/// Without any of it in the words.
pub(crate) fn credentials(access_key_id: &str, secret_access_key: &str) -> Checked {
    for (part, value) in [
        ("access key id", access_key_id),
        ("secret access key", secret_access_key),
    ] {
        if value.is_empty() {
            return Err(format!("`credentials` has an empty {part}: give it"));
        }
        if !fits_into_header(value) || value.trim() != value {
            return Err(format!(
                "`credentials` has a line end, a blank around it or another character that no {part} \
                 has: check what it was read from"
            ));
        }
    }
    Ok(())
}

/// Whether it can be part of an HTTP header.
pub(crate) fn fits_into_header(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Without the URL in the words: it may hold a password.
pub(crate) fn endpoint(setting: &str, url: &str) -> Checked {
    match endpoint_defect(url) {
        None => Ok(()),
        Some(defect) => Err(format!("`{setting}` {defect}")),
    }
}

fn endpoint_defect(url: &str) -> Option<&'static str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else {
        return Some("must begin with http:// or https://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Some("names no host: give one, such as http://localhost:8000");
    }
    if authority.contains('@') {
        return Some("holds a user or password: give them with `credentials`");
    }
    if rest.contains(['?', '#']) {
        return Some("has a query or a fragment: give scheme, host and port");
    }
    let Ok(uri) = url.parse::<Uri>() else {
        return Some("is no URL: give scheme, host and port, such as http://localhost:8000");
    };
    if uri.host().is_none_or(str::is_empty) {
        return Some("names no host: give one, such as http://localhost:8000");
    }
    let host_and_port = authority
        .rsplit_once(']')
        .map_or(authority, |(_, port)| port);
    let port = host_and_port.rsplit_once(':').map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => None,
        Some(Ok(0) | Err(_)) => Some("has a port that there is not: give one from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for good in [
            "http://localhost:8000",
            "https://dynamodb.eu-central-1.amazonaws.com",
            "http://127.0.0.1:1/",
            "http://[::1]:8000",
            "http://[::1]",
            "https://host/prefix",
        ] {
            assert_eq!(endpoint("endpoint", good), Ok(()), "{good}");
        }
        for bad in [
            "localhost:8000",
            "",
            "http://",
            "http://:80",
            "http://ho st:1",
            "http://host:99999",
            "http://host:0",
            "http://host:",
            "http://host:a",
            "http://a:b@host",
            "http://host/?a=b",
            "http://ho\nst",
            "ftp://host",
        ] {
            let defect = endpoint("endpoint", bad).unwrap_err();
            assert!(defect.starts_with("`endpoint` "), "{defect}");
        }
    }

    #[test]
    fn tables_and_regions() {
        for good in [
            "cache",
            "a.b",
            "A_b-9",
            "arn:aws:dynamodb:eu-central-1:123:table/cache",
        ] {
            assert_eq!(table(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            "a b",
            "cache\n",
            "ta/ble",
            "arn:a b",
            &"x".repeat(256),
        ] {
            table(bad).unwrap_err();
        }
        assert_eq!(region("region", "us-east-1"), Ok(()));
        for bad in ["", "us east", "eu\n", "a.b", "é", &"x".repeat(64)] {
            region("region", bad).unwrap_err();
        }
    }

    #[test]
    fn times_and_numbers() {
        duration("deadline", Duration::from_millis(1)).unwrap();
        for bad in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            duration("deadline", bad).unwrap_err();
        }
        let second = Duration::from_secs(1);
        within_deadline("attempt_timeout", second, second).unwrap();
        within_deadline("attempt_timeout", second, second / 2).unwrap_err();
        max_connections(1).unwrap();
        for bad in [0, usize::MAX] {
            max_connections(bad).unwrap_err();
        }
    }
}
