use std::io::{ErrorKind, Read};

use super::CompressionError;

/// The room made before anything is known about the size.
const FIRST: usize = 8 * 1024;

/// All that `reader` has, unless that is more than `limit` bytes.
///
/// `Read::read_to_end` would do with a `take` around the reader, but doubles its buffer past the
/// limit.
pub(super) fn read_to_limit(
    reader: &mut impl Read,
    limit: usize,
) -> Result<Vec<u8>, CompressionError> {
    // One byte of room past the limit: whether there is more shows only when it is read.
    let most = limit.saturating_add(1);
    let mut payload = vec![0; FIRST.min(most)];
    let mut length = 0;
    loop {
        if length == payload.len() {
            let more = payload.len().min(most - payload.len());
            payload.reserve_exact(more);
            payload.resize(payload.len() + more, 0);
        }
        match reader.read(&mut payload[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if length > limit {
            return Err(CompressionError::OverLimit { limit });
        }
    }
    payload.truncate(length);
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_limit_itself_is_within_the_limit() {
        for limit in [0, 1, FIRST - 1, FIRST, FIRST + 1, 3 * FIRST, 100_000] {
            let exact = read_to_limit(&mut io::repeat(7).take(limit as u64), limit).unwrap();
            assert_eq!(exact, vec![7; limit]);
            let over = read_to_limit(&mut io::repeat(7), limit);
            assert!(matches!(over, Err(CompressionError::OverLimit { .. })));
        }
    }

    #[test]
    fn a_limit_that_cannot_be_reached_does_no_harm() {
        let payload = read_to_limit(&mut io::repeat(7).take(100_000), usize::MAX).unwrap();
        assert_eq!(payload.len(), 100_000);
    }
}
